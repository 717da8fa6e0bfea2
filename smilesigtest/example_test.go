package smilesigtest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// A callback handler gets a genuine callback, and does not run for others.
func ExampleCallback() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		log.Fatal(err)
	}
	verifier := &smilesig.Verifier{
		Signer:   signer,
		OnReject: func(_ *http.Request, err error) int { return smilesig.StatusCode(err) },
	}
	handler := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))

	try := func(name string, cb smilesigtest.Callback) {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, cb.Request("/callbacks"))
		fmt.Println(name, response.Code)
	}
	cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`))
	try("genuine", cb)
	try("stale", cb.Stale())
	try("forged", cb.Forged())
	try("doubled", cb.Doubled())
	// Output:
	// genuine 204
	// stale 401
	// forged 401
	// doubled 400
}

// The callback of a job that was declined, and the webhook of one that was approved.
func ExampleJob_Callback() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	j := smilesigtest.Job{Product: "biometric_kyc", UserID: "user-1", JobID: "job-1"}
	webhook := smilesigtest.Job{Product: "enhanced_kyc", UserID: "user-1", Placement: smilesig.InHeader}

	var declined struct{ ResultCode, ResultText string }
	if err := json.Unmarshal(j.Callback(credential, smilesigtest.Declined).Body, &declined); err != nil {
		log.Fatal(err)
	}
	fmt.Println(declined.ResultCode, declined.ResultText)
	fmt.Println(webhook.Callback(credential, smilesigtest.Approved).Header.Get("User-ID"))
	// Output:
	// 0811 Failed Enroll - Images Do Not Match
	// user-1
}

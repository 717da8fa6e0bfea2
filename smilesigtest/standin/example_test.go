package standin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A client's signed request is accepted, and the same request without a pair is not.
// A test has New instead of Start and Close.
func ExampleServer() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		log.Fatal(err)
	}
	defer smileID.Close()
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		log.Fatal(err)
	}
	signing := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}

	for _, client := range []*http.Client{signing, http.DefaultClient} {
		response, err := client.Post(smileID.URL+"/v1/id_verification", "application/json", strings.NewReader(`{"partner_id":"085"}`))
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
	}
	for _, r := range smileID.Requests() {
		fmt.Println(r.Status, r.Verdict)
	}
	// Output:
	// 200 accepted
	// 400 2204: no timestamp and signature that are strings
}

// A webhook is sent again until it is acknowledged.
func ExampleServer_Deliver() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		log.Fatal(err)
	}
	defer smileID.Close()
	answers := make(chan int, 2)
	answers <- http.StatusServiceUnavailable
	answers <- http.StatusOK
	partner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(<-answers)
	}))
	defer partner.Close()

	body, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	delivery, err := smileID.Deliver(context.Background(), partner.URL, smilesigtest.NewWebhook(credential, body))
	fmt.Println(delivery.Statuses, err)
	// Output: [503 200] <nil>
}

// A job is declined, and a second one is reviewed before it is approved.
func ExampleServer_outcomes() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential, func(s *standin.Server) {
		s.Outcomes = func(j smilesigtest.Job) []smilesigtest.Outcome {
			if j.UserID == "user-1" {
				return []smilesigtest.Outcome{smilesigtest.Declined}
			}
			return []smilesigtest.Outcome{smilesigtest.Provisional, smilesigtest.Approved}
		}
		s.Events = func(e standin.Event) {
			if e.Job != nil {
				fmt.Println(e.Job.UserID, e.Job.Outcomes)
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	defer smileID.Close()
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}
	for _, user := range []string{"user-1", "user-2"} {
		body := `{"partner_id":"085","partner_params":{"job_type":1,"job_id":"job-1","user_id":"` + user + `"}}`
		response, err := client.Post(smileID.URL+"/v1/async_id_verification", "application/json", strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		smileID.Wait()
	}
	// Output:
	// user-1 [declined]
	// user-2 [provisional]
	// user-2 [provisional approved]
}

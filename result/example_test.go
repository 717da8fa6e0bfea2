package result_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"example.com/smilesig/result"
)

// The handler behind smilesig's Verifier.Handler. What is approved or rejected here
// is still to be read back.
func Example() {
	next := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		res, err := result.Parse(body)
		switch {
		case err != nil:
			fmt.Println("no JSON object")
		case res.Provisional:
			fmt.Println(res.JobID, "is provisional: wait for the next result")
		case res.Outcome == result.Approved, res.Outcome == result.Rejected:
			fmt.Println(res.JobID, "is", res.Outcome, "as the body says: read it back, then decide")
		default:
			fmt.Println(res.JobID, "is for a person:", res.Outcome)
		}
	}

	handler := http.HandlerFunc(next) // in truth verifier.Handler(next)
	for _, body := range []string{
		`{"ResultCode":"1012","PartnerParams":{"job_type":5,"job_id":"enhanced-kyc"}}`,
		`{"ResultCode":"1012","PartnerParams":{"job_type":1,"job_id":"biometric-kyc"}}`,
		`{"ResultCode":"0814","PartnerParams":{"job_type":1,"job_id":"biometric-kyc"}}`,
		`{"ResultCode":"1210","PartnerParams":{"job_type":1,"job_id":"biometric-kyc"}}`,
	} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/callbacks", strings.NewReader(body)))
	}
	// Output:
	// enhanced-kyc is approved as the body says: read it back, then decide
	// biometric-kyc is for a person: unknown
	// biometric-kyc is provisional: wait for the next result
	// biometric-kyc is approved as the body says: read it back, then decide
}

// The same code means different things for different products.
func ExampleParse() {
	for _, body := range []string{
		`{"ResultCode":"0812","PartnerParams":{"job_type":"1"}}`,
		`{"ResultCode":"0812","PartnerParams":{"job_type":6}}`,
		`{"ResultCode":"0812"}`,
		`{"status":"attention","reason":"document_expired","product":"document_verification"}`,
	} {
		r, err := result.Parse([]byte(body))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s, provisional %t\n", r.Code, r.Outcome, r.Provisional)
	}
	// Output:
	// 0812: review, provisional true
	// 0812: rejected, provisional false
	// 0812: unknown, provisional false
	// attention: review, provisional false
}

package readback_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest/standin"
)

// What a worker does with a job, once a callback has come or its deadline has.
func Example() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential) // in truth https://api.smileidentity.com
	if err != nil {
		log.Fatal(err)
	}
	defer smileID.Close()
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		log.Fatal(err)
	}
	reader := &readback.Reader{Signer: signer, Origin: smileID.URL}

	work := func(userID, jobID string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		res, err := reader.JobStatus(ctx, userID, jobID)
		switch {
		case errors.Is(err, readback.ErrPending), err == nil && res.Provisional:
			return "later"
		case isTemporary(err):
			return "again"
		case errors.As(err, new(*readback.RefusedError)), errors.Is(err, smilesig.ErrConfig): // such as a wrong key: all jobs are hit
			return "alarm: " + err.Error()
		case err != nil:
			return "for a person: " + err.Error()
		case res.Outcome == result.Approved, res.Outcome == result.Rejected:
			return "decided: " + res.Outcome.String()
		}
		return "for a person: " + res.Outcome.String()
	}

	fmt.Println(work("user-1", "job-1"))
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}
	job := `{"partner_id":"085","partner_params":{"job_type":5,"job_id":"job-1","user_id":"user-1"}}`
	response, err := client.Post(smileID.URL+"/v1/id_verification", "application/json", strings.NewReader(job))
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(work("user-1", "job-1"))
	fmt.Println(work("", "job-1"))
	// Output:
	// later
	// decided: approved
	// alarm: readback: smilesig: faulty configuration: a user ID and a job ID are not empty, and in UTF-8
}

func isTemporary(err error) bool {
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && temporary.Temporary()
}

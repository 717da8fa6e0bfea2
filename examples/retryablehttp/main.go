// A client that retries with hashicorp/go-retryablehttp and signs with smilesig.
// To use it in a program of your own, copy client.go.
//
//	go run .
//
// It asks a stand-in for Smile ID for the status of a job. The first attempt is
// answered with 503. It prints the timestamp of each attempt, and no two are alike.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/standin"
)

func main() {
	attempts, err := run()
	for i, a := range attempts {
		fmt.Printf("attempt %d, signed at %s: %d\n", i+1, a.signed.Timestamp, a.status)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

const jobStatus = `{"partner_id":"085","user_id":"user-1","job_id":"job-1"}`

// run asks for a job's status and returns the attempts that it took.
func run() ([]attempt, error) {
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		return nil, err
	}
	defer smileID.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: overloadedOnce(smileID), ReadTimeout: time.Minute}
	go server.Serve(listener)
	defer server.Close()

	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		return nil, err
	}
	origin := "http://" + listener.Addr().String()
	var seen recorder
	client := newClient(&smilesig.Transport{Signer: signer, Base: &seen, Origins: []string{origin}, ConfirmResponses: true})
	response, err := client.Post(origin+"/v1/job_status", "application/json", strings.NewReader(jobStatus))
	if err != nil {
		return seen.attempts, err
	}
	return seen.attempts, response.Body.Close()
}

// overloadedOnce answers the first request with 503 and leaves the others to next.
func overloadedOnce(next http.Handler) http.Handler {
	var requests atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type attempt struct {
	signed smilesig.Pair
	status int
}

// A recorder is below the Transport, where requests are signed.
type recorder struct{ attempts []attempt }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var a attempt
	body, err := req.GetBody()
	if err == nil {
		err = json.NewDecoder(body).Decode(&a.signed)
	}
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		a.status = response.StatusCode
	}
	r.attempts = append(r.attempts, a)
	return response, err
}

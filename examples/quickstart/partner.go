package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

// A partner of Smile ID: what smilesig is for.
type partner struct {
	client *http.Client     // signs its requests to Smile ID
	server *httptest.Server // takes Smile ID's callbacks; v3 insists on https
	urls   *joburl.URLs     // makes a callback URL for each job
}

func startPartner(credential smilesig.Credential, smileIDOrigin string) (*partner, error) {
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(nil)
	secret := make([]byte, 32)
	rand.Read(secret) // in production it outlives the process
	urls, err := joburl.New("https://"+server.Listener.Addr().String()+"/callbacks", secret)
	if err != nil {
		return nil, err
	}
	server.Config = newCallbackServer(signer, urls)
	server.StartTLS()
	return &partner{client: newClient(signer, smileIDOrigin), server: server, urls: urls}, nil
}

func (p *partner) close() { p.server.Close() }

// newClient returns a client that signs. Without Origins it would sign for the
// real Smile ID only.
func newClient(signer *smilesig.Signer, origin string) *http.Client {
	return &http.Client{
		Transport: &smilesig.Transport{Signer: signer, Origins: []string{origin}, ConfirmResponses: true},
		Timeout:   time.Minute,
	}
}

// newCallbackServer returns a server whose handler runs for verified callbacks at
// the URL of a job only.
func newCallbackServer(signer *smilesig.Signer, urls *joburl.URLs) *http.Server {
	verifier := &smilesig.Verifier{
		Signer: signer,
		Guard:  new(smilesig.MemoryGuard),
		// 0 leaves the status to smilesig. Without OnReject, each refusal is logged,
		// which would be in the way of this program's own lines.
		OnReject: func(*http.Request, error) (status int) { return 0 },
	}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/", urls.Handler(verifier.Handler(http.HandlerFunc(takeResult))))
	return &http.Server{Handler: mux, ReadTimeout: time.Minute}
}

// takeResult has a verified callback. The URL says which job it is for. The body of
// v1 and v2 says so too, and is refused if it says something else. In v3, job_id is
// Smile ID's own.
func takeResult(w http.ResponseWriter, r *http.Request) {
	_, isVerified := smilesig.FromContext(r.Context())
	job, hasJob := joburl.FromContext(r.Context())
	var result struct {
		PartnerParams struct {
			JobID string `json:"job_id"`
		}
	}
	if !isVerified || !hasJob || json.NewDecoder(r.Body).Decode(&result) != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if claimed := cmp.Or(result.PartnerParams.JobID, job); claimed != job {
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusOK) // here a partner would keep the result of the job
}

package main

import (
	"cmp"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/result"
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
	verifier := &smilesig.Verifier{Signer: signer}
	// Without OnReject, each refusal is logged, which would be in the way of this
	// program's own lines. 0 leaves the status to smilesig.
	verifier.OnReject = func(*http.Request, error) (status int) { return 0 }
	urls.OnReject = func(*http.Request, error) {}
	handler := urls.Handler(verifier.Handler(http.HandlerFunc(takeResult)))
	return &http.Server{Handler: handler, ReadTimeout: time.Minute}
}

// takeResult has a verified callback. The URL says which job it is for. The body of
// v1 and v2 says so too, and is refused if it says something else. Only result.Parse
// says what the outcome is.
func takeResult(w http.ResponseWriter, r *http.Request) {
	_, isVerified := smilesig.FromContext(r.Context())
	job, hasJob := joburl.FromContext(r.Context())
	body, readErr := io.ReadAll(r.Body)
	found, parseErr := result.Parse(body)
	switch {
	case !isVerified || !hasJob || readErr != nil || parseErr != nil:
		w.WriteHeader(http.StatusInternalServerError)
	case cmp.Or(found.JobID, job) != job:
		w.WriteHeader(http.StatusConflict)
	case found.Provisional:
		w.WriteHeader(http.StatusAccepted) // another result will come
	case found.Outcome == result.Approved, found.Outcome == result.Rejected:
		w.WriteHeader(http.StatusOK) // here a partner would read it back, and decide once
	default:
		w.WriteHeader(http.StatusAccepted) // here a partner would keep it for a person
	}
}

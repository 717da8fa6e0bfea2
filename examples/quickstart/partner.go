package main

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"example.com/smilesig"
)

// A partner of Smile ID: what smilesig is for.
type partner struct {
	client      *http.Client // signs its requests to Smile ID
	server      *http.Server // takes Smile ID's callbacks
	callbackURL string
}

func startPartner(credential smilesig.Credential, smileIDOrigin string) (*partner, error) {
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &partner{
		client:      newClient(signer, smileIDOrigin),
		server:      newCallbackServer(signer),
		callbackURL: "http://" + listener.Addr().String() + "/callbacks",
	}
	go p.server.Serve(listener)
	return p, nil
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

// newCallbackServer returns a server whose handler runs for verified callbacks only.
func newCallbackServer(signer *smilesig.Signer) *http.Server {
	verifier := &smilesig.Verifier{
		Signer: signer,
		Guard:  new(smilesig.MemoryGuard),
		// 0 leaves the status to smilesig. Without OnReject, each refusal is logged,
		// which would be in the way of this program's own lines.
		OnReject: func(*http.Request, error) (status int) { return 0 },
	}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks", verifier.Handler(http.HandlerFunc(takeResult)))
	return &http.Server{Handler: mux, ReadTimeout: time.Minute}
}

// takeResult has a verified callback. It reads the body as ever.
func takeResult(w http.ResponseWriter, r *http.Request) {
	_, isVerified := smilesig.FromContext(r.Context())
	var result map[string]any
	if !isVerified || json.NewDecoder(r.Body).Decode(&result) != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK) // here a partner would look up the job and keep the result
}

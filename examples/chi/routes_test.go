package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

func genuine() smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return smilesigtest.NewCallback(credential, body)
}

func newVerifier(t *testing.T) *smilesig.Verifier {
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	return &smilesig.Verifier{Signer: signer, Guard: &smilesig.MemoryGuard{}, MaxBytes: 4 << 10}
}

// post returns the status of the answer, its body and one of its headers.
func post(t *testing.T, cb smilesigtest.Callback, url string) (status int, body, challenge string) {
	response, err := cb.Send(t.Context(), nil, url)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer), response.Header.Get("WWW-Authenticate")
}

// A server has a Verifier between chi's own middleware and a handler.
type server struct {
	*httptest.Server
	log     bytes.Buffer // chi's access log
	handled int          // calls of what is behind the Verifier
}

func newServer(t *testing.T, handle http.HandlerFunc) *server {
	s := new(server)
	router := chi.NewRouter()
	logTo := &middleware.DefaultLogFormatter{Logger: log.New(&s.log, "", 0), NoColor: true}
	router.Use(middleware.RequestLogger(logTo), middleware.Recoverer)
	router.Route("/{tenant}", func(router chi.Router) {
		router.Use(newVerifier(t).Handler, s.count)
		router.Post("/callbacks", handle)
	})
	s.Server = httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s
}

func (s *server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handled++
		next.ServeHTTP(w, r)
	})
}

// send returns when the server has finished with the request, its log included.
func (s *server) send(t *testing.T, cb smilesigtest.Callback) (status int, body, challenge string) {
	status, body, challenge = post(t, cb, s.URL+"/kenya/callbacks")
	s.Close()
	return status, body, challenge
}

func TestVerifiedCallbackKeepsItsBytes(t *testing.T) {
	t.Parallel()
	sent, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	var inContext smilesig.Callback
	var parameter string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		inContext, _ = smilesig.FromContext(r.Context())
		parameter = chi.URLParam(r, "tenant")
		w.WriteHeader(http.StatusAccepted)
		io.Copy(w, r.Body)
	})
	status, body, _ := s.send(t, smilesigtest.NewWebhook(credential, sent))
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, string(sent), body)
	assert.Equal(t, credential.PartnerID, inContext.PartnerID)
	assert.Equal(t, smilesig.InHeader, inContext.Placement)
	assert.Equal(t, "kenya", parameter)
	assert.Contains(t, s.log.String(), " 202 ")
	assert.Equal(t, 1, s.handled)
}

func TestRejectionEndsTheChain(t *testing.T) {
	t.Parallel()
	oversize := genuine()
	oversize.Body = []byte(`{"padding":"` + string(bytes.Repeat([]byte("x"), 8<<10)) + `"}`)
	for name, test := range map[string]struct {
		sent      smilesigtest.Callback
		status    int
		challenge string
	}{
		"forged":   {genuine().Forged(), http.StatusUnauthorized, "SmileID"},
		"stale":    {genuine().Stale(), http.StatusUnauthorized, "SmileID"},
		"doubled":  {genuine().Doubled(), http.StatusBadRequest, ""},
		"oversize": {oversize, http.StatusRequestEntityTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(http.ResponseWriter, *http.Request) {})
			status, body, challenge := s.send(t, test.sent)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.challenge, challenge)
			assert.Equal(t, http.StatusText(test.status)+"\n", body, "nothing is added to it")
			assert.Zero(t, s.handled)
			assert.Contains(t, s.log.String(), fmt.Sprintf(" %d ", test.status))
		})
	}
}

func TestBodyOfUndeclaredLengthIsCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(http.ResponseWriter, *http.Request) {})
	response, err := http.Post(s.URL+"/kenya/callbacks", "application/json", io.LimitReader(rand.Reader, 8<<10))
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.True(t, response.Close, "the rest is not waited for")
}

func TestPanicReachesRecoverer(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(http.ResponseWriter, *http.Request) { panic("made up") })
	status, _, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.Contains(t, s.log.String(), " 500 ")
}

package readback_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/readback"
)

const apiKey = "made-up-key"

var credential = smilesig.Credential{PartnerID: "085", APIKey: apiKey}

func newSigner(t testing.TB) *smilesig.Signer {
	t.Helper()
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	return signer
}

// serve starts a server of Smile ID's, and returns a Reader that asks it.
func serve(t testing.TB, handler http.HandlerFunc) *readback.Reader {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &readback.Reader{Signer: newSigner(t), Origin: server.URL, Base: base}
}

// signed puts a pair in front of the members of a job_status answer.
func signed(t testing.TB, members string) string {
	pair := newSigner(t).Sign(time.Now())
	return fmt.Sprintf(`{"signature":%q,"timestamp":%q,%s}`, pair.Signature, pair.Timestamp, members)
}

// write answers with a status and a body.
func write(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// A v3API answers like v3, with tokens that it counts.
type v3API struct {
	t      testing.TB
	status http.HandlerFunc // GET /v3/status/
	token  http.HandlerFunc // POST /v3/token; nil answers with a token of 15 minutes
	now    func() time.Time // nil means time.Now

	mu     sync.Mutex
	issued []string
	asked  []string // the tokens that came with GET /v3/status/
}

func (a *v3API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v3/token" {
		assert.Equal(a.t, http.MethodPost, r.Method)
		assert.Equal(a.t, []string{"85"}, r.Header["Smileid-Partner-Id"])
		assert.Equal(a.t, []string{apiKey}, r.Header["Smileid-Api-Key"])
		assert.Zero(a.t, r.ContentLength)
		assert.Empty(a.t, r.Header["Content-Type"])
		if a.token != nil {
			a.token(w, r)
			return
		}
		write(w, http.StatusOK, fmt.Sprintf(`{"token":%q}`, a.issue(15*time.Minute)))
		return
	}
	assert.Equal(a.t, http.MethodGet, r.Method)
	assert.Empty(a.t, r.Header["Smileid-Api-Key"])
	a.mu.Lock()
	a.asked = append(a.asked, r.Header.Get("SmileID-Token"))
	a.mu.Unlock()
	a.status(w, r)
}

func (a *v3API) issue(life time.Duration) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.now != nil {
		now = a.now()
	}
	claims, _ := json.Marshal(map[string]any{"exp": now.Add(life).Unix(), "n": len(a.issued)})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	a.issued = append(a.issued, token)
	return token
}

func (a *v3API) tokens() (issued, asked []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.issued...), append([]string(nil), a.asked...)
}

const v3Job = "job_01h8x9y2z3a4b5c6d7e8f9g0h1"

// answering is a v3API that answers every question about a job alike.
func answering(t testing.TB, status int, body string) *v3API {
	return &v3API{t: t, status: func(w http.ResponseWriter, r *http.Request) { write(w, status, body) }}
}

func v3Status(status string) string {
	return `{"status":"` + status + `","job_id":"` + v3Job + `","user_id":"user-1","message":"Job completed","created_at":"2026-07-20T12:00:00.000Z"}`
}

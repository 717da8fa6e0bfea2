package smilesig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// Made up, like every key here.
var (
	testCredential  = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-one"}
	otherCredential = smilesig.Credential{PartnerID: "2343", APIKey: "made-up-key-two"}
	testTime        = time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func newSigner(t testing.TB, current smilesig.Credential, accepted ...smilesig.Credential) *smilesig.Signer {
	t.Helper()
	s, err := smilesig.NewSigner(current, accepted...)
	require.NoError(t, err)
	return s
}

// newVerifier accepts testCredential's pairs at testTime, with any body.
func newVerifier(t testing.TB) *smilesig.Verifier {
	t.Helper()
	return &smilesig.Verifier{Signer: newSigner(t, testCredential), Now: at(testTime), Guard: smilesig.NoGuard}
}

// signedBody is a callback's body with a pair of testCredential made at testTime.
func signedBody(t testing.TB, members string) string {
	t.Helper()
	return pairBody(newSigner(t, testCredential).Sign(testTime), members)
}

// pairBody is a callback's body with any pair; members start with a comma.
func pairBody(pair smilesig.Pair, members string) string {
	return fmt.Sprintf(`{"signature":%q,"timestamp":%q%s}`, pair.Signature, pair.Timestamp, members)
}

func decode(t testing.TB, body []byte) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(body, &members))
	return members
}

func headerPair(pair smilesig.Pair) http.Header {
	return http.Header{
		"Response-Signature": {pair.Signature},
		"Response-Timestamp": {pair.Timestamp},
	}
}

// sdkSignature is the signature as the official SDKs make it, computed without
// the package. vectors/ has signatures that they made.
func sdkSignature(c smilesig.Credential, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APIKey))
	mac.Write([]byte(timestamp + c.PartnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func assertNoSecrets(t *testing.T, text string, pair smilesig.Pair) {
	t.Helper()
	assert.NotContains(t, text, testCredential.APIKey)
	assert.NotContains(t, text, pair.Signature)
	assert.NotContains(t, text, sdkSignature(testCredential, pair.Timestamp))
}

// Under the race detector a sync.Pool drops what it holds, so allocations are
// counted without it.
func skipUnderRaceDetector(t *testing.T) {
	t.Helper()
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("not under the race detector")
	}
}

// ---- HTTP ----

func newRequest(t testing.TB, method, target, contentType string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

func serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func serveHTTP2(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// send posts JSON.
func send(t testing.TB, client *http.Client, target string, header http.Header, body io.Reader) *http.Response {
	t.Helper()
	req := newRequest(t, "POST", target, "application/json", body)
	maps.Copy(req.Header, header)
	res, err := client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func post(t testing.TB, target string, header http.Header, body io.Reader) *http.Response {
	t.Helper()
	return send(t, http.DefaultClient, target, header, body)
}

// deliver has handler answer a request that no network brings.
func deliver(handler http.Handler, body io.Reader, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", body)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// quiet is an OnReject that does nothing.
func quiet(*http.Request, error) int { return 0 }

// A spyHandler keeps the body and the callback of each request.
type spyHandler struct {
	mu        sync.Mutex
	bodies    []string
	callbacks []smilesig.Callback
}

func (h *spyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	cb, ok := smilesig.FromContext(r.Context())
	if err != nil || !ok || int64(len(body)) != r.ContentLength {
		http.Error(w, "spy", http.StatusTeapot)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
	h.callbacks = append(h.callbacks, cb)
}

// A spyBody counts reads and closes, and fails reads after it is closed.
type spyBody struct {
	io.Reader
	closed atomic.Int32
	reads  atomic.Int32
}

func newSpyBody(content string) *spyBody { return &spyBody{Reader: strings.NewReader(content)} }

func (b *spyBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	if b.closed.Load() > 0 {
		return 0, errors.New("read after close")
	}
	return b.Reader.Read(p)
}

func (b *spyBody) Close() error {
	b.closed.Add(1)
	if closer, ok := b.Reader.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// An onlyReader hides that its content is in memory, so it is sent chunked.
type onlyReader struct{ io.Reader }

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

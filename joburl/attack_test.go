package joburl_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

// A partner approves the job of the URL when the body says so. It never asks the
// body which job that is.
type partner struct {
	*httptest.Server
	urls *joburl.URLs

	mu       sync.Mutex
	approved map[string]int // times, by job
}

func newPartner(t *testing.T, credential smilesig.Credential) *partner {
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	verifier := &smilesig.Verifier{
		Signer:   signer,
		Guard:    &smilesig.MemoryGuard{},
		OnReject: func(*http.Request, error) int { return 0 },
	}
	p := &partner{urls: newURLs(t, base, secret("s")), approved: make(map[string]int)}
	mux := newMux("/callbacks/", p.urls.Handler(verifier.Handler(http.HandlerFunc(p.approve))))
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *partner) approve(w http.ResponseWriter, r *http.Request) {
	job, isKnown := joburl.FromContext(r.Context())
	var result struct{ ResultCode, Status string }
	if err := json.NewDecoder(r.Body).Decode(&result); err != nil || !isKnown {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	if result.ResultCode == "0810" || result.Status == "clear" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.approved[job]++
	}
}

func (p *partner) approvals(job string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.approved[job]
}

// here is the URL at which the test reaches a URL of urls.
func (p *partner) here(url string) string {
	return strings.Replace(url, "https://partner.example", p.URL, 1)
}

// An attacker has every pair, every body and the URLs of all jobs but one.
func TestNobodyReachesAJobWhoseURLTheyHaveNotSeen(t *testing.T) {
	t.Parallel()
	const victim = "kenya:production:4711:1"
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	p := newPartner(t, credential)
	victimURL := p.here(p.urls.For(victim))

	var seenURLs []string
	for _, job := range []string{
		"kenya:production:4711", "kenya:production:4711:", "kenya:production:4711:2", "kenya:production:4711:11",
		"kenya:sandbox:4711:1", "Kenya:production:4711:1", victim + "\x00", victim + "\n", "x" + victim, victim + victim,
	} {
		seenURLs = append(seenURLs, p.here(p.urls.For(job)))
	}
	bodies := [][]byte{
		[]byte(`{"ResultCode":"0810","SmileJobID":"0000000042","PartnerParams":{"job_id":"` + victim + `","job_type":1}}`),
		[]byte(`{"status":"clear","job_id":"job_01h8x9y2z3a4b5c6d7e8f9g0h1","partner_params":{"job_id":"` + victim + `"},"callback_url":"` + victim + `"}`),
	}
	signedAt := time.Now().Add(-10 * time.Minute)
	send := func(url string, header http.Header) {
		for i, body := range bodies {
			signedAt = signedAt.Add(time.Millisecond) // a pair that the guard has not seen
			callback := smilesigtest.NewCallback(credential, body)
			callback.Time = signedAt
			if i%2 == 1 {
				callback.Placement = smilesig.InHeader
			}
			response, err := callback.Send(t.Context(), &http.Client{Transport: withHeader{header}}, url)
			if err != nil {
				continue // the client itself refuses the URL
			}
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
			assert.NoError(t, response.Body.Close())
		}
	}

	for _, guess := range guesses(victim, seenURLs) {
		require.NotEqual(t, victimURL, p.URL+guess)
		send(p.URL+guess, nil)
	}
	for _, url := range seenURLs {
		path := "/callbacks/" + enc(victim)
		send(url, http.Header{
			"Job-Id": {victim}, "User-Id": {victim}, "Smileid-Job-Id": {victim}, "X-Forwarded-Prefix": {path},
			"X-Original-Url": {path}, "X-Rewrite-Url": {path}, "X-Http-Method-Override": {"GET"},
		})
		send(url+"?job="+victim+"&callback_url="+path, nil)
	}
	assert.Zero(t, p.approvals(victim))
	assert.Len(t, p.approved, len(seenURLs), "the others' URLs do work, for the others")

	send(victimURL, nil)
	assert.Equal(t, len(bodies), p.approvals(victim), "the victim's URL works")
}

// A genuine callback, once it was delivered, is of no use at another URL either.
func TestGenuineCallbackAtAnotherURL(t *testing.T) {
	t.Parallel()
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	p := newPartner(t, credential)
	mine, victims := p.here(p.urls.For("mine")), p.here(p.urls.For("victim"))
	genuine := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"0810"}`))
	for _, url := range []string{mine, victims[:len(victims)-1] + "_", victims + "/", strings.Replace(mine, enc("mine"), enc("victim"), 1)} {
		response, err := genuine.Send(t.Context(), nil, url)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, url == mine, response.StatusCode == http.StatusOK, url)
	}
	assert.Equal(t, map[string]int{"mine": 1}, p.approved)
}

func enc(job string) string { return base64.RawURLEncoding.EncodeToString([]byte(job)) }

// guesses are paths made of everything but the secret.
func guesses(victim string, seenURLs []string) []string {
	v := enc(victim)
	segments := []string{
		"", victim, v, v + "=", v + "%0A", strings.Repeat("A", 22), v + strings.Repeat("A", 22), v + strings.Repeat("%00", 22),
		// The published construction, with what an attacker may know in the place of the secret.
		segmentOf(nil, victim), segmentOf([]byte("made-up-key"), victim), segmentOf([]byte("085"), victim),
		segmentOf(bytes.Repeat([]byte{0}, 32), victim), segmentOf([]byte(base), victim), segmentOf(secret("t"), victim),
	}
	for _, url := range seenURLs {
		seen := lastSegment(url)
		mac := seen[len(seen)-22:]
		segments = append(segments,
			v+mac, v+seen, seen+v, seen[:len(seen)-22]+v+mac, // its MAC for the victim
			seen+"/"+v, seen+"/../"+v, seen+"%2F"+v, v+"/../"+seen, v+"%2F..%2F"+seen, // two segments
			seen+"%0A"+v, seen+";"+v, seen+"%3F"+v, seen+"%23"+v,
		)
	}
	mac := seenURLs[0][len(seenURLs[0])-22:]
	for cut := range mac {
		segments = append(segments, v+mac[:cut], v+mac[cut:])
	}
	var paths []string
	for _, segment := range segments {
		paths = append(paths, "/callbacks/"+segment)
	}
	for _, place := range []string{"/", "//callbacks/", "/callbacks//", "/callbacks/../callbacks/", "/callbacks/%2E%2E/callbacks/", "/callbacks%2F"} {
		paths = append(paths, place+v, place+v+mac)
	}
	return paths
}

type withHeader struct{ header http.Header }

func (t withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range t.header {
		r.Header[name] = values
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}

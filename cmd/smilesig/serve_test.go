package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// A served is a run of serve under way.
type served struct {
	URL   string
	lines *bufio.Scanner
	stop  func() (code int)
}

func (s served) line(t *testing.T) string {
	t.Helper()
	require.True(t, s.lines.Scan(), "it has stopped")
	return s.lines.Text()
}

func startServe(t *testing.T, args ...string) served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	code := make(chan int, 1)
	c := smilesigCommand(append([]string{"serve", "-addr", "127.0.0.1:0"}, args...)...)
	go func() {
		code <- run(ctx, c.args, strings.NewReader(""), write, io.Discard, c.getenv)
		write.Close()
	}()
	t.Cleanup(cancel)
	t.Cleanup(func() { read.Close() })
	return served{lines: bufio.NewScanner(read), stop: func() int {
		cancel()
		return <-code
	}}
}

// post sends JSON as a program does that uses smilesig.
func post(t *testing.T, origin, path, body string, by smilesig.Credential) int {
	t.Helper()
	client := &http.Client{Transport: &smilesig.Transport{Signer: newSigner(t, by), Origins: []string{origin}}}
	response, err := client.Post(origin+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

// postV3 starts a job of v3.
func postV3(t *testing.T, origin, path string) {
	t.Helper()
	client := &http.Client{Transport: &smilesig.Transport{Signer: newSigner(t, ours), Origins: []string{origin}}}
	response, err := client.Post(origin+"/v3/token", "", nil)
	require.NoError(t, err)
	var token struct{ Token string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&token))
	response.Body.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin+path, strings.NewReader("--x--\r\n"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	req.Header.Set("SmileID-Token", token.Token)
	response, err = client.Do(req)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

func TestServe(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	url, ok := strings.CutPrefix(s.line(t), "listening on ")
	require.True(t, ok)

	assert.Equal(t, 200, post(t, url, "/v1/job_status", `{"partner_id":"085"}`, ours))
	assert.Equal(t, "POST /v1/job_status  200  accepted", s.line(t))
	assert.Equal(t, 400, post(t, url, "/v1/job_status", `{}`, theirs))
	assert.Equal(t, "POST /v1/job_status  400  2204: no partner_id that is a string", s.line(t))
	assert.Equal(t, 400, post(t, url, "/v1/totp_consent/a%0Ab", `{"partner_id":"2343"}`, theirs))
	assert.Equal(t, "POST /v1/totp_consent/a%0Ab  400  2205: another partner", s.line(t))
	assert.Equal(t, exitDone, s.stop())
}

func TestServeSendsCallbacks(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	s := startServe(t)
	url, _ := strings.CutPrefix(s.line(t), "listening on ")

	to := func(callback string) string { return `{"partner_id":"085","callback_url":"` + callback + `"}` }
	assert.Equal(t, 200, post(t, url, "/v2/verify_async", to(r.URL+"/callbacks?secret=1"), ours))
	assert.Equal(t, "POST /v2/verify_async  200  accepted", s.line(t))
	assert.Regexp(t, `^job \d{10}  basic_kyc  approved$`, s.line(t))
	assert.Equal(t, "callback to "+r.URL+"/callbacks  200", s.line(t))
	assert.Equal(t, 200, post(t, url, "/v2/verify_async", to(gone.URL+"/?secret=1"), ours))
	assert.Equal(t, "POST /v2/verify_async  200  accepted", s.line(t))
	assert.Regexp(t, `^job `, s.line(t))
	for range 4 {
		assert.Equal(t, "callback to "+gone.URL+"/  no answer: dial tcp "+strings.TrimPrefix(gone.URL, "http://")+": connect: connection refused", s.line(t))
	}
	assert.Equal(t, 400, post(t, url, "/v2/verify_async", to("http://%zz"), ours))
	assert.Equal(t, "POST /v2/verify_async  400  2204: callback_url is not an http or https URL", s.line(t))
	assert.Equal(t, 200, post(t, url, "/v2/verify_async", to("http://partner.example/"), ours))
	assert.Contains(t, s.line(t), "200  accepted; no callback is sent to another machine")
}

func TestServeAnswersToItsHostsOnly(t *testing.T) {
	t.Parallel()
	s := startServe(t, "-host", "Smile-ID", "-host", "other", "-allow-callbacks-to", "PARTNER", "-refuse-stale")
	url, _ := strings.CutPrefix(s.line(t), "listening on ")
	for host, want := range map[string]int{"smile-id": 200, "other:1": 200, "evil.example": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/services", nil)
		require.NoError(t, err)
		req.Host = host
		response, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, want, response.StatusCode, host)
		s.line(t)
	}
	post(t, url, "/v1/upload", `{"smile_client_id":"085","callback_url":"http://partner/"}`, ours)
	assert.Equal(t, "POST /v1/upload  200  accepted", s.line(t))
	old := newSigner(t, ours).Sign(someTime)
	response, err := http.Post(url+"/v1/token", "application/json", strings.NewReader(fmt.Sprintf(
		`{"partner_id":"085","timestamp":%q,"signature":%q}`, old.Timestamp, old.Signature)))
	require.NoError(t, err)
	response.Body.Close()
	assert.Contains(t, s.line(t), "400  2205: the timestamp is ")
}

func TestServeShowsAPage(t *testing.T) {
	t.Parallel()
	s := startServe(t, "-ui", "127.0.0.1:0", "-hold")
	url, _ := strings.CutPrefix(s.line(t), "listening on ")
	page, ok := strings.CutPrefix(s.line(t), "page on ")
	require.True(t, ok)
	post(t, url, "/v2/verify_async", `{"partner_id":"085"}`, ours)
	assert.Equal(t, "POST /v2/verify_async  200  accepted", s.line(t))
	response, err := http.Get(page)
	require.NoError(t, err)
	defer response.Body.Close()
	html, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(html), "undecided")
	assert.Contains(t, string(html), url)

	taken := strings.TrimPrefix(page, "http://")
	code, _, stderr := smilesigCommand("serve", "-addr", "127.0.0.1:0", "-ui", taken).run(t)
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, stderr, "address already in use")
}

func TestServeOverTLS(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "cert.pem")
	s := startServe(t, "-tls", name)
	url, _ := strings.CutPrefix(s.line(t), "listening on ")
	require.True(t, strings.HasPrefix(url, "https://"))
	certificate, err := os.ReadFile(name)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certificate))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	response, err := client.Get(url + "/v1/services")
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, 200, response.StatusCode)
}

func TestServePrintsJSON(t *testing.T) {
	t.Parallel()
	s := startServe(t, "-json")
	var first listening
	require.NoError(t, json.Unmarshal([]byte(s.line(t)), &first))
	post(t, first.URL, "/v1/job_status", `{"partner_id":"085"}`, ours)
	var request requestEvent
	require.NoError(t, json.Unmarshal([]byte(s.line(t)), &request))
	assert.Equal(t, requestEvent{"POST", "/v1/job_status", 200, "accepted"}, request)
	gone := httptest.NewServer(nil)
	gone.Close()
	post(t, first.URL, "/v2/verify_async", `{"partner_id":"085","callback_url":"`+gone.URL+`"}`, ours)
	s.line(t)
	var job jobEvent
	require.NoError(t, json.Unmarshal([]byte(s.line(t)), &job))
	assert.Equal(t, jobEvent{job.Job, "basic_kyc", "approved"}, job)
	var callback callbackEvent
	require.NoError(t, json.Unmarshal([]byte(s.line(t)), &callback))
	assert.Equal(t, gone.URL, callback.URL)
	assert.Zero(t, callback.Status)
	assert.Contains(t, callback.Cause, "connection refused")
}

func TestServeStopsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	for _, path := range []string{"/v1/job_status", "/v2/verify_async"} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		read, write := io.Pipe()
		code := make(chan int, 1)
		c := smilesigCommand("serve", "-addr", "127.0.0.1:0")
		go func() { code <- run(ctx, c.args, strings.NewReader(""), write, io.Discard, c.getenv) }()
		line, err := bufio.NewReader(read).ReadString('\n')
		require.NoError(t, err)
		url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
		post(t, url, path, `{"partner_id":"085","callback_url":"`+r.URL+`"}`, ours)
		read.Close()
		assert.Equal(t, exitRefused, <-code)
	}
}

func TestServeRefusesATakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	code, stdout, stderr := smilesigCommand("serve", "-addr", taken.Addr().String()).run(t)
	assert.Equal(t, exitRefused, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "address already in use")
}

func TestServeDecidesEveryJob(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := startServe(t, "-outcome", "id-validated,provisional,failed")
	url, _ := strings.CutPrefix(s.line(t), "listening on ")
	post(t, url, "/v1/async_id_verification", `{"partner_id":"085","callback_url":"`+r.URL+`","partner_params":{"job_type":1}}`, ours)
	s.line(t)
	for _, o := range []string{"id-validated", "provisional", "failed"} {
		assert.Regexp(t, `^job \d{10}  biometric_kyc  `+o+`$`, s.line(t))
		assert.Regexp(t, `^callback to .*  200$`, s.line(t))
	}
}

// The zeros trap, and a rotation: the receiver knows 085 and its first key only.
func TestServeSignsAsAskedFor(t *testing.T) {
	t.Parallel()
	second := file(t, "second-made-up-key\n")
	for want, args := range map[smilesig.Credential][]string{
		{PartnerID: "85", APIKey: ours.APIKey}:           {"-sign-as", "85"},
		{PartnerID: "085", APIKey: "second-made-up-key"}: {"-sign-with", second},
		{PartnerID: "85", APIKey: "second-made-up-key"}:  {"-sign-as", "85", "-sign-with", second},
	} {
		signer, err := smilesig.NewSigner(want)
		require.NoError(t, err)
		verifier := &smilesig.Verifier{Signer: signer}
		partner := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		t.Cleanup(partner.Close)
		s := startServe(t, args...)
		url, _ := strings.CutPrefix(s.line(t), "listening on ")
		assert.Equal(t, 200, post(t, url, "/v2/verify_async", `{"partner_id":"085","callback_url":"`+partner.URL+`"}`, ours), "requests are signed as ever")
		s.line(t)
		s.line(t)
		assert.Equal(t, "callback to "+partner.URL+"  200", s.line(t), "%v", args)
	}
}

func TestServeSendsV3ResultsToTheDefault(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := startServe(t, "-callback-url", r.URL+"/default")
	url, _ := strings.CutPrefix(s.line(t), "listening on ")
	postV3(t, url, "/v3/enhanced_kyc")
	for range 3 {
		s.line(t)
	}
	assert.Equal(t, "callback to "+r.URL+"/default  200", s.line(t))
}

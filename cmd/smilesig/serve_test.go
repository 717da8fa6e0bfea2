package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
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

func TestServe(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	url, ok := strings.CutPrefix(s.line(t), "listening on ")
	require.True(t, ok)

	assert.Equal(t, 200, post(t, url, "/v1/job_status", `{"partner_id":"085"}`, ours))
	assert.Equal(t, "POST /v1/job_status  200  accepted", s.line(t))
	assert.Equal(t, 400, post(t, url, "/v1/job_status", `{}`, theirs))
	assert.Equal(t, "POST /v1/job_status  400  2204: no partner_id that is a string", s.line(t))
	assert.Equal(t, 400, post(t, url, "/v1/a%0Ab", `{"partner_id":"2343"}`, theirs))
	assert.Equal(t, "POST /v1/a%0Ab  400  2205: another partner", s.line(t))
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
	assert.Equal(t, "callback to "+r.URL+"/callbacks  200", s.line(t))
	assert.Equal(t, 200, post(t, url, "/v2/verify_async", to(gone.URL), ours))
	assert.Equal(t, "POST /v2/verify_async  200  accepted", s.line(t))
	for range 4 {
		assert.Equal(t, "callback to "+gone.URL+"  no answer", s.line(t))
	}
	assert.Equal(t, 200, post(t, url, "/v2/verify_async", to("http://%zz"), ours))
	assert.Equal(t, "POST /v2/verify_async  200  accepted", s.line(t))
	assert.Equal(t, "callback to an invalid URL  no answer", s.line(t))
}

// A slowWriter has something happen while the first line is written.
type slowWriter struct {
	strings.Builder
	meanwhile sync.Once
	happens   func()
}

func (w *slowWriter) Write(line []byte) (int, error) {
	w.meanwhile.Do(w.happens)
	return w.Builder.Write(line)
}

func TestServePrintsARequestBeforeItsCallback(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	server := smilesigtest.NewServer(t, ours)
	stdout := &slowWriter{happens: func() {
		post(t, server.URL, "/v2/verify_async", `{"partner_id":"085","callback_url":"`+r.URL+`"}`, ours)
		server.Wait()
	}}
	reporter := &reporter{program: &program{stdout: stdout}, server: server}
	post(t, server.URL, "/v1/job_status", `{"partner_id":"085"}`, ours)
	server.Wait()
	require.NoError(t, reporter.printNew())
	require.NoError(t, reporter.printNew())
	assert.Equal(t, "POST /v1/job_status  200  accepted\n"+
		"POST /v2/verify_async  200  accepted\n"+
		"callback to "+r.URL+"  200\n", stdout.String())
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

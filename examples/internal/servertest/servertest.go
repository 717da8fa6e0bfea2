// Package servertest tests what the example servers have in common: how they start,
// what they answer over a socket, and how they stop.
package servertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// Run is what the main of an example server calls.
type Run func(ctx context.Context, getenv func(string) string, listener net.Listener) error

const path = "/8f14e45fceea167a5a36"

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

// Test runs a server whose handler takes callbacks with a SmileJobID, and no others.
func Test(t *testing.T, run Run) {
	t.Run("callbacks", run.testCallbacks)
	t.Run("a callback under way is answered before it stops", run.testShutdown)
	t.Run("faulty settings", run.testSettings)
}

func (run Run) testCallbacks(t *testing.T) {
	t.Parallel()
	s := run.start(t)
	cb := genuine()
	unreadable := cb.WithBody([]byte(`{}`))
	unreadable.Time = cb.Time.Add(time.Second) // the same millisecond would be the same pair
	for _, test := range []struct {
		name   string
		sent   smilesigtest.Callback
		path   string
		status int
	}{
		{"genuine", cb, path, http.StatusOK},
		{"delivered again", cb, path, http.StatusOK},
		{"another body under its pair", cb.WithBody([]byte(`{"SmileJobID":"2"}`)), path, http.StatusServiceUnavailable},
		{"forged", cb.Forged(), path, http.StatusUnauthorized},
		{"not a result", unreadable, path, http.StatusBadRequest},
		{"a guessed path", cb, "/guessed", http.StatusNotFound},
	} {
		res, err := test.sent.Send(t.Context(), nil, "http://"+s.address+test.path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%s: status %d, want %d", test.name, res.StatusCode, test.status)
		}
	}
	s.stop()
	s.wait(t)
}

func (run Run) testShutdown(t *testing.T) {
	t.Parallel()
	s := run.start(t)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	answers := bufio.NewReader(conn)

	sent := genuine().Request(path)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		path, s.address, sent.ContentLength)
	expect(t, answers, http.StatusContinue) // the body is being read

	s.stop()
	for deadline := time.Now().Add(10 * time.Second); !isRefused(s.address); {
		if time.Now().After(deadline) {
			t.Fatal("new connections still get in")
		}
	}
	if _, err := io.Copy(conn, sent.Body); err != nil {
		t.Fatal(err)
	}
	expect(t, answers, http.StatusOK)
	s.wait(t)
}

func (run Run) testSettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"SMILE_PARTNER_ID":    "",
		"SMILE_API_KEY":       "pasted-with-a-newline\n",
		"SMILE_CALLBACK_PATH": "/callbacks",
	} {
		err := run(t.Context(), environment(map[string]string{name: value}), listen(t))
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "pasted") {
			t.Errorf("%s: %v; want an error that names it, and not its value", name, err)
		}
	}
}

func genuine() smilesigtest.Callback {
	return smilesigtest.NewCallback(credential, []byte(`{"SmileJobID":"0000000001","ResultCode":"1012"}`))
}

func environment(changes map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := changes[name]; ok {
			return value
		}
		return map[string]string{
			"SMILE_PARTNER_ID":    credential.PartnerID,
			"SMILE_API_KEY":       credential.APIKey,
			"SMILE_CALLBACK_PATH": path,
		}[name]
	}
}

func listen(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

type server struct {
	address string
	stop    context.CancelFunc
	ended   <-chan error
}

func (run Run) start(t *testing.T) server {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	listener := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, environment(nil), listener) }()
	return server{listener.Addr().String(), cancel, ended}
}

func (s server) wait(t *testing.T) {
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

func expect(t *testing.T, answers *bufio.Reader, status int) {
	t.Helper()
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("status %d, want %d", res.StatusCode, status)
	}
}

func isRefused(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

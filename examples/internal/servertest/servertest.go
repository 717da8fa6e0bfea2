// Package servertest tests what the example servers have in common: that they take
// the callbacks of the job whose URL it is, and no others, and that their framework
// gets along with net/http middleware.
package servertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

// Keep is what a server does with the verdict on a job.
type Keep = func(ctx context.Context, job, verdict string) error

// NewServer makes an example server of settings.
type NewServer func(getenv func(string) string, keep Keep) (http.Handler, error)

const (
	origin = "https://partner.example"
	secret = "made-up-secret-of-32-bytes-or-so"
	job    = "kenya:production:4711:1"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

// TestServer tests a server that takes the callbacks of one partner below /callbacks.
func TestServer(t *testing.T, newServer NewServer) {
	t.Run("callbacks", newServer.testCallbacks)
	t.Run("what is not kept is not acknowledged", newServer.testNotKept)
	t.Run("the body of a stranger is not waited for", newServer.testSlowStranger)
	t.Run("faulty settings", newServer.testSettings)
}

func (newServer NewServer) testCallbacks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	kept := make(map[string]string) // verdict by job
	server := newServer.start(t, func(_ context.Context, job, verdict string) error {
		mu.Lock()
		defer mu.Unlock()
		kept[job] = verdict
		return nil
	})
	other := "nigeria:production:4711:1"
	mine, theirs := server+pathOf(t, job), server+pathOf(t, other)
	v1, v3 := callback("biometric_kyc", smilesig.InBody), callback("document_verification", smilesig.InHeader)
	unreadable := v1.WithBody([]byte(`{}`))
	unreadable.Time = v1.Time.Add(time.Second) // the same millisecond would be the same pair
	v3.Time = v1.Time.Add(2 * time.Second)
	for _, test := range []struct {
		name   string
		sent   smilesigtest.Callback
		url    string
		status int
	}{
		{"at a guessed URL", v1.WithBody([]byte(`{"ResultCode":"0000"}`)), server + "/callbacks/guessed", http.StatusNotFound},
		{"at a changed URL", v1, mine + "A", http.StatusNotFound},
		{"at its URL with a query", v1, mine + "?ResultCode=0810", http.StatusNotFound},
		{"forged, at no job's URL", v1.Forged(), server + "/callbacks/guessed", http.StatusNotFound},
		{"v1", v1, mine, http.StatusOK},
		{"delivered again", v1, mine, http.StatusOK},
		{"another body under its pair", v1.WithBody([]byte(`{"ResultCode":"0000"}`)), mine, http.StatusServiceUnavailable},
		{"forged", v1.Forged(), mine, http.StatusUnauthorized},
		{"no result", unreadable, mine, http.StatusBadRequest},
		{"v3", v3, theirs, http.StatusOK},
	} {
		if status := send(t, test.sent, test.url); status != test.status {
			t.Errorf("%s: status %d, want %d", test.name, status, test.status)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(kept) != 2 || kept[job] != "1210" || kept[other] != "clear" {
		t.Errorf("kept: %v", kept)
	}
}

func (newServer NewServer) testNotKept(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]Keep{
		"error":                  func(context.Context, string, string) error { return errors.New("made up") },
		"panic":                  func(context.Context, string, string) error { panic("made up") },
		"panic of a broken pipe": func(context.Context, string, string) error { panic(fmt.Errorf("database: %w", syscall.EPIPE)) },
		"panic of net/http":      func(context.Context, string, string) error { panic(http.ErrAbortHandler) },
	} {
		url := newServer.start(t, keep) + pathOf(t, job)
		if status := send(t, callback("biometric_kyc", smilesig.InBody), url); status != 0 && status != http.StatusInternalServerError {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// The deadline is the longest that a faulty server is waited for.
func (newServer NewServer) testSlowStranger(t *testing.T) {
	t.Parallel()
	server := newServer.start(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "POST /callbacks/guessed HTTP/1.1\r\nHost: partner.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", response.StatusCode)
	}
}

func (newServer NewServer) testSettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"SMILE_PARTNER_ID":      "",
		"SMILE_API_KEY":         "pasted-with-a-newline\n",
		"SMILE_ORIGIN":          "",
		"SMILE_CALLBACK_SECRET": "",
	} {
		_, err := newServer(environment(map[string]string{name: value}), nil)
		if err == nil || strings.Contains(err.Error(), "pasted") {
			t.Errorf("%s: %v; want an error without its value", name, err)
		}
	}
}

// start returns the URL of a server over a real socket.
func (newServer NewServer) start(t *testing.T, keep Keep) string {
	handler, err := newServer(environment(nil), keep)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, handler)
}

func environment(changes map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := changes[name]; ok {
			return value
		}
		return map[string]string{
			"SMILE_PARTNER_ID":      credential.PartnerID,
			"SMILE_API_KEY":         credential.APIKey,
			"SMILE_ORIGIN":          origin,
			"SMILE_CALLBACK_SECRET": secret,
		}[name]
	}
}

func serve(t *testing.T, handler http.Handler) (url string) {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // net/http's own, of panics
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func newURLs(t *testing.T) *joburl.URLs {
	urls, err := joburl.New(origin+"/callbacks", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return urls
}

func pathOf(t *testing.T, job string) string {
	return strings.TrimPrefix(newURLs(t).For(job), origin)
}

func callback(product string, placement smilesig.Placement) smilesigtest.Callback {
	body, _ := smilesigtest.Sample(product, placement)
	cb := smilesigtest.NewCallback(credential, body)
	cb.Placement = placement
	return cb
}

// send returns the status of the answer, 0 if there is none.
func send(t *testing.T, cb smilesigtest.Callback, url string) (status int) {
	response, err := cb.Send(t.Context(), nil, url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// Package servertest tests what the example servers have in common: that they take
// the callbacks of the job whose URL it is, and no others, and that their framework
// gets along with net/http middleware.
package servertest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/joburl"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
)

// Serve answers on the connections of a listener, as the method of http.Server does.
type Serve func(net.Listener) error

// HTTP serves with net/http, without its log of panics.
func HTTP(handler http.Handler) Serve {
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	return server.Serve
}

// NewServer makes the server of a partner.
type NewServer func(*partner.Partner) Serve

const job = "kenya:production:4711:1"

var (
	credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"}
	settings   = map[string]string{
		"SMILE_PARTNER_ID":      credential.PartnerID,
		"SMILE_API_KEY":         credential.APIKey,
		"SMILE_ORIGIN":          "https://partner.example",
		"SMILE_CALLBACK_SECRET": "made-up-secret-of-32-bytes-or-so",
	}
)

// TestNetHTTP tests a server that net/http runs.
func TestNetHTTP(t *testing.T, newRouter func(*partner.Partner) http.Handler) {
	newServer := NewServer(func(p *partner.Partner) Serve { return HTTP(newRouter(p)) })
	TestServer(t, newServer)
	t.Run("changed URLs", func(t *testing.T) { TestChangedURLs(t, newServer) })
	t.Run("behind nginx", func(t *testing.T) { TestBehindNginx(t, newServer) })
	t.Run("the body of a stranger is not waited for", newServer.testSlowStranger)
	t.Run("a faulty Verifier shows at the start", func(t *testing.T) {
		t.Parallel()
		p := newPartner(t, nil)
		p.Verifier = new(smilesig.Verifier)
		assert.Panics(t, func() { newRouter(p) })
	})
}

// TestServer tests a server that takes callbacks below /callbacks.
func TestServer(t *testing.T, newServer NewServer) {
	t.Run("callbacks", newServer.testCallbacks)
	t.Run("what is not kept is not acknowledged", newServer.testNotKept)
}

func (newServer NewServer) testCallbacks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	kept := make(map[string][]string) // outcomes by job
	p := newPartner(t, func(_ context.Context, job string, found result.Result) error {
		mu.Lock()
		defer mu.Unlock()
		kept[job] = append(kept[job], fmt.Sprint(found.Outcome, " ", found.Provisional))
		return nil
	})
	server := start(t, newServer(p))
	other := "nigeria:production:4711:1"
	mine, theirs := server+pathOf(p, job), server+pathOf(p, other)
	v1, v3 := callback("biometric_kyc", smilesig.InBody), callback("document_verification", smilesig.InHeader)
	provisional := withBody(`{"ResultCode":"0814","PartnerParams":{"job_type":1}}`)
	twoCodes := withBody(`{"ResultCode":"0811","resultcode":"0810","PartnerParams":{"job_type":1}}`)
	for _, test := range []struct {
		name   string
		sent   smilesigtest.Callback
		url    string
		status int
	}{
		{"at a guessed URL", v1.WithBody([]byte(`{"ResultCode":"0000"}`)), server + "/callbacks/guessed", http.StatusNotFound},
		{"at a changed URL", v1, mine + "A", http.StatusNotFound},
		{"forged, at no job's URL", v1.Forged(), server + "/callbacks/guessed", http.StatusNotFound},
		{"provisional", provisional, mine, http.StatusOK},
		{"v1", v1, mine, http.StatusOK},
		{"delivered again", v1, mine, http.StatusOK},
		{"another body under its pair", v1.WithBody([]byte(`{"ResultCode":"0000"}`)), mine, http.StatusServiceUnavailable},
		{"its pair and body at another job's URL", v1, theirs, http.StatusServiceUnavailable},
		{"forged", v1.Forged(), mine, http.StatusUnauthorized},
		{"no result", withBody(`{}`), theirs, http.StatusOK},
		{"a second code in other letters", twoCodes, theirs, http.StatusOK},
		{"v3", v3, theirs, http.StatusOK},
		{"v3 forged", v3.Forged(), theirs, http.StatusUnauthorized},
	} {
		assert.Equal(t, test.status, send(t, nil, test.sent, test.url), test.name)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, map[string][]string{
		job:   {"review true", "approved false", "approved false"},
		other: {"unknown false", "rejected false", "approved false"},
	}, kept)
}

// panics are what a handler may panic with. Frameworks take some of them for a
// connection that the sender has given up.
var panics = map[string]any{
	"panic":                  "made up",
	"panic of a broken pipe": fmt.Errorf("database: %w", syscall.EPIPE),
	"panic of net/http":      http.ErrAbortHandler,
}

// TestChangedURLs tests that somebody hears of a URL that something in front has
// changed. A router may answer it by itself.
func TestChangedURLs(t *testing.T, newServer NewServer) {
	t.Parallel()
	p := newPartner(t, nil)
	heard := make(chan error, 1)
	p.URLs.OnReject = func(_ *http.Request, err error) { heard <- err }
	server := start(t, newServer(p))
	for _, changed := range []string{"/prod" + pathOf(p, job), pathOf(p, job) + "/", "/a/b/c" + pathOf(p, job), pathOf(p, job) + "?a=b"} {
		assert.Equal(t, http.StatusNotFound, send(t, nil, callback("enhanced_kyc", smilesig.InBody), server+changed), changed)
		select {
		case err := <-heard:
			assert.ErrorIs(t, err, joburl.ErrChanged, changed)
		default:
			assert.Fail(t, "nobody has heard", changed)
		}
	}
}

func (newServer NewServer) testNotKept(t *testing.T) {
	t.Parallel()
	keeps := map[string]partner.Keep{
		"error": func(context.Context, string, result.Result) error { return errors.New("made up") },
	}
	for name, value := range panics {
		keeps[name] = func(context.Context, string, result.Result) error { panic(value) }
	}
	for name, keep := range keeps {
		p := newPartner(t, keep)
		url := start(t, newServer(p)) + pathOf(p, job)
		AssertRefused(t, send(t, nil, callback("biometric_kyc", smilesig.InBody), url), name)
	}
}

// AssertRefused takes the status that the sender of a callback saw, 0 for a closed
// connection.
func AssertRefused(t *testing.T, status int, name string) {
	if status != 0 && status < http.StatusInternalServerError {
		t.Errorf("%s: status %d", name, status)
	}
}

// The deadline is the longest that a faulty server is waited for.
func (newServer NewServer) testSlowStranger(t *testing.T) {
	t.Parallel()
	server := start(t, newServer(newPartner(t, nil)))
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "POST /callbacks/guessed HTTP/1.1\r\nHost: partner.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
}

func newPartner(t *testing.T, keep partner.Keep) *partner.Partner {
	p, err := partner.New(func(name string) string { return settings[name] }, keep)
	require.NoError(t, err)
	p.Verifier.OnReject = func(*http.Request, error) int { return 0 }
	p.URLs.OnReject = func(*http.Request, error) {}
	return p
}

// start returns the URL of a server over a real socket.
func start(t *testing.T, serve Serve) (url string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go serve(listener)
	return "http://" + listener.Addr().String()
}

func pathOf(p *partner.Partner, job string) string {
	return strings.TrimPrefix(p.URLs.For(job), settings["SMILE_ORIGIN"])
}

func callback(product string, placement smilesig.Placement) smilesigtest.Callback {
	body, _ := smilesigtest.Sample(product, placement)
	cb := smilesigtest.NewCallback(credential, body)
	cb.Placement = placement
	return cb
}

func withBody(body string) smilesigtest.Callback {
	return smilesigtest.NewCallback(credential, []byte(body))
}

// send returns the status of the answer, 0 if there is none.
func send(t *testing.T, client *http.Client, cb smilesigtest.Callback, url string) (status int) {
	response, err := cb.Send(t.Context(), client, url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// SendGzipped sends a compressed callback to a server that keeps every result. It
// returns the status of the answer.
func SendGzipped(t *testing.T, newRouter func(*partner.Partner) http.Handler) (status int) {
	p := newPartner(t, func(context.Context, string, result.Result) error { return nil })
	plain := callback("biometric_kyc", smilesig.InBody).Request(pathOf(p, job))
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := io.Copy(w, plain.Body)
	require.NoError(t, errors.Join(err, w.Close()))
	request, err := http.NewRequest(http.MethodPost, start(t, HTTP(newRouter(p)))+plain.URL.Path, &body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "gzip")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

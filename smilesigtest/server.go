package smilesigtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/smilesig"
)

// A Server stands in for Smile ID, for one partner, on sockets of this machine.
// It checks the pair of every request where the endpoint wants it and answers as
// Smile ID would, HTTP 400 with a code if the pair is wrong:
//
//   - /v1/id_verification, /v2/verify, /v1/business_verification and /v1/aml
//     answer at once, signed.
//   - /v1/upload answers with an upload_url on another origin, which takes a zip
//     by PUT. That completes the job and, if the request for it had a callback_url,
//     sends its callback there, a v1 callback.
//   - /v1/async_id_verification, /v1/async_business_verification and
//     /v2/verify_async send a v1 callback to their callback_url at once.
//   - /v1/job_status answers signed, unless JobStatus tampers with it, and tells
//     whether the job of job_id and user_id is complete; if so, with its result.
//   - /v1/auth_smile answers with a pair. Like everything below /v3/, and every
//     GET, HEAD and OPTIONS, it wants none.
//   - The phone, address and SmartSelfie endpoints want the pair in headers;
//     everything else below /v1/ and /v2/ in its JSON.
//
// A Server is also the http.Handler that does so, to be served elsewhere, over
// TLS for instance. It is safe for concurrent use.
type Server struct {
	// URL is the origin of the API: http://, a loopback address and a port.
	URL string

	// The fields below are for the user to set, at the start or while nothing
	// goes on.

	// Now is the clock for what is signed here; nil is time.Now.
	Now func() time.Time

	// JobStatus is what is done to the pair of every /v1/job_status answer.
	JobStatus Tampering

	// RetryDelay is the wait before a callback that was not acknowledged is
	// sent again; 0 is 10 milliseconds.
	RetryDelay time.Duration

	credential smilesig.Credential
	uploadURL  string
	servers    []*http.Server
	client     *http.Client       // delivers callbacks
	ctx        context.Context    // of what goes on here
	cancel     context.CancelFunc // ends it
	serving    sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	underWay   int       // requests and deliveries
	idle       sync.Cond // signals that underWay is 0; its lock is mu
	requests   []Request
	deliveries []*Delivery
	jobs       []*job    // the first has number 1
	lastSigned time.Time // of the callbacks
}

// A Request is a request as a [Server] received it. What it refers to is shared:
// do not change it.
type Request struct {
	Method  string
	Host    string // tells the API from the upload origin
	Path    string
	Header  http.Header
	Body    []byte
	Status  int    // what it was answered with
	Verdict string // "accepted", or Smile ID's code, if any, and why it was refused
}

// NewServer starts a Server for a test, on a free port. It is closed when the test
// ends. It fails the test if that is impossible or credential is refused.
func NewServer(tb testing.TB, credential smilesig.Credential) *Server {
	tb.Helper()
	s, err := Start("127.0.0.1:0", credential)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start starts a Server for a program, on addr as in net.Listen, with a host that
// requests can be sent to, such as 127.0.0.1; port 0 is a free one. Uploads go to a
// second port of that host, always a free one. The caller closes it. It returns an
// error if an address cannot be had, or if smilesig.NewSigner refuses credential.
func Start(addr string, credential smilesig.Credential) (*Server, error) {
	if _, err := smilesig.NewSigner(credential); err != nil {
		return nil, err
	}
	api, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("smilesigtest: %w", err)
	}
	host, _, _ := net.SplitHostPort(addr) // Listen has accepted it
	uploads, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		api.Close()
		return nil, fmt.Errorf("smilesigtest: %w", err)
	}
	s := &Server{
		URL:        "http://" + api.Addr().String(),
		uploadURL:  "http://" + uploads.Addr().String(),
		credential: credential,
		client:     newDeliveryClient(),
	}
	s.idle.L = &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.listen(api, s)
	s.listen(uploads, http.HandlerFunc(s.serveUpload))
	return s, nil
}

func (s *Server) listen(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { server.Serve(l) })
}

// Format prints the URL, and nothing that has a key, with all verbs that ask a
// [fmt.Formatter].
func (s *Server) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "smilesigtest.Server{URL:%s}", s.URL) }

// Close closes the sockets, ends deliveries and waits until nothing goes on any
// more. It may be called again.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	for _, server := range s.servers {
		server.Close()
	}
	s.serving.Wait()
	s.Wait()
}

// Wait returns when no request and no delivery of a callback is under way. After
// a zip was taken or an asynchronous request accepted, its callback has by then
// been delivered or given up.
func (s *Server) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.underWay > 0 {
		s.idle.Wait()
	}
}

// begin reports whether something may begin; if so, end must be called.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.underWay++
	return true
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underWay--
	if s.underWay == 0 {
		s.idle.Broadcast()
	}
}

// Requests returns all requests so far, to the API and to upload URLs, in the
// order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers a request to the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.answer)
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.takeZip)
}

// largestBody is more than a zip with the photos of a job has.
const largestBody = 64 << 20

func (s *Server) serve(w http.ResponseWriter, r *http.Request, answer func(r *http.Request, body []byte) reply) {
	if !s.begin() {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	defer s.end()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	a := refused(http.StatusBadRequest, "the body is cut short or too large")
	if err == nil {
		a = answer(r, body)
	}
	s.record(r, body, a)
	if a.then != nil {
		a.then()
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	json.NewEncoder(w).Encode(a.body) // fails only if nobody reads it
}

func (s *Server) record(r *http.Request, body []byte, a reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Header: r.Header.Clone(),
		Body: body, Status: a.status, Verdict: a.verdict,
	})
}

// timeToSign is now, but a millisecond after the last one at least, because
// callbacks that share a millisecond share a pair, of which a guard refuses the
// second.
func (s *Server) timeToSign() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSigned = s.lastSigned.Add(time.Millisecond)
	if now := s.now(); now.After(s.lastSigned) {
		s.lastSigned = now
	}
	return s.lastSigned
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

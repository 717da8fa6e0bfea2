package smilesigtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
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
//     answer with the result at once, signed.
//   - /v1/upload answers with an upload_url on another origin, which takes a zip
//     by PUT. That decides the job and, if the request for it had a callback_url,
//     sends its callback there, a v1 callback.
//   - /v1/async_id_verification, /v1/async_business_verification and
//     /v2/verify_async send a v1 callback to their callback_url at once.
//   - /v1/job_status answers signed, unless JobStatus tampers with it, and tells
//     whether the job of job_id and user_id is complete; if so, with its result.
//   - /v1/auth_smile answers with a pair. It wants none, and neither does /v1/services.
//   - The phone, address and SmartSelfie endpoints want the pair in headers;
//     everything else of /v1/ and /v2/ in its JSON.
//   - /v3/token takes the partner ID without leading zeros and the API key, and
//     answers with a token. With it, v3's asynchronous endpoints answer 202 and send
//     a webhook, /v3/aml/sync and /v3/enhanced_kyc/sync answer with the result and a
//     pair in the headers, and /v3/status and /v3/replay work. v3's bodies must be
//     multipart; of their fields it looks at callback_url, partner_params,
//     sandbox_result and user_id only.
//
// Unknown paths get 404, other methods 405, bodies over 64 MiB 413 and encoded ones
// 415. Requests with an Origin get 403, and those with another Host than localhost,
// a loopback address, the host of URL or one of Hosts 421, so that no web page can
// use the key that the Server has.
//
// A Server is also the http.Handler that does so, to be served elsewhere. It is
// safe for concurrent use.
type Server struct {
	// URL is the origin of the API: http:// or https://, a host and a port.
	URL string

	// The fields below are for the user to set: in a function that is given to
	// NewServer, Start or StartTLS, or later while nothing goes on.

	// Now is the clock for what is signed here; nil is time.Now.
	Now func() time.Time

	// Outcomes decides a job once everything for it has come. Each outcome makes a
	// callback, in order; none leaves the job for Conclude. A synchronous call
	// answers with the last outcome, or Approved. Nil decides by the sandbox_result
	// in partner_params, as Smile ID's sandbox does: "0" is Approved, like none, "1"
	// Declined, and "2" Provisional and then Approved. It may be called concurrently.
	Outcomes func(Job) []Outcome

	// JobStatus is what is done to the pair of every /v1/job_status answer and of
	// v3's synchronous answers.
	JobStatus Tampering

	// RefuseStale refuses a request whose timestamp a Verifier with the default
	// limits would refuse. Smile ID does not say what it accepts, so such a request
	// is otherwise accepted, with a remark in its Verdict.
	RefuseStale bool

	// Events is told what happens, one event after the other. A request is told
	// before what it sets going. The Server waits for Events to return, so it must
	// not call Wait, Close, Conclude or Deliver.
	Events func(Event)

	// Hosts has further host names, in lower case, that requests may come to.
	Hosts []string

	// CallbackHosts has the hosts, in lower case, besides this machine that
	// callbacks go to when a request asks for it.
	CallbackHosts []string

	// Keep is how many requests, jobs and deliveries are kept, the newest ones;
	// Requests then have no Body. 0 keeps all. For programs that run long.
	Keep int

	credential  smilesig.Credential
	host        string // of URL
	uploadURL   string
	certificate *x509.Certificate // nil without TLS
	tokenSecret []byte
	largestBody int64 // a field for tests
	servers     []*http.Server
	client      deliveryClient
	ctx         context.Context    // of what goes on here
	cancel      context.CancelFunc // ends it
	serving     sync.WaitGroup
	emitting    sync.Mutex // held while Events runs

	mu         sync.Mutex
	closed     bool
	underWay   int       // requests and deliveries
	idle       sync.Cond // signals that underWay is 0; its lock is mu
	requests   []Request
	deliveries []*Delivery
	delivered  int // how many deliveries there were
	jobs       []*job
	bindings   []binding
	lastSigned time.Time // of the callbacks
}

// NewServer starts a Server for a test, on a free port, after configure has set
// its fields. It is closed when the test ends. It fails the test if that is
// impossible or credential is refused.
func NewServer(tb testing.TB, credential smilesig.Credential, configure ...func(*Server)) *Server {
	tb.Helper()
	s, err := Start("127.0.0.1:0", credential, configure...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start starts a Server for a program, on addr as in net.Listen, with a host that
// requests can be sent to, such as 127.0.0.1; port 0 is a free one. Uploads go to a
// second port of that host, always a free one. Before the first request is taken,
// configure sets fields. The caller closes the Server. Start returns an error if an
// address cannot be had, or if smilesig.NewSigner refuses credential.
func Start(addr string, credential smilesig.Credential, configure ...func(*Server)) (*Server, error) {
	return start(addr, credential, configure, false)
}

// StartTLS is Start with https, for Smile ID's v3 SDKs, which insist on it. It makes
// a certificate of its own, for the host of addr, localhost and Hosts; clients
// must be told to trust it, see [Server.Certificate].
func StartTLS(addr string, credential smilesig.Credential, configure ...func(*Server)) (*Server, error) {
	return start(addr, credential, configure, true)
}

func start(addr string, credential smilesig.Credential, configure []func(*Server), isTLS bool) (*Server, error) {
	if _, err := smilesig.NewSigner(credential); err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(addr) // Listen says what is wrong with it
	api, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("smilesigtest: %w", err)
	}
	uploads, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		api.Close()
		return nil, fmt.Errorf("smilesigtest: %w", err)
	}
	s := &Server{
		host:        host,
		credential:  credential,
		tokenSecret: newTokenSecret(),
		largestBody: largestBody,
		client:      newDeliveryClient(),
	}
	s.idle.L = &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, set := range configure {
		set(s)
	}
	scheme := "http://"
	if isTLS {
		scheme = "https://"
		config := s.makeCertificate()
		api, uploads = tls.NewListener(api, config), tls.NewListener(uploads, config)
	}
	s.URL, s.uploadURL = scheme+urlHost(host, api), scheme+urlHost(host, uploads)
	s.listen(api, s)
	s.listen(uploads, http.HandlerFunc(s.serveUpload))
	return s, nil
}

// urlHost is a listener's port at the host that it was asked for, which a
// certificate may be for.
func urlHost(host string, l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a TCP address
	return net.JoinHostPort(host, port)
}

// listen serves a socket. A client has to send its request within the limits.
func (s *Server) listen(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: largestKept,
		ErrorLog:       log.New(io.Discard, "", 0), // of handshakes that clients break off
	}
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

// ServeHTTP answers a request to the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.answer)
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.takeZip)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, answer func(*call) reply) {
	if !s.begin() {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	defer s.end()
	c, refusal := s.admit(w, r)
	if refusal == nil {
		a := answer(c)
		refusal = &a
	}
	s.finish(w, c, *refusal)
}

// finish records the answer to c, sets going what follows from it, and sends it.
func (s *Server) finish(w http.ResponseWriter, c *call, a reply) {
	s.record(c, a)
	if a.then != nil {
		a.then()
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	json.NewEncoder(w).Encode(a.body) // fails only if nobody reads it
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

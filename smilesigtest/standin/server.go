package standin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/internal/unread"
	"example.com/smilesig/smilesigtest"
)

// A Server stands in for Smile ID, for one partner, on sockets of this machine.
// It checks the pair, key or token of each request, and answers as Smile ID would,
// as far as anybody knows. If a pair is wrong, it answers HTTP 400 with a code.
//
//   - /v1/id_verification, /v2/verify, /v1/business_verification and /v1/aml
//     answer at once with the signed result.
//   - /v1/upload answers with an upload_url on another origin, which takes a zip
//     by PUT. The zip decides the job. If the request had a callback_url, a v1
//     callback goes there. The same job_id again is refused, unless "retry" is true.
//   - /v1/async_id_verification, /v1/async_business_verification and
//     /v2/verify_async send a v1 callback to their callback_url at once.
//   - /v2/smart-selfie-enroll and /v2/smart-selfie-authentication answer with the
//     result, and send it to their callback_url if they have one.
//   - /v1/job_status says whether the job of job_id and user_id is complete, and
//     gives its result then, on request with history and image_links. The answer
//     is signed, unless Answers tampers with it.
//   - /v1/auth_smile answers with a pair. It wants no pair, and /v1/services
//     wants none either.
//   - /v3/token takes the partner ID without leading zeros and the API key, and
//     answers with a token. For a request with that token, v3's asynchronous
//     endpoints answer 202 and send a webhook, /v3/aml/sync and
//     /v3/enhanced_kyc/sync answer with the result and a pair in the headers, and
//     /v3/status, /v3/replay, /v3/smile_links, fraud reports and AML news work.
//     v3's bodies must be multipart. A field that has a wrong value is refused. A
//     request may lack a field, unless that is callback_url.
//
// Unknown paths get 404, other methods 405, bodies over 64 MiB 413 and encoded
// bodies 415. No web page can use the key that the Server has: a request with an
// Origin gets 403. A request whose Host is not localhost, a loopback address, the
// host of URL or one of Hosts gets 421. The Server reads a body only if everything
// before it is good, and at most four bodies over 1 MiB at once.
//
// A Server is also an http.Handler, so that you can serve it elsewhere. It is
// safe for concurrent use.
type Server struct {
	// URL is the origin of the API: http:// or https://, a host and a port.
	URL string

	// You may set the fields below in a function that you give to New, Start or
	// StartTLS, or later while no request and no delivery is under way.

	// Now is the clock for what the Server signs. nil means time.Now.
	Now func() time.Time

	// Outcomes decides a job once everything for it has come. Each outcome makes
	// a callback, in order. If there is no outcome, the job waits for Conclude. A
	// synchronous call answers with the last outcome, or with Approved. Outcomes
	// may be called concurrently.
	//
	// A nil Outcomes decides by sandbox_result, as Smile ID's sandbox does: "1"
	// means Declined, "2" means Provisional and then Approved, and "0" or none
	// means Approved. A result code, as v3 has it, means what package result says
	// about it. "failed" means Failed; it is our own. In a biometric KYC job of v1,
	// IDValidated comes first.
	Outcomes func(smilesigtest.Job) []smilesigtest.Outcome

	// Answers says what the Server does to the pair of every /v1/job_status
	// answer and of v3's synchronous answers.
	Answers Tampering

	// CallbackCredential signs callbacks, webhooks and v3's synchronous answers.
	// The zero value means the credential of the Server. Set the partner ID without
	// its zeros, or a second key of the partner, to see whether your Verifier
	// accepts both.
	CallbackCredential smilesig.Credential

	// CallbackURL gets the result of a v3 request without callback_url, like the
	// default that a partner sets in Smile ID's portal. It may be http. If it is
	// empty, such a request is refused.
	CallbackURL string

	// RefuseStale refuses a request whose timestamp a Verifier with the default
	// limits would refuse. Smile ID does not say what it accepts. So without
	// RefuseStale, such a request is accepted, with a remark in its Verdict.
	RefuseStale bool

	// Options for programs that run long, such as the command smilesig.

	// Events is called for each event, one after the other. A request comes
	// before the events that it causes. The Server waits for Events to return, so
	// Events must not call Wait, Close, Conclude or Deliver.
	Events func(Event)

	// Hosts has further host names, in lower case, that requests may come to.
	Hosts []string

	// CallbackHosts has further hosts, in lower case, that callbacks may go to.
	// Otherwise callbacks go to this machine only.
	CallbackHosts []string

	// Keep limits how many requests, jobs, deliveries and links the Server keeps.
	// It keeps the newest, less than 100 KB for each request with its job and
	// callbacks. Requests then have no Header and no Body, and at most 1 KiB of
	// their Path. 0 keeps all.
	Keep int

	credential  smilesig.Credential
	host        string // of URL
	uploadURL   string
	certificate *x509.Certificate // nil without TLS
	largestBody int64             // a field for tests
	reading     chan struct{}     // has an element for each large body that is read
	servers     []*http.Server
	ctx         context.Context    // of what goes on here
	cancel      context.CancelFunc // ends it
	serving     sync.WaitGroup
	emitting    sync.Mutex // held while Events runs

	mu         sync.Mutex
	closed     bool
	underWay   int       // requests and deliveries
	idle       sync.Cond // signals that underWay has fallen; its lock is mu
	requests   []Request
	deliveries []*Delivery
	delivered  int // how many deliveries there were
	jobs       []*job
	tokens     []issued
	links      []link
	lastSigned time.Time // of the callbacks
}

// New starts a Server for a test, on a free port, after configure has set its
// fields. The Server is closed when the test ends. New fails the test if it cannot
// start the Server.
func New(tb testing.TB, credential smilesig.Credential, configure ...func(*Server)) *Server {
	tb.Helper()
	s, err := Start("127.0.0.1:0", credential, configure...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start starts a Server for a program. addr is as in net.Listen. Its host must be
// one that requests can be sent to, such as 127.0.0.1. Port 0 means a free port.
// Uploads go to a second port of that host, always a free one. configure sets
// fields before the Server takes the first request. The caller closes the Server.
// Start returns an error if it cannot listen, or if smilesig.NewSigner refuses
// credential.
func Start(addr string, credential smilesig.Credential, configure ...func(*Server)) (*Server, error) {
	return start(addr, credential, configure, false)
}

// StartTLS is like Start, but serves https, because Smile ID's v3 SDKs insist on
// it. It makes a certificate for the host of addr, localhost and Hosts. Clients
// must be told to trust it: see [Server.Certificate].
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
		return nil, fmt.Errorf("standin: %w", err)
	}
	uploads, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		api.Close()
		return nil, fmt.Errorf("standin: %w", err)
	}
	s := &Server{host: host, credential: credential, largestBody: largestBody, reading: make(chan struct{}, largeBodies)}
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

// urlHost returns host and the listener's port. It keeps the host that was asked
// for, because the certificate names that.
func urlHost(host string, l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a TCP address
	return net.JoinHostPort(host, port)
}

// listen serves a socket. A client has to send its request within the limits.
func (s *Server) listen(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // of handshakes that clients break off
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { server.Serve(l) })
}

// Format implements [fmt.Formatter]. It prints the URL and nothing that has a
// key.
func (s *Server) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "standin.Server{URL:%s}", s.URL) }

// Close closes the sockets, ends deliveries and waits until no request and no
// delivery is under way. You may call it again.
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

// begin reports whether a request or a delivery may begin. If so, the caller
// calls end after it.
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
	s.idle.Broadcast()
}

// ServeHTTP answers a request to the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.judgeHead)
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.judgeUpload)
}

// serve takes steps until one has an answer. Everything before the body is judged
// before the body is read.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, judgeHead func(*call) *reply) {
	if !s.begin() {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	defer s.end()
	c := &call{Request: r, path: path.Clean("/" + r.URL.Path), leave: func() {}}
	defer func() { c.leave() }()
	answer := func(c *call) *reply { return c.route.answer(s, c) }
	for _, step := range []func(*call) *reply{s.judgeOrigin, judgeHead, s.read, s.judgeBody, answer} {
		if a := step(c); a != nil {
			s.finish(w, c, a)
			return
		}
	}
}

// finish records the answer to c, starts what follows from it, and sends it.
func (s *Server) finish(w http.ResponseWriter, c *call, a *reply) {
	s.record(c, a)
	if a.then != nil {
		a.then()
	}
	if !c.isRead {
		unread.Discard(w, c.Request, c.isBegun)
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

// timeToSign returns the time now, but at least a millisecond after the last one.
// Callbacks of the same millisecond share a pair, and a guard refuses the second.
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

// Certificate returns the certificate that StartTLS made. It returns nil without
// TLS. A client trusts the Server if its tls.Config has it among the RootCAs.
func (s *Server) Certificate() *x509.Certificate { return s.certificate }

// makeCertificate makes a self-signed certificate. It is valid from a day ago
// until a year from now.
func (s *Server) makeCertificate() *tls.Config {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // crypto/rand never fails
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "smilesig standin, made for tests"},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	for _, host := range slices.Concat([]string{s.host, "localhost", "127.0.0.1"}, s.Hosts) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	s.certificate, _ = x509.ParseCertificate(der) // what was just made
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

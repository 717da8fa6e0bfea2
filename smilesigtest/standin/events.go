package standin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/smilesig/internal/localhost"
	"example.com/smilesig/smilesigtest"
)

// An Event is something that happened at a [Server]. Exactly one of its fields is
// set. Do not change what it refers to: others share it.
type Event struct {
	Request  *Request          // has been answered, or is about to be
	Job      *smilesigtest.Job // has reached the last of its Outcomes
	Delivery *Delivery         // has made another attempt
}

// A Request is a request as a [Server] received it. Do not change what it refers
// to: others share it.
type Request struct {
	Method  string
	Host    string // tells the API from the upload origin
	Path    string
	Header  http.Header // without the API key that /v3/token has
	Body    []byte
	Status  int      // the status of the answer
	Steps   []string // what was checked and holds, in order
	Verdict string   // "accepted", perhaps with a remark; or why it was refused, after Smile ID's code if there is one
}

// Requests returns the requests that the Server keeps, to the API and to upload
// URLs, in the order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) record(c *call, a *reply) {
	received := Request{
		Method: c.Method, Host: c.Host, Path: c.URL.Path, Header: c.Header.Clone(),
		Body: c.body, Status: a.status, Steps: c.steps,
		Verdict: strings.Join(append([]string{a.verdict}, c.comments...), "; "),
	}
	if received.Header.Get("smileid-api-key") != "" {
		received.Header.Set("smileid-api-key", "redacted")
	}
	kept := received
	if s.Keep > 0 {
		kept.Body, kept.Header, kept.Path = nil, nil, strings.Clone(received.Path[:min(len(received.Path), largestName)])
	}
	s.mu.Lock()
	s.requests = newest(append(s.requests, kept), s.Keep)
	s.mu.Unlock()
	s.emit(Event{Request: &received})
}

func (s *Server) emit(e Event) {
	if s.Events == nil {
		return
	}
	s.emitting.Lock()
	defer s.emitting.Unlock()
	s.Events(e)
}

// newest returns the last n elements, or all if n is 0.
func newest[T any](all []T, n int) []T {
	if n <= 0 || len(all) <= n {
		return all
	}
	return slices.Delete(all, 0, len(all)-n)
}

// How v3 webhooks are delivered is known from third parties; how long Smile ID
// waits between attempts is not known.
const (
	maxRetries   = 3
	answerWithin = 35 * time.Second
	retryDelay   = 10 * time.Millisecond
)

// A Delivery is a callback that a [Server] has sent or is sending.
type Delivery struct {
	Number   int // counts the Server's deliveries from 1
	URL      string
	Callback smilesigtest.Callback
	Statuses []int // the status of each attempt so far; 0 means no answer
	Err      error // why the last attempt was not acknowledged by a 2xx; nil if it was
}

// Deliveries returns the deliveries that the Server keeps, in the order in which
// they began.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		all[i] = d.snapshot()
	}
	return all
}

// snapshot copies what changes.
func (d *Delivery) snapshot() Delivery {
	copied := *d
	copied.Statuses = slices.Clone(d.Statuses)
	return copied
}

// Deliver sends cb to url until a 2xx acknowledges it. It makes up to four
// attempts, 10 milliseconds apart, and sends the same bytes each time. An attempt
// fails if no answer comes within 35 seconds. Redirects are not followed. Deliver
// returns what was done, and an error if cb was not acknowledged, cb cannot be
// signed, ctx ends or the Server is closed. Deliver does not check the
// certificates of this machine's own servers.
func (s *Server) Deliver(ctx context.Context, url string, cb smilesigtest.Callback) (Delivery, error) {
	if !s.begin() {
		return Delivery{}, errors.New("standin: the Server is closed")
	}
	defer s.end()
	if _, _, err := cb.Signed(); err != nil {
		return Delivery{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()

	d := s.addDelivery(url, cb)
	err := s.attempt(ctx, d)
	for retry := 0; retry < maxRetries && err != nil && ctx.Err() == nil; retry++ {
		time.Sleep(retryDelay)
		err = s.attempt(ctx, d)
	}
	return *d, err
}

// deliverLater delivers while the caller goes on.
func (s *Server) deliverLater(url string, cb smilesigtest.Callback) {
	if !s.begin() {
		return
	}
	go func() {
		defer s.end()
		s.Deliver(s.ctx, url, cb) // how it went is in Deliveries
	}()
}

func (s *Server) addDelivery(url string, cb smilesigtest.Callback) *Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered++
	d := &Delivery{Number: s.delivered, URL: url, Callback: cb}
	s.deliveries = newest(append(s.deliveries, d), s.Keep)
	return d
}

func (s *Server) attempt(ctx context.Context, d *Delivery) error {
	status, err := send(ctx, d.Callback, d.URL)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("standin: not acknowledged: status %d", status)
	}
	s.mu.Lock()
	d.Statuses, d.Err = append(d.Statuses, status), err
	attempted := d.snapshot()
	s.mu.Unlock()
	s.emit(Event{Delivery: &attempted})
	return err
}

// newClient returns a client that keeps no connection, so that none outlives a
// Server. Nobody vouches for the certificates of this machine's own servers.
func newClient(to string) *http.Client {
	u, err := url.Parse(to)
	isHere := err == nil && localhost.Has(u.Hostname())
	return &http.Client{
		Timeout:       answerWithin,
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: isHere}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send returns the status of the answer.
func send(ctx context.Context, cb smilesigtest.Callback, to string) (status int, err error) {
	response, err := cb.Send(ctx, newClient(to), to)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return response.StatusCode, nil
}

package standin

import (
	"net/http"
	"slices"
	"strings"

	"example.com/smilesig/smilesigtest"
)

// An Event is something that happened at a [Server]. Exactly one of its fields is
// set. What it refers to is shared: do not change it.
type Event struct {
	Request  *Request          // has been answered, or is about to be
	Job      *smilesigtest.Job // has reached the last of its Outcomes
	Delivery *Delivery         // has made another attempt
}

// A Request is a request as a [Server] received it. What it refers to is shared:
// do not change it.
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

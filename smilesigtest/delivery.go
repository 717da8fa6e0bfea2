package smilesigtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// How v3 webhooks are delivered is known from third parties; how long Smile ID
// waits between attempts is not known.
const (
	maxRetries        = 3
	answerWithin      = 35 * time.Second
	defaultRetryDelay = 10 * time.Millisecond
)

// A Delivery is a callback that a [Server] has sent or is sending.
type Delivery struct {
	URL      string
	Callback Callback
	Statuses []int // what each attempt got so far; 0 is no answer
}

// IsAcknowledged reports whether the last attempt got a 2xx.
func (d Delivery) IsAcknowledged() bool {
	return len(d.Statuses) > 0 && d.Statuses[len(d.Statuses)-1]/100 == 2
}

// Deliveries returns all deliveries so far, in the order in which they began.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		all[i] = *d
		all[i].Statuses = slices.Clone(d.Statuses)
	}
	return all
}

// Deliver sends cb to url until a 2xx acknowledges it: once, and then up to three
// times more, RetryDelay apart, the same bytes each time. An attempt that has no
// answer within 35 seconds has failed, and a redirect is not followed. Deliver
// returns what has been done, and an error if cb was not acknowledged, cb cannot
// be signed, ctx ends or the Server is closed.
func (s *Server) Deliver(ctx context.Context, url string, cb Callback) (Delivery, error) {
	if !s.begin() {
		return Delivery{}, errors.New("smilesigtest: the Server is closed")
	}
	defer s.end()
	if _, _, err := cb.sign(); err != nil {
		return Delivery{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()

	d := s.addDelivery(url, cb)
	err := s.attempt(ctx, d)
	for retry := 0; retry < maxRetries && err != nil && ctx.Err() == nil; retry++ {
		s.awaitRetry(ctx)
		err = s.attempt(ctx, d)
	}
	return *d, err
}

// deliverLater delivers while the caller goes on.
func (s *Server) deliverLater(url string, cb Callback) {
	if !s.begin() {
		return
	}
	go func() {
		defer s.end()
		s.Deliver(s.ctx, url, cb) // how it went is in Deliveries
	}()
}

func (s *Server) addDelivery(url string, cb Callback) *Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &Delivery{URL: url, Callback: cb}
	s.deliveries = append(s.deliveries, d)
	return d
}

func (s *Server) awaitRetry(ctx context.Context) {
	delay := s.RetryDelay
	if delay == 0 {
		delay = defaultRetryDelay
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
}

func (s *Server) attempt(ctx context.Context, d *Delivery) error {
	status := 0
	response, err := d.Callback.Send(ctx, s.client, d.URL)
	if err == nil {
		response.Body.Close()
		status = response.StatusCode
	}
	s.mu.Lock()
	d.Statuses = append(d.Statuses, status)
	acknowledged := d.IsAcknowledged()
	s.mu.Unlock()
	if err == nil && !acknowledged {
		err = fmt.Errorf("smilesigtest: not acknowledged: status %d", status)
	}
	return err
}

// newDeliveryClient returns a client that keeps no connection, so that none
// outlives a Server.
func newDeliveryClient() *http.Client {
	return &http.Client{
		Timeout:       answerWithin,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

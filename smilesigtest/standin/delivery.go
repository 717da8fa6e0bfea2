package standin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/smilesig/smilesigtest"
)

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
		s.awaitRetry(ctx)
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

func (s *Server) awaitRetry(ctx context.Context) {
	select {
	case <-time.After(retryDelay):
	case <-ctx.Done():
	}
}

func (s *Server) attempt(ctx context.Context, d *Delivery) error {
	status, err := s.client.send(ctx, d.Callback, d.URL)
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

// A deliveryClient has one client for this machine's own servers and one for
// others, because nobody vouches for the certificates of this machine's own
// servers.
type deliveryClient struct{ here, elsewhere *http.Client }

// newDeliveryClient returns clients that keep no connection, so that none
// outlives a Server.
func newDeliveryClient() deliveryClient {
	return deliveryClient{
		here:      newClient(&tls.Config{InsecureSkipVerify: true}), // for made-up data to a loopback address
		elsewhere: newClient(nil),
	}
}

func newClient(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       answerWithin,
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: config},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send returns the status of the answer. If there is no answer, it returns an
// error. The error leaves out the URL, which may have secrets.
func (c deliveryClient) send(ctx context.Context, cb smilesigtest.Callback, to string) (status int, err error) {
	client := c.elsewhere
	if u, err := url.Parse(to); err == nil && isLoopback(u.Hostname()) {
		client = c.here
	}
	response, err := cb.Send(ctx, client, to)
	if err != nil {
		if ofClient := (*url.Error)(nil); errors.As(err, &ofClient) {
			err = ofClient.Err
		}
		return 0, fmt.Errorf("standin: no answer: %w", err)
	}
	response.Body.Close()
	return response.StatusCode, nil
}

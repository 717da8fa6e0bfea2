package smilesigtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"example.com/smilesig"
)

// A Callback is what Smile ID sends to a partner: a body and a pair. You may set
// its fields to anything. Its methods do not change it, so it is safe for
// concurrent use while nobody sets a field.
//
// The same Callback always makes the same bytes. Use it again for a redelivery.
// Use [Callback.WithBody] for a genuine pair with another body.
type Callback struct {
	// Credential makes the pair.
	Credential smilesig.Credential

	// Placement is where the pair goes: InBody as in v1 and v2, InHeader as in
	// v3. Unsigned leaves it out.
	Placement smilesig.Placement

	// Body is the body without its pair. With InBody it must be a JSON object.
	// The pair is put into it and replaces any that is there.
	Body []byte

	// Header has further headers, such as v3's Job-ID. No signature covers them.
	Header http.Header

	// Time is the time to sign, to the millisecond.
	Time time.Time

	doubled bool
}

// Format implements [fmt.Formatter]. It prints neither the body nor the key.
func (c Callback) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "smilesigtest.Callback{%v, signed at %v, body of %d bytes}",
		c.Placement, c.Time.UTC().Format(smilesig.TimestampLayout), len(c.Body))
}

// NewCallback returns a v1 or v2 callback, signed for now. Its pair is in its
// body.
//
// No two callbacks of NewCallback and [NewWebhook] are signed for the same
// millisecond, because they would share a pair, and a guard refuses the second. A
// call waits for the next millisecond if it must.
func NewCallback(credential smilesig.Credential, body []byte) Callback {
	return Callback{Credential: credential, Placement: smilesig.InBody, Body: body, Time: nextTime()}
}

// NewWebhook returns a v3 webhook, whose pair is in its headers, signed as
// [NewCallback] says. [Job.Callback] makes one that has v3's Job-ID and User-ID
// headers, too.
func NewWebhook(credential smilesig.Credential, body []byte) Callback {
	return Callback{Credential: credential, Placement: smilesig.InHeader, Body: body, Time: nextTime()}
}

var (
	timesMu  sync.Mutex
	lastTime int64 // the millisecond that nextTime returned last
)

// nextTime returns the time in a millisecond of its own.
func nextTime() time.Time {
	for {
		timesMu.Lock()
		now := time.Now().UnixMilli()
		isNew := now != lastTime
		lastTime = now
		timesMu.Unlock()
		if isNew {
			return time.UnixMilli(now)
		}
		time.Sleep(time.Millisecond) // without the lock, for the fake clock of testing/synctest
	}
}

// Stale returns c signed a day earlier.
func (c Callback) Stale() Callback {
	c.Time = c.Time.Add(-24 * time.Hour)
	return c
}

// Forged returns c signed with a key that is not the partner's.
func (c Callback) Forged() Callback {
	c.Credential.APIKey += "-forged"
	return c
}

// WithBody returns c with another body. The pair stays the same and is genuine.
func (c Callback) WithBody(body []byte) Callback {
	c.Body = body
	return c
}

// Doubled returns c with both halves of its pair given twice, with the same
// values.
func (c Callback) Doubled() Callback {
	c.doubled = true
	return c
}

// Request returns c as a server receives it, for a handler's ServeHTTP. It is a
// POST to target, a path or a URL. Every call returns a new request.
//
// Request panics if target is not a URL or c cannot be signed. A callback cannot
// be signed if its Credential is refused, or if the pair goes into a Body that is
// not a JSON object.
func (c Callback) Request(target string) *http.Request {
	header, body, err := c.Signed()
	if err != nil {
		panic(err)
	}
	received := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	received.Header, received.RequestURI = header, received.URL.RequestURI()
	return received
}

// Send posts c to a URL once and returns the answer. The caller closes its body. A
// nil client means http.DefaultClient. Send returns an error if c cannot be
// signed (see [Callback.Request]) or client returns one. The error leaves out the
// URL, which may have secrets.
func (c Callback) Send(ctx context.Context, client *http.Client, to string) (*http.Response, error) {
	header, body, err := c.Signed()
	if err != nil {
		return nil, err
	}
	var response *http.Response
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err == nil {
		req.Header = header
		response, err = cmp.Or(client, http.DefaultClient).Do(req)
	}
	if withURL := (*url.Error)(nil); errors.As(err, &withURL) {
		err = fmt.Errorf("smilesigtest: no answer: %w", withURL.Err)
	}
	return response, err
}

// Signed returns the headers and the body that Send sends, for a test of
// [smilesig.Verifier.Verify]. It returns an error if c cannot be signed (see
// [Callback.Request]).
func (c Callback) Signed() (http.Header, []byte, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	for name, values := range c.Header {
		header[name] = slices.Clone(values)
	}
	if c.Placement == smilesig.Unsigned {
		return header, c.Body, nil
	}
	signer, err := smilesig.NewSigner(c.Credential)
	if err != nil {
		return nil, nil, err
	}
	pair := signer.Sign(c.Time)
	if c.Placement == smilesig.InHeader {
		header.Set("Response-Signature", pair.Signature)
		header.Set("Response-Timestamp", pair.Timestamp)
		if c.doubled {
			header.Add("Response-Signature", pair.Signature)
			header.Add("Response-Timestamp", pair.Timestamp)
		}
		return header, c.Body, nil
	}
	body, err := signer.Inject(c.Body, c.Time)
	if err == nil && c.doubled {
		body = withMembers(body, pair)
	}
	return header, body, err
}

// withMembers puts pair into an object that has members already.
func withMembers(object []byte, pair smilesig.Pair) []byte {
	before, after, _ := bytes.Cut(object, []byte("{"))
	return fmt.Appendf(nil, `%s{"signature":%q,"timestamp":%q,%s`, before, pair.Signature, pair.Timestamp, after)
}

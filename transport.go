package smilesig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A Transport signs requests to Smile ID: it puts the pair into the JSON body or
// the headers, as the endpoint wants it, and hands a request of its own to Base.
// Use it as the Transport of an [http.Client]. It is safe for concurrent use
// once its fields are set.
//
// It takes the time when it signs. A client that retries must be above it, so
// that each attempt has a fresh pair; whatever looks at signed bytes, below.
//
// An error from this package means that nothing was sent, but for the two that
// ConfirmResponses adds.
type Transport struct {
	// Signer signs with its current credential. Required for requests that
	// Placement has signed.
	Signer *Signer

	// Base sends the requests; nil is http.DefaultTransport.
	Base http.RoundTripper

	// Origins are those to sign for, each as "scheme://host[:port]", instead of
	// DefaultOrigins(), which nil stands for; an empty slice is none. To any other
	// origin, a Content-Type of JSON and a body that a redirect brought are
	// refused; the rest passes unsigned, such as the zip of an upload.
	Origins []string

	// Placement says where the pair goes; nil is PlacementFor.
	Placement func(*http.Request) Placement

	// ConfirmResponses checks the answers to requests that were signed. A 2xx
	// answer in JSON that has a pair must have one that Signer confirms, else
	// RoundTrip returns ErrSignature; /v1/job_status must have one, and not
	// redirect, else it returns ErrMissing. The request was sent by then. The age
	// of the pair does not matter, and DefaultMaxBytes of an answer are read at
	// most. Other answers pass: look at the status, and mind that a client may
	// follow a redirect to an answer that is not confirmed.
	//
	// A confirmed answer proves as little about its body as a callback does. What
	// protects it is TLS; this catches what was made up without a pair.
	ConfirmResponses bool

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// RoundTrip signs and sends req. It does not change req and closes its body.
//
// It returns [ErrOrigin] for a Content-Type of JSON to an origin that is not
// listed, or for a body that a redirect takes to one; [ErrMalformed] for a body
// that is to be signed but missing, no JSON object or not as long as declared;
// [ErrEncoded] if such a body has a Content-Encoding; [ErrPartner] if it is another
// partner's; the cause if reading it fails or the request's context ends; and an
// error if there is no Signer. A body to be signed is read whole; any other is
// passed on unread.
// All these mean that nothing was sent. After sending, it returns Base's error,
// or with ConfirmResponses [ErrSignature] or [ErrMissing].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	placement, err := t.place(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	switch placement {
	case InHeader:
		req = t.signHeader(req)
	case InBody:
		if req, err = t.signBody(req); err != nil {
			return nil, err
		}
	}
	res, err := t.base().RoundTrip(req)
	if err != nil || !t.ConfirmResponses || placement == Unsigned {
		return res, err
	}
	if err := t.confirmAnswer(req, res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// CloseIdleConnections closes those of Base, for [http.Client.CloseIdleConnections].
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// place decides where the pair goes and refuses what can be refused without
// reading the body.
func (t *Transport) place(req *http.Request) (Placement, error) {
	if req.URL == nil {
		return Unsigned, errors.New("smilesig: the request has no URL")
	}
	if !t.isListed(req.URL) {
		redirected := req.Response != nil && hasBody(req)
		if redirected || isJSON(req.Header) {
			return Unsigned, fmt.Errorf("%w: %s://%s", ErrOrigin, req.URL.Scheme, req.URL.Host)
		}
		return Unsigned, nil
	}
	choose := t.Placement
	if choose == nil {
		choose = PlacementFor
	}
	placement := choose(req)
	switch {
	case placement == Unsigned:
		return Unsigned, nil
	case placement != InBody && placement != InHeader:
		return Unsigned, fmt.Errorf("smilesig: no such placement: %d", placement)
	case t.Signer.load() == nil:
		return Unsigned, errNoCredential
	case placement == InHeader:
		return InHeader, nil
	case !hasBody(req):
		return Unsigned, fmt.Errorf("%w: no body to put the signature in", ErrMalformed)
	case !isJSONOrAbsent(req.Header):
		return Unsigned, fmt.Errorf("%w: the body to put the signature in is not JSON", ErrMalformed)
	case isEncoded(req.Header):
		return Unsigned, fmt.Errorf("%w: it cannot be signed", ErrEncoded)
	}
	return InBody, nil
}

// isListed compares scheme, host and port, and nothing that is not plain ASCII.
func (t *Transport) isListed(u *url.URL) bool {
	if u.User != nil || u.Opaque != "" || !isASCII(u.Host) {
		return false
	}
	origins := t.Origins
	if origins == nil {
		origins = DefaultOrigins()
	}
	for _, origin := range origins {
		scheme, host, _ := strings.Cut(origin, "://")
		if strings.EqualFold(scheme, u.Scheme) && strings.EqualFold(withoutDefaultPort(scheme, host), withoutDefaultPort(u.Scheme, u.Host)) {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func withoutDefaultPort(scheme, host string) string {
	switch strings.ToLower(scheme) {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

func (t *Transport) signHeader(req *http.Request) *http.Request {
	k := t.Signer.load()[0]
	pair := k.pair(formatTimestamp(currentTime(t.Now)))
	signed := req.Clone(req.Context())
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	replaceHeader(signed.Header, headerPartnerID, k.partnerID)
	replaceHeader(signed.Header, headerSignature, pair.Signature)
	replaceHeader(signed.Header, headerTimestamp, pair.Timestamp)
	return signed
}

// signBody reads and closes the body, and takes the time afterwards.
func (t *Transport) signBody(req *http.Request) (*http.Request, error) {
	unsigned := buffers.Get().(*buffer)
	defer unsigned.release()
	if err := readRequestBody(unsigned, req); err != nil {
		return nil, err
	}
	body, err := t.Signer.Inject(unsigned.Bytes(), currentTime(t.Now))
	if err != nil {
		return nil, err
	}
	signed := req.Clone(req.Context())
	signed.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}
	signed.Body, _ = signed.GetBody()
	signed.ContentLength = int64(len(body))
	signed.TransferEncoding = nil
	return signed, nil
}

// readRequestBody reads the body of an outbound request into b and closes it,
// at once if the request's context ends.
func readRequestBody(b *buffer, req *http.Request) error {
	closeOnce := sync.OnceValue(req.Body.Close)
	stop := context.AfterFunc(req.Context(), func() { closeOnce() })
	defer stop()
	defer closeOnce()

	declared, limit := req.ContentLength, int64(math.MaxInt64)
	if declared > 0 { // 0 with a body means that the length is unknown
		limit = declared
	}
	err := b.readAll(req.Body, declared, limit)
	if err == nil {
		err = closeOnce()
	}
	if req.Context().Err() != nil {
		err = context.Cause(req.Context())
	}
	switch {
	case err != nil:
		return fmt.Errorf("smilesig: reading the request's body: %w", err)
	case declared > 0 && int64(b.Len()) != declared:
		return fmt.Errorf("%w: the request's body is not %d bytes long as declared", ErrMalformed, declared)
	}
	return nil
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// confirmAnswer checks the pair in the answer to a signed request, and leaves
// res with its whole body. It returns ErrSignature or ErrMissing only.
func (t *Transport) confirmAnswer(req *http.Request, res *http.Response) error {
	mustBeSigned := answersSigned(req)
	if mustBeSigned && res.StatusCode/100 == 3 {
		return fmt.Errorf("%w in the answer: it redirects to one that need not be signed", ErrMissing)
	}
	if res.StatusCode/100 != 2 {
		return nil
	}
	if !mustBeSigned && (isEncoded(res.Header) || !isJSONOrAbsent(res.Header)) {
		return nil
	}
	pair, err := peekPair(res)
	switch {
	case pair.timestamp.count > 0 && pair.signature.count > 0:
		if pair.check() != nil || !t.Signer.Confirm(pair.timestamp.text, pair.signature.text) {
			return fmt.Errorf("%w in the answer", ErrSignature)
		}
	case mustBeSigned && err != nil:
		return &readError{fmt.Errorf("%w in the answer", ErrMissing), err}
	case mustBeSigned:
		return fmt.Errorf("%w in the answer", ErrMissing)
	}
	return nil
}

// peekPair reads the pair in the body of an answer, unless that is no JSON or
// longer than DefaultMaxBytes, and puts back what it read.
func peekPair(res *http.Response) (receivedPair, error) {
	if res.Body == nil { // a Base that is not net/http's
		res.Body = http.NoBody
	}
	var start buffer // not pooled: the caller reads on from it
	err := start.readAll(res.Body, res.ContentLength, DefaultMaxBytes)
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failedReader{err}
	}
	body := start.Bytes()
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), res.Body}
	switch {
	case err != nil:
		return receivedPair{}, err
	case len(body) > DefaultMaxBytes:
		return receivedPair{}, fmt.Errorf("longer than %d bytes", DefaultMaxBytes)
	}
	return bodyPair(body)
}

// A failedReader repeats the error that ended an earlier read.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

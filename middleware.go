package smilesig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What a [Transport] refuses a request for, besides [ErrMalformed] and
// [ErrEncoded].
var (
	ErrOrigin  = errors.New("smilesig: origin not listed")      // JSON, or a redirected body, for somebody else
	ErrPartner = errors.New("smilesig: another partner's body") // its partner ID is not the credential's
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

// Handler returns a handler that runs next for verified callbacks only, and
// answers all others itself with the status that OnReject or [StatusCode]
// gives. next finds the [Callback] with [FromContext].
//
// next gets the request with a body that holds what was verified, to the byte,
// and can be read once. It is good until next returns: keep a copy, not the
// body. The ResponseWriter is the server's own.
//
// Handler reads the whole body, MaxBytes of it at most, before next runs, and
// none of it if a pair in headers is forged. Deadlines are the server's: set
// [http.Server.ReadTimeout].
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := buffers.Get().(*buffer)
		defer content.release()
		wholeBodyRead := false
		cb, err := v.verify(r.Context(), r.Header, r.ContentLength, func() ([]byte, error) {
			err := v.readCallback(content, r)
			wholeBodyRead = err == nil
			return content.Bytes(), err
		})

		body := &detachable{rest: content.Bytes()}
		defer body.Close()
		ctx := r.Context()
		if err == nil {
			ctx = NewContext(ctx, cb)
		}
		passed := r.WithContext(ctx)
		passed.Body, passed.ContentLength, passed.TransferEncoding = body, int64(content.Len()), nil
		if err != nil {
			if !wholeBodyRead && r.ProtoMajor == 1 {
				// Without this the server would wait for more of the body
				// before it sends the answer.
				w.Header().Set("Connection", "close")
			}
			v.reject(w, passed, err)
			return
		}
		next.ServeHTTP(w, passed)
	})
}

// readCallback reads the body of a callback into b, no further than MaxBytes.
func (v *Verifier) readCallback(b *buffer, r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	limit := v.maxBytes()
	err := b.readAll(r.Body, r.ContentLength, limit)
	if int64(b.Len()) > limit {
		b.Truncate(int(limit))
		return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, limit)
	}
	if err == nil && r.ContentLength > 0 && int64(b.Len()) != r.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		return nil
	}
	var limited *http.MaxBytesError // of a handler around us
	if errors.As(err, &limited) {
		return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, limited.Limit)
	}
	return &readError{ErrMalformed, err}
}

func (v *Verifier) reject(w http.ResponseWriter, r *http.Request, err error) {
	status := 0
	if v.OnReject != nil {
		status = v.OnReject(r, err)
	}
	if status < 200 || status > 599 {
		status = StatusCode(err)
	}
	if v.OnReject == nil {
		slog.WarnContext(r.Context(), "smilesig: callback rejected", "status", status, "error", err)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "SmileID")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "30")
	}
	http.Error(w, http.StatusText(status), status)
}

type contextKey struct{}

// NewContext returns a context in which [FromContext] finds cb. Handler does
// this; it is exported for tests of handlers and for adapters.
func NewContext(ctx context.Context, cb Callback) context.Context {
	return context.WithValue(ctx, contextKey{}, cb)
}

// FromContext returns the verified callback of a request, and whether there is
// one: false means that the handler runs without [Verifier.Handler] around it.
func FromContext(ctx context.Context) (Callback, bool) {
	cb, ok := ctx.Value(contextKey{}).(Callback)
	return cb, ok
}

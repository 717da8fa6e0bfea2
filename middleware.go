package smilesig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// Handler returns a handler that runs next for verified callbacks only. It answers
// all others itself, with the status that OnReject or [StatusCode] gives. next
// finds the [Callback] with [FromContext].
//
// next gets the request with a body that holds exactly what was verified and can be
// read once. The body is good until next returns: keep a copy of the bytes, not the
// body. The ResponseWriter is the server's own.
//
// Handler reads the body before next runs, MaxBytes of it at most. It reads none of
// it if a pair in headers is forged. Deadlines are the server's: set
// [http.Server.ReadTimeout].
//
// Handler refuses what [Verifier.Verify] refuses. It also returns [ErrMalformed]
// for a body that cannot be read to its end, that something in front has parsed as
// a form, or that is not as long as its Content-Length says.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := buffers.Get().(*buffer)
		defer body.release()

		pair, err := v.checkHead(r.Header, r.ContentLength)
		if err == nil {
			err = v.readBody(body, r)
		}
		if err != nil {
			closeConnection(w, r)
			v.reject(w, r, body, err)
			return
		}
		d := &delivery{Context: r.Context(), body: lentBody{rest: body.Bytes()}}
		d.callback, err = v.checkBody(r.Context(), pair, targetOf(r), body.Bytes())
		if err != nil {
			v.reject(w, r, body, err)
			return
		}
		defer d.body.Close()
		next.ServeHTTP(w, withBody(r, d, &d.body))
	})
}

// closeConnection keeps the server from waiting for more of a body that nobody
// reads, before it sends the answer.
func closeConnection(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// readBody reads the body of a callback into b, no further than MaxBytes.
func (v *Verifier) readBody(b *buffer, r *http.Request) error {
	if len(r.PostForm) > 0 || r.MultipartForm != nil {
		return fmt.Errorf("%w: something in front of the Handler has parsed the body as a form", ErrMalformed)
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	limit := v.maxBytes()
	err := b.readAll(body, min(r.ContentLength, roomForStrangers), limit)
	switch {
	case int64(b.Len()) > limit:
		b.Truncate(int(limit))
		return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, limit)
	case err != nil:
		if front, ok := errors.AsType[*http.MaxBytesError](err); ok { // of a handler in front
			return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, front.Limit)
		}
		if errors.Is(err, http.ErrBodyReadAfterClose) {
			return fmt.Errorf("%w: something in front of the Handler has closed the body", ErrMalformed)
		}
		return &readError{ErrMalformed, err}
	case r.ContentLength < 0 && b.Len() == 0:
		return fmt.Errorf("%w: the body is empty; something in front of the Handler has probably read it", ErrMalformed)
	case hasLength(r) && int64(b.Len()) != r.ContentLength:
		return fmt.Errorf("%w: the body has %d bytes and its Content-Length says %d; something in front of the Handler has probably read or replaced it", ErrMalformed, b.Len(), r.ContentLength)
	}
	return nil
}

// hasLength reports whether r declares how long its body is. What inflates a body
// in front deletes the header and leaves the field.
func hasLength(r *http.Request) bool {
	return len(headerValues(r.Header, "Content-Length")) > 0 && r.ContentLength >= 0
}

// targetOf returns the path and query of r as they were received.
func targetOf(r *http.Request) string {
	if r.RequestURI == "" { // not from a server
		return r.URL.RequestURI()
	}
	return r.RequestURI
}

// A delivery is the context, the callback and the body that next gets, in one
// allocation.
type delivery struct {
	context.Context
	callback Callback
	body     lentBody
}

func (d *delivery) Value(key any) any {
	if key == (contextKey{}) {
		return &d.callback
	}
	return d.Context.Value(key)
}

// Format keeps fmt from printing the body.
func (d *delivery) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%v.WithCallback", d.Context) }

// withBody returns a copy of r that has body.
func withBody(r *http.Request, ctx context.Context, body *lentBody) *http.Request {
	r = r.WithContext(ctx)
	r.Body, r.ContentLength, r.TransferEncoding = body, int64(len(body.rest)), nil
	return r
}

func (v *Verifier) reject(w http.ResponseWriter, r *http.Request, body *buffer, err error) {
	lent := &lentBody{rest: body.Bytes()}
	defer lent.Close()
	r = withBody(r, r.Context(), lent)
	status := 0
	if v.OnReject != nil {
		status = v.OnReject(r, err)
	}
	if status < 200 || status > 599 {
		status = StatusCode(err)
	}
	if v.OnReject == nil {
		slog.WarnContext(r.Context(), "smilesig: callback rejected", "status", status, "reason", Reason(err), "error", err)
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

// NewContext returns a context in which [FromContext] finds callback. Use it in
// tests of handlers.
func NewContext(ctx context.Context, callback Callback) context.Context {
	return context.WithValue(ctx, contextKey{}, &callback)
}

// FromContext returns the verified callback of a request, and whether there is one.
// There is none if the handler runs without [Verifier.Handler] around it.
func FromContext(ctx context.Context) (Callback, bool) {
	callback, ok := ctx.Value(contextKey{}).(*Callback)
	if !ok {
		return Callback{}, false
	}
	return *callback, true
}

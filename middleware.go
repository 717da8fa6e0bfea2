package smilesig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"example.com/smilesig/internal/jobcontext"
	"example.com/smilesig/internal/unread"
)

// Handler returns a handler that runs next for verified callbacks only. It answers
// all others itself, with the status that OnReject or [StatusCode] gives. next
// finds the [Callback] with [FromContext]. Handler panics if next is nil, if Signer is
// nil or has no credential, if Guard is a nil *MemoryGuard, or if a limit is negative.
//
// next gets the request with a body that holds exactly what was verified and can be
// read once. Do not read the body after next returns. Copy what you need. The
// ResponseWriter is the server's own. Printing the request or its context shows
// nothing of the body.
//
// Handler reads the body before next runs, MaxBytes of it at most. If a pair in
// headers is forged, it stores nothing of the body. Deadlines are the server's: set
// [http.Server.ReadTimeout]. When Handler answers before a body has ended, on
// HTTP/1 it closes the connection and first discards what the sender writes within a
// second. A sender that is slower may lose the answer.
//
// Handler refuses what [Verifier.Verify] refuses. With [ErrMalformed], it also
// refuses a body that cannot be read to its end, that something in front has parsed
// as a form, or that is not as long as its Content-Length says.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	if err := v.check(); err != nil {
		panic(err)
	}
	serve := next.ServeHTTP // panics here if next is nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := buffers.Get().(*buffer)
		defer body.release()

		pair, err := v.checkHead(r.Header, r.ContentLength)
		begun := err == nil
		if begun {
			err = v.readBody(body, r)
		}
		if err != nil {
			status := v.reject(r, body, err)
			if _, failed := errors.AsType[*readError](err); !failed {
				unread.Discard(w, r, begun)
			}
			refuse(w, status)
			return
		}
		callback, err := v.checkBody(r.Context(), pair, targetOf(r), body.Bytes())
		if err != nil {
			refuse(w, v.reject(r, body, err))
			return
		}
		verified, lent := withBody(r.WithContext(NewContext(r.Context(), callback)), body)
		defer lent.Close()
		serve(w, verified)
	})
}

// readBody reads the body of a callback into b, no further than MaxBytes.
func (v *Verifier) readBody(b *buffer, r *http.Request) error {
	if len(r.PostForm) > 0 || r.MultipartForm != nil {
		return fmt.Errorf("%w: something in front of the Handler has parsed the body as a form", ErrMalformed)
	}
	limit := v.maxBytes()
	err := b.readAll(cmp.Or[io.ReadCloser](r.Body, http.NoBody), min(r.ContentLength, roomForStrangers), limit)
	front, _ := errors.AsType[*http.MaxBytesError](err) // of a handler in front
	switch {
	case int64(b.Len()) > limit:
		b.Truncate(int(limit))
		return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, limit)
	case front != nil:
		return fmt.Errorf("%w: limit %d bytes", ErrTooLarge, front.Limit)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return fmt.Errorf("%w: something in front of the Handler has closed the body", ErrMalformed)
	case err != nil:
		return &readError{ErrMalformed, func() error { return err }}
	case b.Len() == 0:
		return fmt.Errorf("%w: the body of the %.10q request is empty, or something in front of the Handler has read it", ErrMalformed, r.Method)
	case r.ContentLength >= 0 && int64(b.Len()) != r.ContentLength && len(headerValues(r.Header, "Content-Length")) > 0:
		// What inflates a body in front deletes the header and leaves the field.
		return fmt.Errorf("%w: the body has %d bytes and its Content-Length says %d; something in front of the Handler has probably read or replaced it", ErrMalformed, b.Len(), r.ContentLength)
	}
	return nil
}

// targetOf returns the path and query of r as they were received.
func targetOf(r *http.Request) string {
	if target, err := pathAndQuery(r.RequestURI); err == nil {
		return target
	}
	return r.URL.RequestURI() // r is not from a server, or is for no path
}

// withBody gives r a body that reads b until it is closed.
func withBody(r *http.Request, b *buffer) (*http.Request, *lentBody) {
	lent := &lentBody{read: b.read}
	r.Body, r.ContentLength, r.TransferEncoding = lent, int64(b.Len()), nil
	return r, lent
}

// reject lets OnReject or the log see a callback that is refused with err, and
// returns the status of the answer.
func (v *Verifier) reject(r *http.Request, body *buffer, err error) (status int) {
	r, lent := withBody(r.WithContext(r.Context()), body)
	defer lent.Close()
	if v.OnReject != nil {
		status = v.OnReject(r, err)
	}
	if status < 200 || status > 599 {
		status = StatusCode(err)
	}
	if v.OnReject == nil {
		slog.WarnContext(r.Context(), "smilesig: callback rejected", "status", status, "reason", Reason(err), "error", err, jobcontext.Attr(r.Context()))
	}
	return status
}

func refuse(w http.ResponseWriter, status int) {
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

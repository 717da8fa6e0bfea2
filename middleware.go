package smilesig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

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

package smilesig

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"sync"
)

// A buffer holds a body. Buffers are pooled: most bodies are small, some hold
// several photos.
type buffer struct {
	bytes.Buffer
	limited io.LimitedReader // here, so that it is not allocated for each body
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// release returns b to the pool, unless it has grown far beyond what callbacks
// need.
func (b *buffer) release() {
	if b.Cap() <= 2*DefaultMaxBytes {
		b.Reset()
		buffers.Put(b)
	}
}

// readAll reads body to its end, but no more than limit+1 bytes, so that b.Len()
// tells of a body that is too long. A declared length makes room at once, but not
// much before bytes arrive, because declaring costs a sender nothing.
func (b *buffer) readAll(body io.Reader, declaredLen, limit int64) error {
	const mostAtOnce = 64 << 10
	b.Grow(int(max(0, min(declaredLen, mostAtOnce))) + bytes.MinRead)
	b.limited = io.LimitedReader{R: body, N: min(limit, math.MaxInt64-1) + 1}
	_, err := b.ReadFrom(&b.limited)
	b.limited.R = nil
	return err
}

// A readError is about a body that could not be read as far as needed. It does not
// print its cause, which may quote what the other side has sent.
type readError struct{ what, cause error }

func (e *readError) Error() string   { return e.what.Error() + ": the body cannot be read" }
func (e *readError) Unwrap() []error { return []error{e.what, e.cause} }

// A detachable is a request body on a pooled buffer. Once detached it reads
// nothing, so that a late or concurrent read gets an error and never another
// request's bytes.
type detachable struct {
	mu       sync.Mutex
	rest     []byte
	detached bool
}

func (d *detachable) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.detached:
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	case len(d.rest) == 0:
		return 0, io.EOF
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// Close detaches the body from its buffer.
func (d *detachable) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rest, d.detached = nil, true
	return nil
}

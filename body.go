package smilesig

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"sync"
)

// DefaultMaxBytes is the longest body of a callback if MaxBytes of the [Verifier]
// is 0, and the longest answer that a [Transport] confirms.
const DefaultMaxBytes = 4 << 20

// A buffer holds a body. Buffers are pooled: most bodies are small, some hold
// several photos.
type buffer struct {
	bytes.Buffer

	// These are here, so that they are not allocated for each body.
	limited io.LimitedReader
	read    func(p []byte) (int, error) // Read of the Buffer
}

var buffers = sync.Pool{New: func() any {
	b := new(buffer)
	b.read = b.Read
	return b
}}

// release returns b to the pool, unless it has grown far beyond what callbacks
// need.
func (b *buffer) release() {
	if b.Cap() <= 2*DefaultMaxBytes {
		b.Reset()
		buffers.Put(b)
	}
}

// roomForStrangers bounds the first allocation for a body, because declaring a
// length costs a sender nothing.
const roomForStrangers = 64 << 10

// readAll reads body to its end, but no more than limit+1 bytes, so that b.Len()
// shows that a body is too long. room is the number of bytes to make room for at
// first.
func (b *buffer) readAll(body io.Reader, room, limit int64) error {
	b.Grow(int(max(0, room)) + bytes.MinRead)
	b.limited = io.LimitedReader{R: body, N: min(limit, math.MaxInt64-1) + 1}
	_, err := b.ReadFrom(&b.limited)
	b.limited.R = nil
	return err
}

// A readError reports a body that cannot be read to its end. It does not print
// its cause, because that may quote what the other side has sent.
type readError struct {
	what  error
	cause func() error // a func, because fmt prints fields
}

func (e *readError) Error() string   { return e.what.Error() + ": the body cannot be read" }
func (e *readError) Unwrap() []error { return []error{e.what, e.cause()} }

// A lentBody is a request body on a pooled buffer. After Close it reads nothing,
// so a late or concurrent read gets an error and never another request's bytes.
type lentBody struct {
	mu   sync.Mutex
	read func(p []byte) (int, error) // nil after Close; fmt prints no bytes of a func
}

func (l *lentBody) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	return l.read(p)
}

func (l *lentBody) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = nil
	return nil
}

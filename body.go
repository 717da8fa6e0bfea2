package smilesig

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Buffers for bodies are pooled: most are small, some hold several photos. What
// is larger than a callback may be by default is left to the garbage collector.
const largestPooled = 2 * DefaultMaxBytes

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= largestPooled {
		b.Reset()
		buffers.Put(b)
	}
}

// readAll appends all of body to b. A declared length makes room at once, but
// not much before bytes arrive, because declaring costs a sender nothing.
func readAll(b *bytes.Buffer, body io.Reader, declaredLen int64) error {
	const mostAtOnce = 64 << 10
	b.Grow(int(max(0, min(declaredLen, mostAtOnce))) + bytes.MinRead)
	_, err := b.ReadFrom(body)
	return err
}

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

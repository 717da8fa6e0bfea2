package smilesig

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// A Digest is a SHA-256 that a [ReplayGuard] stores.
type Digest [sha256.Size]byte

// A ReplayGuard remembers which body a pair came with first. A [Verifier] with a
// guard accepts a pair with that body only, any number of times. One guard can
// serve several Verifiers. It must if they accept the same credentials, and then
// they must have the same MaxAge and MaxSkew.
type ReplayGuard interface {
	// Bind binds pair to body for ttl, unless pair is bound already: then it changes nothing and
	// returns the body that pair is bound to, with seen true. Atomic, safe for concurrent use; returns when ctx ends.
	// The first Bind of a pair returns body, with seen false.
	Bind(ctx context.Context, pair, body Digest, ttl time.Duration) (bound Digest, seen bool, err error)
}

// DefaultGuardLimit is how many pairs a [MemoryGuard] holds whose Limit is 0.
const DefaultGuardLimit = 1 << 18

// A MemoryGuard is a [ReplayGuard] in the memory of one process: it forgets at a
// restart and knows nothing of other machines. The zero value is ready; use it
// by pointer. It is safe for concurrent use and starts no goroutine.
//
// It never drops a pair before its time. When Limit pairs are live, Bind returns
// an error that wraps [ErrGuard], and the callback is asked to come again. A pair
// takes about 200 bytes, so the default limit 53 MB: BenchmarkMemoryGuard measures
// it.
type MemoryGuard struct {
	// Limit is how many live pairs it holds at most; 0 is DefaultGuardLimit,
	// negative is none. Do not change it after the first use.
	Limit int

	mu       sync.Mutex
	bindings map[Digest]*binding // by pair
	expiring expiryHeap          // the same bindings
}

type binding struct {
	pair, body Digest
	expires    time.Time
}

// Bind implements [ReplayGuard]. It returns the context's cause if that has ended.
// It drops what has expired on the way: after a long pause the first Bind takes
// longer, about a microsecond for each pair.
func (g *MemoryGuard) Bind(ctx context.Context, pair, body Digest, ttl time.Duration) (bound Digest, seen bool, err error) {
	if ctx.Err() != nil {
		return Digest{}, false, context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.dropExpired(now)
	if b, ok := g.bindings[pair]; ok {
		return b.body, true, nil
	}
	limit := g.Limit
	if limit == 0 {
		limit = DefaultGuardLimit
	}
	if len(g.bindings) >= limit {
		return Digest{}, false, fmt.Errorf("%w: %d pairs are live, the limit", ErrGuard, len(g.bindings))
	}
	if g.bindings == nil {
		g.bindings = make(map[Digest]*binding)
	}
	b := &binding{pair: pair, body: body, expires: now.Add(ttl)}
	g.bindings[pair] = b
	heap.Push(&g.expiring, b)
	return body, false, nil
}

func (g *MemoryGuard) dropExpired(now time.Time) {
	for len(g.expiring) > 0 && !now.Before(g.expiring[0].expires) {
		b := heap.Pop(&g.expiring).(*binding)
		delete(g.bindings, b.pair)
	}
}

// An expiryHeap has the binding that expires first at index 0.
type expiryHeap []*binding

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h expiryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiryHeap) Push(b any)        { *h = append(*h, b.(*binding)) }
func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return b
}

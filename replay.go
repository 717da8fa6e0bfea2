package smilesig

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"sync"
	"time"
)

// A Digest is a SHA-256 that a [ReplayGuard] stores.
type Digest [sha256.Size]byte

// A ReplayGuard remembers what each pair came with first. A [Verifier] with a
// guard accepts a pair with that only, any number of times. Verifiers that accept
// the same credentials must share one guard.
type ReplayGuard interface {
	// Bind binds pair to body for ttl. If pair is bound already, Bind changes
	// nothing and returns what pair is bound to, with seen true. Otherwise it
	// returns body, with seen false. The digest body is a hash of the signature,
	// the request's target and its body.
	//
	// Bind is atomic and safe for concurrent use. It returns soon after ctx ends:
	// at once, or when the store's own deadline ends it.
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
// takes about 185 bytes, so the default limit takes 49 MB: BenchmarkMemoryGuard
// measures it.
type MemoryGuard struct {
	// Limit is how many live pairs it holds at most; 0 is DefaultGuardLimit,
	// negative is none. Do not change it after the first use.
	Limit int

	mu       sync.Mutex
	started  time.Time           // at the first Bind
	bindings map[Digest]*binding // by pair
	expiring expiryHeap          // the same bindings
}

type binding struct {
	pair, body Digest
	expires    time.Duration // since the guard started: a third of a time.Time
	index      int           // in the heap
}

// Bind implements [ReplayGuard]. It returns the context's cause if that has ended.
// It takes microseconds, also after a pause in which many pairs expired.
func (g *MemoryGuard) Bind(ctx context.Context, pair, body Digest, ttl time.Duration) (bound Digest, seen bool, err error) {
	if ctx.Err() != nil {
		return Digest{}, false, context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bindings == nil {
		g.started, g.bindings = time.Now(), make(map[Digest]*binding)
	}
	now := time.Since(g.started)
	g.dropTwoExpired(now)
	if b, ok := g.bindings[pair]; ok {
		if b.expires > now {
			return b.body, true, nil
		}
		g.drop(b)
	}
	// If anything here had expired, there would be room: dropping made it.
	if live := len(g.bindings); live >= cmp.Or(g.Limit, DefaultGuardLimit) {
		return Digest{}, false, fmt.Errorf("%w: %d pairs are live, the limit", ErrGuard, live)
	}
	b := &binding{pair: pair, body: body, expires: now + min(ttl, math.MaxInt64-now)}
	g.bindings[pair] = b
	heap.Push(&g.expiring, b)
	return body, false, nil
}

// Len returns how many pairs are live. It takes time for each pair that has
// expired and that no Bind has dropped yet.
func (g *MemoryGuard) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.bindings) - g.expiring.countExpired(time.Since(g.started), 0)
}

// dropTwoExpired drops at most two, to bound the work of one Bind. A Bind adds at
// most one, so what has expired never piles up.
func (g *MemoryGuard) dropTwoExpired(now time.Duration) {
	for range 2 {
		if len(g.expiring) > 0 && g.expiring[0].expires <= now {
			g.drop(g.expiring[0])
		}
	}
}

func (g *MemoryGuard) drop(b *binding) {
	delete(g.bindings, b.pair)
	heap.Remove(&g.expiring, b.index)
}

// An expiryHeap is a binary heap: the binding at i expires no later than those at
// 2*i+1 and 2*i+2.
type expiryHeap []*binding

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *expiryHeap) Push(b any) {
	b.(*binding).index = len(*h)
	*h = append(*h, b.(*binding))
}
func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return b
}

// countExpired counts the expired bindings at i and below i in the heap.
func (h expiryHeap) countExpired(now time.Duration, i int) int {
	if i >= len(h) || h[i].expires > now {
		return 0
	}
	return 1 + h.countExpired(now, 2*i+1) + h.countExpired(now, 2*i+2)
}

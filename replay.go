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

// A ReplayGuard remembers which body and target each pair came with first. A
// [Verifier] with a guard accepts the pair only with these, any number of times.
// Verifiers that accept the same credentials must share one guard and have the same
// MaxAge.
type ReplayGuard interface {
	// Bind binds pair to body for ttl, and returns body with seen false. If pair
	// is bound already, Bind changes nothing, and returns what pair is bound to
	// with seen true. The digest body covers the signature, the request's target
	// and its body.
	//
	// Bind is atomic and safe for concurrent use. It returns soon after ctx ends:
	// at once, or when the store's own deadline ends it.
	Bind(ctx context.Context, pair, body Digest, ttl time.Duration) (bound Digest, seen bool, err error)
}

// DefaultGuardLimit is the limit of a [MemoryGuard] whose Limit is 0.
const DefaultGuardLimit = 1 << 18

// A MemoryGuard is a [ReplayGuard] in the memory of one process: it forgets at a
// restart and knows nothing of other machines. The zero value is ready; use it
// by pointer. It is safe for concurrent use and starts no goroutine.
//
// It never drops a pair before it expires. When Limit pairs are live, Bind
// returns an error that wraps [ErrGuard]. The sender gets 503, so that it sends
// the callback again. A pair takes about 185 bytes, and the default limit takes
// 49 MB: BenchmarkMemoryGuard measures it.
type MemoryGuard struct {
	// Limit is the largest number of live pairs. 0 means DefaultGuardLimit; a
	// negative Limit allows none. Do not change it after the first use.
	Limit int

	mu       sync.Mutex
	started  time.Time           // at the first Bind
	bindings map[Digest]*binding // by pair
	expiring expiryHeap          // the same bindings
}

type binding struct {
	pair, body Digest
	expires    time.Duration // since the guard started; a time.Time takes three times the room
	index      int           // in the heap
}

// Bind implements [ReplayGuard]. It returns the cause of ctx if ctx has ended. It
// takes microseconds, even after a pause in which many pairs expired.
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
	// Every pair here is live if the guard is full: dropping an expired one makes
	// room.
	if live := len(g.bindings); live >= cmp.Or(g.Limit, DefaultGuardLimit) {
		return Digest{}, false, fmt.Errorf("%w: it is full, with %d live pairs", ErrGuard, live)
	}
	b := &binding{pair: pair, body: body, expires: now + min(ttl, math.MaxInt64-now)}
	g.bindings[pair] = b
	heap.Push(&g.expiring, b)
	return body, false, nil
}

// Len returns how many pairs are live. It visits every expired pair that no Bind
// has dropped yet.
func (g *MemoryGuard) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.bindings) - g.expiring.countExpired(time.Since(g.started), 0)
}

// dropTwoExpired drops at most two bindings, to limit the work of one Bind. A
// Bind adds at most one, so expired bindings never pile up.
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

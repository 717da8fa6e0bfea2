package smilesig

import (
	"cmp"
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
// [Verifier] accepts the pair only with these, any number of times. Verifiers
// that accept the same credentials must share one guard and have the same MaxAge.
type ReplayGuard interface {
	// Bind binds pair to content for ttl, and returns content and false. If pair is
	// bound already, Bind changes nothing. It then returns the older content and
	// true. content covers the signature, the target of the callback
	// and its body.
	//
	// Bind is atomic and safe for concurrent use. It returns soon after ctx ends:
	// at once, or when the store's own deadline ends it.
	Bind(ctx context.Context, pair, content Digest, ttl time.Duration) (bound Digest, seen bool, err error)
}

// NoGuard admits every content under every pair. Set it as the Guard of a
// [Verifier] only where something else refuses replays, and say there what does.
var NoGuard ReplayGuard = noGuard{}

type noGuard struct{}

func (noGuard) Bind(_ context.Context, _, content Digest, _ time.Duration) (Digest, bool, error) {
	return content, false, nil
}

// DefaultGuardLimit is the limit of a [MemoryGuard] whose Limit is 0.
const DefaultGuardLimit = 1 << 18

// A MemoryGuard is a [ReplayGuard] in the memory of one process: it forgets at a
// restart and knows nothing of other machines. The zero value is ready; use it
// by pointer. It is safe for concurrent use and starts no goroutine.
//
// It never drops a pair before it expires. When it holds Limit pairs, Bind
// returns an error that wraps [ErrGuard] for a new one. A pair takes about 170
// bytes, and the default limit takes 44 MB.
//
// Pairs are dropped in the order in which they were bound. Bind every pair with
// the same ttl, as the Verifiers of one guard do. Otherwise a pair with a long life
// delays the removal of later pairs, and the guard may be full early.
type MemoryGuard struct {
	// Limit is the largest number of pairs. 0 means DefaultGuardLimit; a negative
	// Limit allows none. Do not change it after the first use.
	Limit int

	mu      sync.Mutex
	*memory // a pointer, because fmt would walk through the map beside a Bind
}

type memory struct {
	started    time.Time
	first, end int                  // numbers of the first binding and of the next one
	blocks     []*[blockLen]binding // the bindings in the order of the binds; growth copies none of them
	numbers    map[Digest]int       // of the latest binding of each pair
	latest     time.Duration        // when the last binding expires
}

const blockLen = 256

type binding struct {
	pair, content Digest
	expires       time.Duration // since the memory started; a time.Time takes three times the room
}

// at returns the binding with number n.
func (m *memory) at(n int) *binding { return &m.blocks[n/blockLen-m.first/blockLen][n%blockLen] }

// Bind implements [ReplayGuard]. It returns the cause of ctx if ctx has ended. It
// takes microseconds, even when a large guard grows or many pairs have expired.
func (g *MemoryGuard) Bind(ctx context.Context, pair, content Digest, ttl time.Duration) (bound Digest, seen bool, err error) {
	if ctx.Err() != nil {
		return Digest{}, false, context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.dropExpired(now) // one is enough: a Bind adds at most one
	if n, ok := g.numbers[pair]; ok && g.at(n).expires > now {
		return g.at(n).content, true, nil
	}
	if g.end-g.first >= cmp.Or(g.Limit, DefaultGuardLimit) {
		return Digest{}, false, fmt.Errorf("%w: the MemoryGuard is full, with %d pairs; set Guard to one with a larger Limit", ErrGuard, g.end-g.first)
	}
	if g.end%blockLen == 0 {
		g.blocks = append(g.blocks, new([blockLen]binding))
	}
	b := binding{pair, content, now + min(ttl, math.MaxInt64-now)}
	*g.at(g.end), g.numbers[pair] = b, g.end
	g.end, g.latest = g.end+1, max(g.latest, b.expires)
	return content, false, nil
}

// Len returns how many pairs count against Limit. It drops every expired pair
// that no Bind has dropped yet.
func (g *MemoryGuard) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for now := g.now(); g.dropExpired(now); {
	}
	return g.end - g.first
}

// now returns the time since the memory started. It starts a new memory if every pair
// has expired.
func (g *MemoryGuard) now() time.Duration {
	if g.memory != nil {
		if now := time.Since(g.started); now < g.latest {
			return now
		}
	}
	g.memory = &memory{started: time.Now(), numbers: make(map[Digest]int)}
	return 0
}

// dropExpired drops the first binding if it has expired. The pair stays if it was
// bound again since.
func (g *MemoryGuard) dropExpired(now time.Duration) bool {
	if g.first == g.end || g.at(g.first).expires > now {
		return false
	}
	if pair := g.at(g.first).pair; g.numbers[pair] == g.first {
		delete(g.numbers, pair)
	}
	if g.first++; g.first%blockLen == 0 {
		g.blocks = g.blocks[1:]
	}
	return true
}

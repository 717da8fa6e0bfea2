package bench

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"example.com/smilesig"
)

// BenchmarkMemoryGuard measures a Bind of a new pair in a guard that is empty, or
// has at most 1,024 pairs; in one that has 262,144 live pairs; in one where half of
// so many have just expired, or all.
func BenchmarkMemoryGuard(b *testing.B) {
	const many, few, binds = 1 << 18, 1 << 10, 1 << 15
	var guard *smilesig.MemoryGuard
	var pair smilesig.Digest
	bind := func(n int, ttl time.Duration) {
		for range n {
			binary.LittleEndian.PutUint64(pair[:], binary.LittleEndian.Uint64(pair[:])+1)
			if _, seen, err := guard.Bind(b.Context(), pair, pair, ttl); err != nil || seen {
				panic("a new pair was not bound")
			}
		}
	}
	filled := func(name string, expired int) way {
		prepare := func(int) {
			guard = &smilesig.MemoryGuard{Limit: math.MaxInt}
			bind(expired, time.Second)
			bind(many-expired, time.Hour)
			time.Sleep(time.Duration(min(1, expired)) * time.Second)
		}
		return way{name: name, runs: binds, prepare: prepare, run: func(n int) { bind(n, time.Hour) }}
	}
	c := compare(b, wallClock, 5*time.Millisecond, []way{
		{name: "empty", runs: binds, run: func(n int) {
			for range n / few {
				guard = new(smilesig.MemoryGuard)
				bind(few, time.Hour)
			}
		}},
		filled("full", 0), filled("half-expired", many/2), filled("expired", many),
	})
	c.time("full")
	c.ratio("full", "empty")
	c.ratio("half-expired", "empty")
	c.ratio("expired", "empty")
}

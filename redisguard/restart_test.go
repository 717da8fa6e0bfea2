package redisguard_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// deliveries are callbacks that keep coming while the server comes and goes.
type deliveries struct {
	mu       sync.Mutex
	admitted map[smilesig.Digest]smilesig.Digest // by pair: the body of a bind that was answered
	unclear  map[smilesig.Digest]smilesig.Digest // by pair: the body of a bind that was an error
}

func (d *deliveries) count() (admitted, unclear int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.admitted), len(d.unclear)
}

func (d *deliveries) keepComing(ctx context.Context, guard smilesig.ReplayGuard) {
	for ctx.Err() == nil {
		pair, body := digest(), digest()
		_, _, err := guard.Bind(ctx, pair, body, time.Hour)
		d.mu.Lock()
		if err != nil {
			d.unclear[pair] = body
		} else {
			d.admitted[pair] = body
		}
		d.mu.Unlock()
		if err != nil {
			time.Sleep(10 * time.Millisecond) // not thousands while the server is down
		}
	}
}

func TestACrashForgetsNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	guard := newGuard(t, server.client(failingFast))
	d := deliveries{admitted: make(map[smilesig.Digest]smilesig.Digest), unclear: make(map[smilesig.Digest]smilesig.Digest)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { d.keepComing(ctx, guard) })
	}
	await := func(more func(admitted, unclear int) bool) {
		require.Eventually(t, func() bool { return more(d.count()) }, patience, time.Millisecond)
	}

	await(func(admitted, _ int) bool { return admitted >= 200 })
	server.kill()
	await(func(_, unclear int) bool { return unclear >= 8 })
	before, _ := d.count()
	server.start()
	await(func(admitted, _ int) bool { return admitted >= before+200 })
	stop()
	all.Wait()

	for pair, body := range d.admitted {
		assertBound(t, guard, pair, body)
	}
	for pair, body := range d.unclear { // comes again after its 503, then with another body
		bound, _, err := guard.Bind(t.Context(), pair, body, time.Hour)
		assert.NoError(t, err)
		assert.Equal(t, body, bound)
		assertBound(t, guard, pair, body)
	}
}

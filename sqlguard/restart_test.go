package sqlguard_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/sqlguard"
)

// deliveries are callbacks that keep coming while the server comes and goes.
type deliveries struct {
	mu           sync.Mutex
	acknowledged map[smilesig.Digest]smilesig.Digest // by pair: the body of a bind that was answered
	unclear      map[smilesig.Digest]smilesig.Digest // by pair: the body of a bind that was an error
}

func (d *deliveries) count() (acknowledged, unclear int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.acknowledged), len(d.unclear)
}

func (d *deliveries) keepComing(ctx context.Context, guard smilesig.ReplayGuard) {
	for ctx.Err() == nil {
		pair, body := digest(), digest()
		_, _, err := guard.Bind(ctx, pair, body, time.Hour)
		d.mu.Lock()
		if err != nil {
			d.unclear[pair] = body
		} else {
			d.acknowledged[pair] = body
		}
		d.mu.Unlock()
		if err != nil {
			time.Sleep(50 * time.Millisecond) // not thousands while the server is down
		}
	}
}

func TestACrashForgetsNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	const crashes = 2
	server := startServer(t)
	db := server.open(t)
	execute(t, db, sqlguard.PostgreSQLSchema)
	guard := newGuard(t, db, sqlguard.PostgreSQL, "")
	d := deliveries{acknowledged: make(map[smilesig.Digest]smilesig.Digest), unclear: make(map[smilesig.Digest]smilesig.Digest)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { d.keepComing(ctx, guard) })
	}
	await := func(more func(acknowledged, unclear int) bool) {
		require.Eventually(t, func() bool { return more(d.count()) }, patience, time.Millisecond)
	}

	for range crashes {
		acknowledged, unclear := d.count()
		await(func(a, _ int) bool { return a >= acknowledged+200 })
		server.crash(t)
		await(func(_, u int) bool { return u >= unclear+8 })
		require.NoError(t, server.start())
	}
	acknowledged, _ := d.count()
	await(func(a, _ int) bool { return a >= acknowledged+200 })
	stop()
	all.Wait()

	lost := 0
	for pair, body := range d.acknowledged {
		bound, seen, err := guard.Bind(t.Context(), pair, digest(), time.Hour)
		assert.NoError(t, err)
		if !seen || bound != body {
			lost++
		}
	}
	acknowledged, unclear := d.count()
	t.Logf("%d crashes, %d bindings acknowledged, %d lost, %d errors", crashes, acknowledged, lost, unclear)
	assert.Zero(t, lost)
	for pair, body := range d.unclear { // comes again after its 503, then with another body
		bound, _, err := guard.Bind(t.Context(), pair, body, time.Hour)
		assert.NoError(t, err)
		assert.Equal(t, body, bound)
		assertBound(t, guard, pair, body)
	}
}

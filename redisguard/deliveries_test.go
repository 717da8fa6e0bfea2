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

// deliveries are callbacks that keep coming while servers come and go.
type deliveries struct {
	t    *testing.T
	stop func() // and wait until the last has been answered

	mu           sync.Mutex
	acknowledged map[smilesig.Digest]delivery // by pair
	unclear      map[smilesig.Digest]delivery // by pair: the bind was an error
}

type delivery struct {
	body    smilesig.Digest
	started time.Time
}

// startDeliveries lets four callbacks come to each guard at a time.
func startDeliveries(t *testing.T, guards ...smilesig.ReplayGuard) *deliveries {
	d := &deliveries{t: t, acknowledged: make(map[smilesig.Digest]delivery), unclear: make(map[smilesig.Digest]delivery)}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	d.stop = func() {
		cancel()
		all.Wait()
	}
	t.Cleanup(d.stop)
	for _, guard := range guards {
		for range 4 {
			all.Go(func() { d.keepComing(ctx, guard) })
		}
	}
	return d
}

func (d *deliveries) keepComing(ctx context.Context, guard smilesig.ReplayGuard) {
	for ctx.Err() == nil {
		pair, made := digest(), delivery{digest(), time.Now()}
		_, _, err := guard.Bind(ctx, pair, made.body, time.Hour)
		d.mu.Lock()
		if err != nil {
			d.unclear[pair] = made
		} else {
			d.acknowledged[pair] = made
		}
		d.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func (d *deliveries) count() (acknowledged, unclear int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.acknowledged), len(d.unclear)
}

// awaitAcknowledged waits until n more are acknowledged.
func (d *deliveries) awaitAcknowledged(n int) {
	d.t.Helper()
	before, _ := d.count()
	await(d.t, func() bool {
		now, _ := d.count()
		return now >= before+n
	})
}

// awaitUnclear waits until n more are unclear.
func (d *deliveries) awaitUnclear(n int) {
	d.t.Helper()
	_, before := d.count()
	await(d.t, func() bool {
		_, now := d.count()
		return now >= before+n
	})
}

// lost stops the deliveries, delivers every pair again with another body, and
// returns those acknowledged that the guard accepts then. What it refuses, it
// refuses for the body that came first.
func (d *deliveries) lost(guard smilesig.ReplayGuard) (lost []delivery) {
	d.t.Helper()
	d.stop()
	for pair, made := range d.acknowledged {
		bound, seen, err := guard.Bind(d.t.Context(), pair, digest(), time.Hour)
		require.NoError(d.t, err)
		if seen {
			assert.Equal(d.t, made.body, bound)
		} else {
			lost = append(lost, made)
		}
	}
	for pair, made := range d.unclear { // comes again after its 503, then with another body
		bound, _, err := guard.Bind(d.t.Context(), pair, made.body, time.Hour)
		require.NoError(d.t, err)
		assert.Equal(d.t, made.body, bound)
		assertBound(d.t, guard, pair, made.body)
	}
	return lost
}

// reportLost logs how many bindings got lost. None of those may that were asked
// for after the master had failed, because its successor acknowledged them.
func (d *deliveries) reportLost(guard smilesig.ReplayGuard, failed time.Time) {
	d.t.Helper()
	lost := d.lost(guard)
	acknowledged, unclear := d.count()
	d.t.Logf("%d bindings acknowledged, %d of them lost; %d errors", acknowledged, len(lost), unclear)
	for _, l := range lost {
		assert.True(d.t, l.started.Before(failed))
	}
}

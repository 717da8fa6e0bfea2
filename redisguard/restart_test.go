package redisguard_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACrashForgetsNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	guard := newGuard(t, server.client(failingFast))
	d := startDeliveries(t, guard, guard)
	d.awaitAcknowledged(200)
	server.kill()
	d.awaitUnclear(8)
	server.start()
	d.awaitAcknowledged(200)
	assert.Empty(t, d.lost(guard))
}

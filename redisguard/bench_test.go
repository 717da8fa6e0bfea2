package redisguard_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// BenchmarkBind measures Bind beside a bare SET with NX and GET on the same client.
// They take turns, so that whatever slows the machine down slows both.
func BenchmarkBind(b *testing.B) {
	client := startServer(b).client()
	guard := newGuard(b, client)
	bind := func() {
		_, _, err := guard.Bind(b.Context(), digest(), digest(), time.Minute)
		require.NoError(b, err)
	}
	bare := func() {
		key, value := keyOf(digest()), digest()
		err := client.SetArgs(b.Context(), key, value[:], redis.SetArgs{Mode: "NX", Get: true, TTL: time.Minute}).Err()
		require.ErrorIs(b, err, redis.Nil)
	}
	took := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	var binding, setting time.Duration
	for b.Loop() {
		binding += took(bind)
		setting += took(bare)
	}
	b.ReportMetric(float64(b.N)/binding.Seconds(), "binds/s")
	b.ReportMetric(float64(b.N)/setting.Seconds(), "sets/s")
	b.ReportMetric(setting.Seconds()/binding.Seconds(), "binds/set")
}

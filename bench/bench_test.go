package bench_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig/bench"
)

func TestEveryWayDoesItsJob(t *testing.T) {
	t.Parallel()
	for _, b := range bench.Bodies() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			assert.NoError(t, bench.CheckInbound(b))
			assert.NoError(t, bench.CheckScan(b))
			if !b.Doubled {
				assert.NoError(t, bench.CheckOutbound(b))
			}
		})
	}
}

func BenchmarkPair(b *testing.B)     { benchmark(b, bench.PairWays()) }
func BenchmarkInbound(b *testing.B)  { perBody(b, bench.Bodies(), bench.InboundWays) }
func BenchmarkOutbound(b *testing.B) { perBody(b, bench.Sendable(), bench.OutboundWays) }
func BenchmarkVerify(b *testing.B)   { perBody(b, bench.Bodies(), bench.VerifyWays) }
func BenchmarkInject(b *testing.B)   { perBody(b, bench.Bodies(), bench.InjectWays) }
func BenchmarkScan(b *testing.B)     { perBody(b, bench.Bodies(), bench.ScanWays) }

func perBody(b *testing.B, bodies []bench.Body, ways func(bench.Body) []bench.Way) {
	for _, body := range bodies {
		b.Run(body.Name, func(b *testing.B) {
			benchmark(b, ways(body))
		})
	}
}

func benchmark(b *testing.B, ways []bench.Way) {
	for _, way := range ways {
		b.Run(way.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				way.Run()
			}
		})
	}
}

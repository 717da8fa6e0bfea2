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
			assert.NoError(t, bench.CheckOutbound(b))
			assert.NoError(t, bench.CheckScan(b))
		})
	}
}

func TestTheScanPassesNothingThatIsNoObject(t *testing.T) {
	for _, s := range bench.Scanners() {
		if s.Name == bench.Scan {
			assert.Empty(t, s.Passes())
		}
	}
}

func BenchmarkConfirm(b *testing.B)  { benchmark(b, bench.ConfirmWays()) }
func BenchmarkSign(b *testing.B)     { benchmark(b, bench.SignWays()) }
func BenchmarkInbound(b *testing.B)  { perBody(b, bench.InboundWays) }
func BenchmarkOutbound(b *testing.B) { perBody(b, bench.OutboundWays) }
func BenchmarkScan(b *testing.B)     { perBody(b, bench.ScanWays) }

func perBody(b *testing.B, ways func(bench.Body) []bench.Way) {
	for _, body := range bench.Bodies() {
		b.Run(body.Name, func(b *testing.B) { benchmark(b, ways(body)) })
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

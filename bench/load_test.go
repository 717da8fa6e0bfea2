package bench_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/smilesig/bench"
)

var loadTime = flag.Duration("load", 0, "how long TestLoad sends callbacks and requests; 0 skips it")

func TestLoad(t *testing.T) {
	if *loadTime == 0 {
		t.Skip("-load says for how long, such as 1m")
	}
	result, err := bench.Load(*loadTime)
	require.NoError(t, err)
	for _, kind := range result.Kinds {
		t.Logf("%s: %d sent, %d as it should be", kind.Name, kind.Sent.Load(), kind.Good.Load())
	}
	t.Logf("live heap: %d early, %d late, %d at most", result.HeapEarly, result.HeapLate, result.HeapPeak)
	require.NoError(t, result.Err())
}

func TestLoadTooShortIsAnError(t *testing.T) {
	_, err := bench.Load(time.Nanosecond)
	require.ErrorContains(t, err, "too short")
}

package bench_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/smilesig/bench"
)

var loadTime = flag.Duration("load", 0, "how long TestLoad keeps a server under load; 0 skips it")

func TestLoad(t *testing.T) {
	if *loadTime == 0 {
		t.Skip("-load says for how long, such as 1m")
	}
	result, err := bench.Load(*loadTime)
	require.NoError(t, err)
	t.Logf("%+v", result)
	require.NoError(t, result.Err())
}

func TestLoadTooShortIsAnError(t *testing.T) {
	_, err := bench.Load(time.Nanosecond)
	require.ErrorContains(t, err, "too short")
}

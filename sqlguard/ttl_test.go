package sqlguard

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWholeMillisecondsRoundsUp(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		math.MinInt64:        1,
		-time.Second:         1,
		0:                    1,
		1:                    1,
		time.Millisecond:     1,
		time.Millisecond + 1: 2,
		time.Minute:          60_000,
		time.Minute - 1:      60_000,
		math.MaxInt64 - 1:    9_223_372_036_855,
		math.MaxInt64:        9_223_372_036_855,
	} {
		assert.Equal(t, want, wholeMilliseconds(ttl), "%d ns", ttl)
	}
}

package redisguard

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWholeMillisecondsRoundsUp(t *testing.T) {
	const longest = math.MaxInt64 / int64(time.Millisecond) * int64(time.Millisecond)
	for ttl, want := range map[time.Duration]time.Duration{
		math.MinInt64:          time.Millisecond,
		0:                      time.Millisecond,
		1:                      time.Millisecond,
		time.Millisecond:       time.Millisecond,
		time.Millisecond + 1:   2 * time.Millisecond,
		time.Minute:            time.Minute,
		time.Minute - 1:        time.Minute,
		time.Duration(longest): time.Duration(longest),
		math.MaxInt64 - 1:      time.Duration(longest),
		math.MaxInt64:          time.Duration(longest),
	} {
		assert.Equal(t, want.Milliseconds(), wholeMilliseconds(ttl), "%d ns", ttl)
	}
}

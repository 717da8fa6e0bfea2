//go:build !race

package unread_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The race detector is too slow for as much in one second. A busy machine may be, too,
// so most of five are enough: with a cap on what is discarded, none would arrive.
func TestAnswerToALargeBodyArrives(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(refuse)
	defer server.Close()
	for _, size := range []int{8_000_000, 12_000_000} {
		arrived := 0
		for range 5 {
			if arrives(server, http10+declared(size)) {
				arrived++
			}
		}
		assert.GreaterOrEqual(t, arrived, 3, size)
	}
}

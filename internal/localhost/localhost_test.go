package localhost_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig/internal/localhost"
)

func TestHas(t *testing.T) {
	for _, host := range []string{
		"localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:80", "::1", "[::1]", "[::1]:80", "smile-id", "Smile-ID:8085",
	} {
		assert.True(t, localhost.Has(host, "other", "smile-id"), host)
	}
	for _, host := range []string{
		"", ":80", "evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "[::]:80", "smile-id.evil.example",
	} {
		assert.False(t, localhost.Has(host, "other", "smile-id"), host)
	}
}

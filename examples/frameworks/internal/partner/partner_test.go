package partner_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/examples/frameworks/internal/partner"
)

var settings = map[string]string{
	"SMILE_PARTNER_ID":      "085",
	"SMILE_API_KEY":         "made-up-key-of-a-partner",
	"SMILE_ORIGIN":          "https://partner.example",
	"SMILE_CALLBACK_SECRET": "made-up-secret-of-32-bytes-or-so",
}

func TestFaultySettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"SMILE_PARTNER_ID":      "",
		"SMILE_API_KEY":         "pasted-with-a-newline\n",
		"SMILE_ORIGIN":          "",
		"SMILE_CALLBACK_SECRET": "",
	} {
		_, err := partner.New(func(asked string) string {
			if asked == name {
				return value
			}
			return settings[asked]
		}, nil)
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), "pasted")
	}
}

// A route without the middleware takes nothing.
func TestNothingIsTakenUnverified(t *testing.T) {
	t.Parallel()
	p, err := partner.New(func(name string) string { return settings[name] }, nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusInternalServerError, p.Take(t.Context(), strings.NewReader(`{"ResultCode":"0810"}`)))
}

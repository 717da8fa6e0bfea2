package smilesig_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
)

func TestReasonAndStatusCode(t *testing.T) {
	for _, tt := range []struct {
		err    error
		reason string
		status int
	}{
		{nil, "", 200},
		{smilesig.ErrMalformed, "malformed", 400},
		{smilesig.ErrMissing, "missing", 401},
		{smilesig.ErrSignature, "signature", 401},
		{smilesig.ErrStale, "stale", 401},
		{smilesig.ErrFuture, "future", 401},
		{smilesig.ErrTooLarge, "too_large", 413},
		{smilesig.ErrEncoded, "encoded", 415},
		{smilesig.ErrReplayed, "replayed", 503},
		{smilesig.ErrGuard, "guard", 503},
		{smilesig.ErrOrigin, "origin", 500},
		{smilesig.ErrPartner, "partner", 500},
		{smilesig.ErrConfig, "config", 500},
		{&smilesig.AgeError{}, "stale", 401},
		{&smilesig.AgeError{Age: -1}, "future", 401},
		{fmt.Errorf("%w: %w", smilesig.ErrGuard, smilesig.ErrTooLarge), "guard", 503}, // whatever the guard's own error is
		{context.Canceled, "other", 500},
		{io.ErrUnexpectedEOF, "other", 500},
	} {
		assert.Equal(t, tt.reason, smilesig.Reason(tt.err), "%v", tt.err)
		assert.Equal(t, tt.status, smilesig.StatusCode(tt.err), "%v", tt.err)
		if tt.err != nil {
			wrapped := fmt.Errorf("wrapped: %w", tt.err)
			assert.Equal(t, tt.reason, smilesig.Reason(wrapped), "%v", wrapped)
			assert.Equal(t, tt.status, smilesig.StatusCode(wrapped), "%v", wrapped)
			assert.Equal(t, tt.reason == "other", !strings.HasPrefix(tt.err.Error(), "smilesig: "), "%v", tt.err)
		}
	}
}

func TestAgeErrorSaysHowOldAndWhatTheLimitIs(t *testing.T) {
	assert.EqualError(t, &smilesig.AgeError{}, "smilesig: stale: 0s old, limit 0s")
	assert.EqualError(t, &smilesig.AgeError{Age: 16 * time.Minute, Limit: 15 * time.Minute}, "smilesig: stale: 16m0s old, limit 15m0s")
	assert.EqualError(t, &smilesig.AgeError{Age: -2 * time.Minute, Limit: time.Minute}, "smilesig: timestamp in the future: 2m0s ahead, limit 1m0s")
}

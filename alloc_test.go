//go:build !race

// Under the race detector a sync.Pool drops what it holds, so allocations are
// counted without it.

package smilesig_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestConfirmDoesNotAllocate(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	pair := signer.Sign(testTime)
	assert.Zero(t, testing.AllocsPerRun(100, func() { signer.Confirm(pair.Timestamp, pair.Signature) }))
}

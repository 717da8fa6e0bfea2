//go:build !race

// Under the race detector a sync.Pool drops what it holds, so allocations are
// counted without it.

package smilesig_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
)

func TestConfirmDoesNotAllocate(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	pair := signer.Sign(testTime)
	assert.Zero(t, testing.AllocsPerRun(100, func() { signer.Confirm(pair.Timestamp, pair.Signature) }))
}

func TestHandlerAllocatesThreeThingsWhateverTheBody(t *testing.T) {
	var cb smilesig.Callback
	var passed *http.Request
	handler := newVerifier(t).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		passed = r
		cb, _ = smilesig.FromContext(r.Context())
	}))
	for _, size := range []int{0, 4 << 10, 1 << 20} {
		content := signedBody(t, `,"a":"`+strings.Repeat("a", size)+`"`)
		body := strings.NewReader(content)
		r := httptest.NewRequest("POST", "/", io.NopCloser(body))
		w := httptest.NewRecorder()
		got := testing.AllocsPerRun(100, func() {
			body.Reset(content)
			handler.ServeHTTP(w, r)
		})
		copyAndContext := testing.AllocsPerRun(100, func() {
			passed = r.WithContext(smilesig.NewContext(r.Context(), cb))
		})
		assert.LessOrEqual(t, got-copyAndContext, 3.0, size)
		assert.NotNil(t, passed)
		assert.Equal(t, "085", cb.PartnerID)
	}
}

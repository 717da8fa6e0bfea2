package standin_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

func newSigner(t testing.TB) *smilesig.Signer {
	t.Helper()
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	return signer
}

// newVerifier returns a Verifier and where it puts the last refusal.
func newVerifier(t testing.TB) (*smilesig.Verifier, *error) {
	t.Helper()
	refusal := new(error)
	return &smilesig.Verifier{
		Signer:   newSigner(t),
		OnReject: func(_ *http.Request, err error) int { *refusal = err; return 0 },
	}, refusal
}

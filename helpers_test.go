package smilesig_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// Made up, like every key here.
var (
	testCredential  = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-one"}
	otherCredential = smilesig.Credential{PartnerID: "2343", APIKey: "made-up-key-two"}
	testTime        = time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func newSigner(t testing.TB, current smilesig.Credential, accepted ...smilesig.Credential) *smilesig.Signer {
	t.Helper()
	s, err := smilesig.NewSigner(current, accepted...)
	require.NoError(t, err)
	return s
}

// newVerifier accepts testCredential's pairs at testTime.
func newVerifier(t testing.TB) *smilesig.Verifier {
	t.Helper()
	return &smilesig.Verifier{Signer: newSigner(t, testCredential), Now: at(testTime)}
}

// signedBody is a callback's body with a pair of testCredential made at testTime.
func signedBody(t testing.TB, members string) string {
	t.Helper()
	return pairBody(newSigner(t, testCredential).Sign(testTime), members)
}

// pairBody is a callback's body with any pair; members start with a comma.
func pairBody(pair smilesig.Pair, members string) string {
	return fmt.Sprintf(`{"signature":%q,"timestamp":%q%s}`, pair.Signature, pair.Timestamp, members)
}

func decode(t testing.TB, body []byte) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(body, &members))
	return members
}

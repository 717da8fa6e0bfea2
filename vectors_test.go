package smilesig_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// A vector is a signature that official SDKs made.
type vector struct {
	PartnerID   string   `json:"partner_id"`
	APIKey      string   `json:"api_key"`
	Timestamp   string   `json:"timestamp"`
	Signature   string   `json:"signature"`
	ConfirmedBy []string `json:"confirmed_by"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/sdk_vectors.json")
	require.NoError(t, err)
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	return file.Vectors
}

func (v vector) signer(t testing.TB) *smilesig.Signer {
	t.Helper()
	s, err := smilesig.NewSigner(smilesig.Credential{PartnerID: v.PartnerID, APIKey: v.APIKey})
	require.NoError(t, err)
	return s
}

func TestVectorsOfTheOfficialSDKs(t *testing.T) {
	for _, v := range readVectors(t) {
		signer := v.signer(t)
		pair, err := signer.SignTimestamp(v.Timestamp)
		require.NoError(t, err, v.Timestamp)
		assert.Equal(t, smilesig.Pair{Timestamp: v.Timestamp, Signature: v.Signature}, pair)
		assert.True(t, signer.Confirm(v.Timestamp, v.Signature), v.Timestamp)
	}
}

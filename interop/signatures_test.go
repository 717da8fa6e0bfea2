package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// Made up, each odd in its own way.
var credentials = []smilesig.Credential{
	{PartnerID: "085", APIKey: "made-up-key"},
	{PartnerID: "85", APIKey: "made-up-key"},
	{PartnerID: "2343", APIKey: "bWFkZS11cC1rZXk="}, // looks like base64
	{PartnerID: "000", APIKey: "schlüssel-鍵-🔑"},
	{PartnerID: "7", APIKey: strings.Repeat("longer than a block of SHA-256 ", 4)[:99]},
}

type signaturesInput struct {
	PartnerID string          `json:"partner_id"`
	APIKey    string          `json:"api_key"`
	Generate  []any           `json:"generate"`
	Confirm   []smilesig.Pair `json:"confirm"`
}

type signaturesOutput struct {
	Generated []json.RawMessage
	Confirmed []bool
}

func sdkSignatures(t *testing.T, c smilesig.Credential, generate []any, confirm []smilesig.Pair) (out signaturesOutput) {
	t.Helper()
	in := signaturesInput{PartnerID: c.PartnerID, APIKey: c.APIKey, Generate: generate, Confirm: confirm}
	if in.Generate == nil {
		in.Generate = []any{}
	}
	if in.Confirm == nil {
		in.Confirm = []smilesig.Pair{}
	}
	runNode(t, "signatures.js", in, &out)
	require.Len(t, out.Generated, len(generate))
	require.Len(t, out.Confirmed, len(confirm))
	return out
}

func TestTheSDKConfirmsWhatSignMakes(t *testing.T) {
	t.Parallel()
	for i, c := range credentials {
		signer := newSigner(t, c)
		other := newSigner(t, credentials[(i+1)%len(credentials)])
		var pairs []smilesig.Pair
		var want []bool
		start := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
		for n := range 50 {
			at := start.Add(time.Duration(n) * 7_777_777_777 * time.Microsecond)
			pairs = append(pairs, signer.Sign(at), other.Sign(at))
			want = append(want, true, false)
		}
		assert.Equal(t, want, sdkSignatures(t, c, nil, pairs).Confirmed, c.PartnerID)
	}
}

func TestTheSDKConfirmsWhatInjectMakes(t *testing.T) {
	t.Parallel()
	bodies := []string{
		`{}`,
		` { "ResultCode" : "1012", "n": 9007199254740993 } `,
		`{"signature":"old","ResultCode":"1012","timestamp":1704164645678}`,
		`{"a":{"signature":"nested","timestamp":"nested"},"\u0073ignature":null,"b":"\ud83d\ude00"}`,
	}
	for _, c := range credentials {
		var pairs []smilesig.Pair
		for _, body := range bodies {
			injected, err := newSigner(t, c).Inject([]byte(body), time.Now())
			require.NoError(t, err)
			var pair smilesig.Pair
			require.NoError(t, json.Unmarshal(injected, &pair))
			pairs = append(pairs, pair)
		}
		assert.Equal(t, []bool{true, true, true, true}, sdkSignatures(t, c, nil, pairs).Confirmed, c.PartnerID)
	}
}

func TestWeAcceptWhatTheSDKMakes(t *testing.T) {
	t.Parallel()
	timestamps := []any{
		nil, // now, in the SDK's own layout
		"2024-01-02T03:04:05.678Z",
		"2024-01-02T03:04:05Z",
		"2024-01-02T03:04:05.678901+00:00",
		"2024-01-02T03:04:05+01:00",
		"2021-08-12T17:57:00.614879",
		"2024-01-02 03:04:05 +0000",
	}
	for i, c := range credentials {
		signer, other := newSigner(t, c), newSigner(t, credentials[(i+1)%len(credentials)])
		for _, made := range sdkSignatures(t, c, timestamps, nil).Generated {
			var pair smilesig.Pair
			require.NoError(t, json.Unmarshal(made, &pair))
			assert.True(t, signer.Confirm(pair.Timestamp, pair.Signature), pair.Timestamp)
			assert.False(t, other.Confirm(pair.Timestamp, pair.Signature), pair.Timestamp)

			signedFor, err := smilesig.ParseTimestamp(pair.Timestamp)
			require.NoError(t, err, pair.Timestamp)
			verifier := &smilesig.Verifier{Signer: signer, Now: func() time.Time { return signedFor }}
			cb, err := verifier.Verify(context.Background(), "/callbacks", nil, made)
			require.NoError(t, err, pair.Timestamp)
			assert.Equal(t, c.PartnerID, cb.PartnerID)
		}
	}
}

// A timestamp that is a number is the one thing that the SDK makes and we do not
// take: it signs a text that it does not send.
func TestTheSDKSignsATextThatItDoesNotSendForANumber(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1704164645678)
	signer := newSigner(t, credentials[0])
	made := sdkSignatures(t, credentials[0], []any{at.UnixMilli()}, nil).Generated[0]
	assert.JSONEq(t, fmt.Sprintf(`{"timestamp":1704164645678,"signature":%q}`, signer.Sign(at).Signature), string(made))

	_, err := (&smilesig.Verifier{Signer: signer}).Verify(context.Background(), "/callbacks", nil, made)
	require.ErrorIs(t, err, smilesig.ErrMalformed)
}

func newSigner(t *testing.T, c smilesig.Credential) *smilesig.Signer {
	t.Helper()
	signer, err := smilesig.NewSigner(c)
	require.NoError(t, err)
	return signer
}

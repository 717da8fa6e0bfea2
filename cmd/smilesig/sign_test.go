package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

const someTimestamp = "2024-01-02T03:04:05.678Z"

func TestSign(t *testing.T) {
	t.Parallel()
	pair, err := newSigner(t, ours).SignTimestamp(someTimestamp)
	require.NoError(t, err)
	want := "timestamp: " + someTimestamp + "\nsignature: " + pair.Signature + "\n"
	withKeyFile := func(content string, args ...string) call {
		return smilesigCommand(append([]string{"sign", "-timestamp", someTimestamp, "-key-file", file(t, content)}, args...)...).with("SMILE_API_KEY", "")
	}
	for name, c := range map[string]call{
		"key from the environment":           smilesigCommand("sign", "-timestamp", someTimestamp),
		"key from a file":                    withKeyFile(ours.APIKey),
		"key from a file with a line break":  withKeyFile(ours.APIKey + "\n"),
		"key from a file made on Windows":    withKeyFile(ours.APIKey + "\r\n"),
		"key from stdin":                     smilesigCommand("sign", "-timestamp", someTimestamp, "-key-file", "-").reading(ours.APIKey + "\n"),
		"partner ID from a flag":             withKeyFile(ours.APIKey, "-partner", ours.PartnerID).with("SMILE_PARTNER_ID", ""),
		"flag and file before the variables": withKeyFile(ours.APIKey, "-partner", ours.PartnerID).as(theirs),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, c.output(t))
		})
	}
}

func TestSignKeepsTheTimestampAsItStands(t *testing.T) {
	t.Parallel()
	const timestamp = "2024-01-02 03:04:05 +0000"
	var pair smilesig.Pair
	require.NoError(t, json.Unmarshal([]byte(smilesigCommand("sign", "-json", "-timestamp", timestamp).output(t)), &pair))
	assert.Equal(t, timestamp, pair.Timestamp)
	assert.True(t, newSigner(t, ours).Confirm(pair.Timestamp, pair.Signature))
}

func TestSignSignsForNow(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Millisecond)
	var pair smilesig.Pair
	require.NoError(t, json.Unmarshal([]byte(smilesigCommand("sign", "-json").output(t)), &pair))
	at, err := smilesig.ParseTimestamp(pair.Timestamp)
	require.NoError(t, err)
	assert.False(t, at.Before(before) || at.After(time.Now()), pair.Timestamp)
}

func TestSignInjects(t *testing.T) {
	t.Parallel()
	const body = "{ \"signature\": 1, \"n\": 9007199254740993 }\n"
	at, err := smilesig.ParseTimestamp(someTimestamp)
	require.NoError(t, err)
	want, err := newSigner(t, ours).Inject([]byte(body), at)
	require.NoError(t, err)
	assert.Equal(t, string(want), smilesigCommand("sign", "-inject", "-timestamp", someTimestamp).reading(body).output(t))
	smilesigCommand("verify").reading(smilesigCommand("sign", "-inject").reading(body).output(t)).output(t)
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[]`:                  "malformed: not a JSON object",
		`{"secret":`:          "truncated",
		`{"partner_id":"85"}`: "another partner's body",
	} {
		code, stdout, stderr := smilesigCommand("sign", "-inject").reading(body).run(t)
		assert.Equal(t, exitRefused, code, body)
		assert.Empty(t, stdout, body)
		assert.Contains(t, stderr, want)
		assert.NotContains(t, stderr, "secret")
	}
}

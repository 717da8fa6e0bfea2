package smilesig_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func TestParseTimestampReadsWhatTheSDKsWrite(t *testing.T) {
	second := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"2024-01-02T03:04:05.678Z", second.Add(678 * time.Millisecond)},
		{"2024-01-02T03:04:05.678901+00:00", second.Add(678901 * time.Microsecond)},
		{"2024-01-02T03:04:05+00:00", second},
		{"2024-01-02T03:04:05.614879", second.Add(614879 * time.Microsecond)},
		{"2024-01-02T03:04:05", second},
		{"2024-01-02T03:04:05Z", second},
		{"2024-01-02T03:04:05.6Z", second.Add(600 * time.Millisecond)},
		{"2024-01-02T03:04:05.457385640Z", second.Add(457385640)},
		{"2024-01-02T03:04:05.000000001Z", second.Add(1)},
		{"2024-01-02T03:04:05+0000", second},
		{"2024-01-02T04:04:05+01:00", second},
		{"2024-01-01T21:34:05.5-0530", second.Add(500 * time.Millisecond)},
		{"2024-01-03T03:03:05+23:59", second},
		{"2024-01-02 03:04:05 +0000", second},
		{"2024-01-02 03:04:05 UTC", second},
		{"2024-01-02 02:04:05 -0100", second},
		{"1704164645", second},
		{"1704164645678", second.Add(678 * time.Millisecond)},
		{"2024-02-29T00:00:00Z", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"2024-01-02T04:04:05.123456789+01:00", second.Add(123456789)}, // none is longer
		{"9999-12-31T23:59:59.999999999Z", time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
	} {
		got, err := smilesig.ParseTimestamp(tt.text)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got, tt.text)
	}
}

// More texts stand in vectors/negative.json, where a key has signed them.
func TestParseTimestampRefusesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"", "yesterday", "170416464", "17041646456", "170416464567", "17041646456789",
		"0x18cc8b5b", "-704164645", "+704164645", "170416464.", "1_04164645", "170416464567.", "+704164645678",
		"03:04:05Z", "2024-01-02T03:04", "2024-01-02T3:04:05.6Z", "-024-01-02T03:04:05Z", "2024-00-01T00:00:00Z",
		"2024-01-02T03:04:05z", "2024-01-02t03:04:05Z", "2024-01-02T03:04:05Z ", "2024-01-02T03:04:05 UTC", "2024-01-02T03:04:05 +0000",
		"2024-01-02T03:04:05.", "2024-01-02T03:04:05.1234567890Z", "2024-01-02T03:04:05.67 Z",
		"2024-01-02T03:04:05+24:00", "2024-01-02T03:04:05+00:60", "2024-01-02T03:04:05+0:00", "2024-01-02T03:04:05+00:0",
		"2024-01-02T03:04:05+000:0", "2024-01-02T03:04:05+00000", "2024-01-02T03:04:05*00:00",
		"2024-01-02T03:04:05.123456789+00:000", "dddd-dd-ddTdd:dd:ddZ",
		"2024-01-02 03:04:05Z", "2024-01-02 03:04:05 ", "2024-01-02 03:04:05 +00:00", "2024-01-02 03:04:05  UTC", "2024-01-02 03:04:05 utc",
	} {
		got, err := smilesig.ParseTimestamp(text)
		assert.ErrorIs(t, err, smilesig.ErrMalformed, text)
		assert.Zero(t, got, text)
		assert.False(t, text != "" && strings.Contains(err.Error(), text), "quotes %s", text)
	}
}

func TestParseTimestampReadsWhatSignWrites(t *testing.T) {
	for _, ns := range []int{0, 1_000_000, 670_000_000, 999_000_000} {
		want := time.Date(2026, 11, 22, 23, 59, 59, ns, time.UTC)
		got, err := smilesig.ParseTimestamp(newSigner(t, testCredential).Sign(want).Timestamp)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

package smilesig_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func TestParseTimestampReadsWhatTheSDKsWrite(t *testing.T) {
	second := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
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
		{"9999-12-31T23:59:59.999999999Z", time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
	}
	for _, tt := range tests {
		got, err := smilesig.ParseTimestamp(tt.text)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got, tt.text)
	}
}

// badTimestamps are texts of no official SDK; time.Parse takes some of them.
var badTimestamps = []string{
	"", " ", "now", "0", "1e12", "0x18cc8b5b", "170416464", "17041646456", "170416464567", "17041646456789",
	"-704164645", "+704164645", "170416464.", "1_04164645", "１７０４１６４６４５",
	"2024-01-02", "2024-01-02T03:04", "2024-01-02T03:04Z", "03:04:05Z",
	"2024-01-02T03:04:05,678Z", "2024-01-02T3:04:05Z", "2024-01-02T3:04:05.6Z", "2024-1-02T03:04:05Z",
	"2024-01-02T03:04:05.Z", "2024-01-02T03:04:05.", "2024-01-02T03:04:05.1234567890Z", "2024-01-02T03:04:05.67 Z",
	"2024-01-02T03:04:05+24:00", "2024-01-02T03:04:05+00:60", "2024-01-02T03:04:05+00", "2024-01-02T03:04:05+0:00",
	"2024-01-02T03:04:05+00:0", "2024-01-02T03:04:05+000:0", "2024-01-02T03:04:05+00000", "2024-01-02T03:04:05*00:00",
	"2024-01-02T03:04:05z", "2024-01-02t03:04:05Z", "2024-01-02T03:04:05ZZ", "2024-01-02T03:04:05 UTC", "2024-01-02T03:04:05 +0000",
	"2023-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z",
	"2024-01-02T24:00:00Z", "2024-01-02T03:60:05Z", "2024-01-02T03:04:60Z",
	"10000-01-02T03:04:05Z", "+2024-01-02T03:04:05Z", "-024-01-02T03:04:05Z",
	"2024-01-02 03:04:05", "2024-01-02 03:04:05Z", "2024-01-02 03:04:05.678 UTC", "2024-01-02 03:04:05 +00:00",
	"2024-01-02 03:04:05  UTC", "2024-01-02 03:04:05 utc", "2024-01-02 03:04:05 ", "2024-01-02 03:04:05 GMT",
	" 2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z ", "2024-01-02T03:04:05Z\n", "2024-01-02T03:04:05\x00",
	"2024/01/02T03:04:05Z", "Tue, 02 Jan 2024 03:04:05 GMT", "2024-01-02T０3:04:05Z",
}

func TestParseTimestampRefusesEverythingElse(t *testing.T) {
	for _, text := range badTimestamps {
		got, err := smilesig.ParseTimestamp(text)
		assert.ErrorIs(t, err, smilesig.ErrMalformed, text)
		assert.True(t, got.IsZero(), text)
		if text != "" && text != " " && text != "0" && err != nil {
			assert.NotContains(t, err.Error(), text)
		}
	}
}

func TestParseTimestampReadsWhatSignWrites(t *testing.T) {
	signer := newSigner(t, testCredential)
	for _, ns := range []int{0, 1_000_000, 670_000_000, 999_000_000} {
		want := time.Date(2026, 11, 22, 23, 59, 59, ns, time.UTC)
		got, err := smilesig.ParseTimestamp(signer.Sign(want).Timestamp)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

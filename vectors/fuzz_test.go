package vectors_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// FuzzVerify holds Verify against the second implementation. In its inputs $S
// stands for the genuine signature of $T.
func FuzzVerify(f *testing.F) {
	_, cases := readNegative()
	for _, c := range cases {
		signature, timestamp := firstText(c.headerValues(signatureHeader)), firstText(c.headerValues(timestampHeader))
		signed := cmp.Or(timestamp, c.bodyTimestamp(), genuineTime)
		template := strings.NewReplacer(sign(ours, signed), "$S", signed, "$T")
		if body := c.body(); len(body) < 10_000 {
			f.Add(signed, template.Replace(signature), template.Replace(timestamp), []byte(template.Replace(string(body))))
		}
	}
	base := row("", "", "", delivery{})
	v := base.verifier()
	v.Guard = smilesig.NoGuard
	f.Fuzz(func(t *testing.T, signed, signature, timestamp string, body []byte) {
		fill := strings.NewReplacer("$S", sign(ours, signed), "$T", signed)
		c := base
		c.BodyBase64 = []byte(fill.Replace(string(body)))
		if signature != "" {
			c.Headers = append(c.Headers, [2]string{signatureHeader, fill.Replace(signature)})
		}
		if timestamp != "" {
			c.Headers = append(c.Headers, [2]string{timestampHeader, fill.Replace(timestamp)})
		}
		cb, err := v.Verify(t.Context(), "/callbacks", c.header(), c.body())
		require.Equal(t, c.decide(), cmp.Or(smilesig.Reason(err), "accepted"), "%v", err)
		if err != nil {
			require.Zero(t, cb)
			require.NotContains(t, err.Error(), sign(ours, signed))
		}
	})
}

func (c negativeCase) bodyTimestamp() string {
	timestamps, _ := topLevel(c.body(), "timestamp")
	return firstText(timestamps)
}

func firstText(values []any) string {
	if len(values) == 0 {
		return ""
	}
	text, _ := values[0].(string)
	return text
}

// FuzzParseTimestamp holds ParseTimestamp against regular expressions and
// time.Parse.
func FuzzParseTimestamp(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Timestamp)
	}
	_, cases := readNegative()
	for _, c := range cases {
		f.Add(c.bodyTimestamp())
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := smilesig.ParseTimestamp(text)
		want, wantErr := parseTimestamp(text)
		require.Equal(t, wantErr == nil, err == nil, text)
		if err != nil {
			assert.ErrorIs(t, err, smilesig.ErrMalformed)
			assert.Zero(t, got)
			return
		}
		assert.True(t, want.Equal(got), "%s: %v, want %v", text, got, want)
		assert.Equal(t, time.UTC, got.Location())
	})
}

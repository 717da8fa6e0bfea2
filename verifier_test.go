package smilesig_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func headerPair(pair smilesig.Pair) http.Header {
	return http.Header{
		"Response-Signature": {pair.Signature},
		"Response-Timestamp": {pair.Timestamp},
	}
}

func TestVerifyRefuses(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)
	genuine := pairBody(pair, "")
	forged := smilesig.Pair{Timestamp: pair.Timestamp, Signature: strings.Repeat("A", 43) + "="}
	confirmedButOdd := smilesig.Pair{Timestamp: "yesterday", Signature: sdkSignature(testCredential, "yesterday")}
	escaped := strings.ReplaceAll(pair.Signature, "=", `\u003d`)

	header := func(nameValues ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(nameValues); i += 2 {
			h[nameValues[i]] = append(h[nameValues[i]], nameValues[i+1])
		}
		return h
	}
	const sig, ts = "Response-Signature", "Response-Timestamp"
	tests := []struct {
		name   string
		header http.Header
		body   string
		want   error // nil is accepted
	}{
		{"genuine body", nil, genuine, nil},
		{"escaped signature", nil, `{"signature":"` + escaped + `","timestamp":"` + pair.Timestamp + `"}`, nil},
		{"escaped keys", nil, `{"\u0073ignature":"` + pair.Signature + `","timestam\u0070":"` + pair.Timestamp + `"}`, nil},
		{"forged body pair", nil, pairBody(forged, ""), smilesig.ErrSignature},
		{"no pair", nil, `{"a":1}`, smilesig.ErrMissing},
		{"empty object", nil, `{}`, smilesig.ErrMissing},
		{"no signature", nil, `{"timestamp":"` + pair.Timestamp + `"}`, smilesig.ErrMissing},
		{"no timestamp", nil, `{"signature":"` + pair.Signature + `"}`, smilesig.ErrMissing},
		{"nested pair", nil, `{"a":` + genuine + `}`, smilesig.ErrMissing},
		{"capitalised", nil, strings.Replace(genuine, `"signature"`, `"Signature"`, 1), smilesig.ErrMissing},
		{"capitalised beside a forged one", nil, pairBody(forged, `,"Signature":"`+pair.Signature+`"`), smilesig.ErrSignature},
		{"signature null", nil, `{"signature":null,"timestamp":"` + pair.Timestamp + `"}`, smilesig.ErrMalformed},
		{"signature a number", nil, `{"signature":1,"timestamp":"` + pair.Timestamp + `"}`, smilesig.ErrMalformed},
		{"signature a bool", nil, `{"signature":true,"timestamp":"` + pair.Timestamp + `"}`, smilesig.ErrMalformed},
		{"signature an object", nil, `{"signature":{},"timestamp":"` + pair.Timestamp + `"}`, smilesig.ErrMalformed},
		{"timestamp a number", nil, `{"signature":"` + pair.Signature + `","timestamp":1704164645678}`, smilesig.ErrMalformed},
		{"signature twice, the same", nil, pairBody(pair, `,"signature":"`+pair.Signature+`"`), smilesig.ErrMalformed},
		{"signature twice, once escaped", nil, pairBody(pair, `,"s\u0069gnature":"x"`), smilesig.ErrMalformed},
		{"timestamp twice", nil, pairBody(pair, `,"timestamp":null`), smilesig.ErrMalformed},
		{"timestamp empty", nil, pairBody(smilesig.Pair{Signature: sdkSignature(testCredential, "")}, ""), smilesig.ErrSignature},
		{"confirmed but no timestamp", nil, pairBody(confirmedButOdd, ""), smilesig.ErrStale},
		{"empty body", nil, "", smilesig.ErrMalformed},
		{"array", nil, "[" + genuine + "]", smilesig.ErrMalformed},
		{"trailing data", nil, genuine + "{}", smilesig.ErrMalformed},
		{"invalid UTF-8", nil, pairBody(pair, ",\"a\":\"\xff\""), smilesig.ErrMalformed},

		{"genuine headers", header(sig, pair.Signature, ts, pair.Timestamp), "", nil},
		{"lower-case headers", header("response-signature", pair.Signature, "RESPONSE-TIMESTAMP", pair.Timestamp), "", nil},
		{"headers right, body wrong", header(sig, pair.Signature, ts, pair.Timestamp), pairBody(forged, ""), nil},
		{"headers wrong, body right", header(sig, forged.Signature, ts, pair.Timestamp), genuine, smilesig.ErrSignature},
		{"signature header only, body right", header(sig, pair.Signature), genuine, smilesig.ErrMissing},
		{"timestamp header only, body right", header("response-timestamp", pair.Timestamp), genuine, smilesig.ErrMissing},
		{"empty header, body right", header(sig, "", ts, ""), genuine, smilesig.ErrSignature},
		{"signature header twice", header(sig, pair.Signature, sig, pair.Signature, ts, pair.Timestamp), genuine, smilesig.ErrMalformed},
		{"signature header in two cases", header(sig, pair.Signature, "response-signature", pair.Signature, ts, pair.Timestamp), "", smilesig.ErrMalformed},
		{"timestamp header twice", header(sig, pair.Signature, ts, pair.Timestamp, ts, pair.Timestamp), "", smilesig.ErrMalformed},

		{"identity encoding", header("Content-Encoding", "identity"), genuine, nil},
		{"gzip", header("Content-Encoding", "gzip"), genuine, smilesig.ErrEncoded},
		{"gzip in lower case", header("content-encoding", "gzip"), genuine, smilesig.ErrEncoded},
		{"identity, then gzip", header("Content-Encoding", "identity", "Content-Encoding", "gzip"), genuine, smilesig.ErrEncoded},
		{"exactly MaxBytes", nil, genuine + strings.Repeat(" ", 1000-len(genuine)), nil},
		{"one byte more", nil, genuine + strings.Repeat(" ", 1001-len(genuine)), smilesig.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t)
			v.MaxBytes = 1000
			cb, err := v.Verify(t.Context(), tt.header, []byte(tt.body))
			if tt.want == nil {
				require.NoError(t, err)
				assert.Equal(t, "085", cb.PartnerID)
				return
			}
			require.ErrorIs(t, err, tt.want)
			assert.Zero(t, cb)
			assertNoSecrets(t, err.Error(), pair)
		})
	}
}

func assertNoSecrets(t *testing.T, text string, pair smilesig.Pair) {
	t.Helper()
	assert.NotContains(t, text, testCredential.APIKey)
	assert.NotContains(t, text, pair.Signature)
	assert.NotContains(t, text, sdkSignature(testCredential, pair.Timestamp))
}

func TestVerifyRefusesEveryOtherPair(t *testing.T) {
	v := newVerifier(t)
	pair := v.Signer.Sign(testTime)
	refused := func(name string, p smilesig.Pair) {
		_, err := v.Verify(t.Context(), headerPair(p), nil)
		assert.Equal(t, 401, smilesig.StatusCode(err), name)
		_, err = v.Verify(t.Context(), nil, fmt.Appendf(nil, `{"timestamp":%q,"signature":%q}`, p.Timestamp, p.Signature))
		if !errors.Is(err, smilesig.ErrMalformed) { // %q writes \x00, which JSON has not
			assert.Equal(t, 401, smilesig.StatusCode(err), name)
		}
	}
	for name, signature := range corruptions(pair.Signature) {
		refused(name, smilesig.Pair{Timestamp: pair.Timestamp, Signature: signature})
	}
	for i := range len(pair.Timestamp) {
		changed := []byte(pair.Timestamp)
		changed[i] ^= 1
		refused(fmt.Sprintf("timestamp character %d", i), smilesig.Pair{Timestamp: string(changed), Signature: pair.Signature})
	}
}

func TestVerifyRefusesConfirmedTextsThatAreNoTimestamps(t *testing.T) {
	v := newVerifier(t)
	for _, text := range badTimestamps {
		_, err := v.Verify(t.Context(), headerPair(smilesig.Pair{Timestamp: text, Signature: sdkSignature(testCredential, text)}), nil)
		assert.Equal(t, 401, smilesig.StatusCode(err), text)
		assert.NotErrorIs(t, err, smilesig.ErrMalformed, text)
	}
}

func TestVerifyChecksTheAge(t *testing.T) {
	body := []byte(signedBody(t, ""))
	tests := []struct {
		name    string
		verify  smilesig.Verifier
		age     time.Duration
		want    error
		wantAge smilesig.AgeError
	}{
		{"just signed", smilesig.Verifier{}, 0, nil, smilesig.AgeError{}},
		{"as old as MaxAge", smilesig.Verifier{}, 15 * time.Minute, nil, smilesig.AgeError{}},
		{"1 ms older", smilesig.Verifier{}, 15*time.Minute + time.Millisecond, smilesig.ErrStale,
			smilesig.AgeError{Age: 15*time.Minute + time.Millisecond, Limit: 15 * time.Minute}},
		{"MaxSkew ahead", smilesig.Verifier{}, -time.Minute, nil, smilesig.AgeError{}},
		{"1 ms further", smilesig.Verifier{}, -time.Minute - time.Millisecond, smilesig.ErrFuture,
			smilesig.AgeError{Age: -time.Minute - time.Millisecond, Limit: time.Minute}},
		{"own MaxAge", smilesig.Verifier{MaxAge: time.Hour}, time.Hour, nil, smilesig.AgeError{}},
		{"beyond own MaxAge", smilesig.Verifier{MaxAge: time.Second}, 2 * time.Second, smilesig.ErrStale,
			smilesig.AgeError{Age: 2 * time.Second, Limit: time.Second}},
		{"beyond own MaxSkew", smilesig.Verifier{MaxSkew: time.Second}, -2 * time.Second, smilesig.ErrFuture,
			smilesig.AgeError{Age: -2 * time.Second, Limit: time.Second}},
		{"endless MaxAge", smilesig.Verifier{MaxAge: math.MaxInt64, MaxSkew: math.MaxInt64}, 200 * 365 * 24 * time.Hour, nil, smilesig.AgeError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &tt.verify
			v.Signer, v.Now = newSigner(t, testCredential), at(testTime.Add(tt.age))
			_, err := v.Verify(t.Context(), nil, body)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.want)
			var ageError *smilesig.AgeError
			require.ErrorAs(t, err, &ageError)
			assert.Equal(t, tt.wantAge, *ageError)
		})
	}
	assert.ErrorIs(t, &smilesig.AgeError{}, smilesig.ErrStale, "no age is not the future")
	assert.EqualError(t, &smilesig.AgeError{}, "smilesig: stale: 0s old, limit 0s")
	assert.EqualError(t, &smilesig.AgeError{Age: 16 * time.Minute, Limit: 15 * time.Minute}, "smilesig: stale: 16m0s old, limit 15m0s")
	assert.EqualError(t, &smilesig.AgeError{Age: -2 * time.Minute, Limit: time.Minute}, "smilesig: timestamp in the future: 2m0s ahead, limit 1m0s")
}

func TestVerifyRefusesTimesBeyondWhatADurationHolds(t *testing.T) {
	for text, want := range map[string]error{
		"9999-12-31T23:59:59Z": smilesig.ErrFuture,
		"0000-01-01T00:00:00Z": smilesig.ErrStale,
	} {
		pair := smilesig.Pair{Timestamp: text, Signature: sdkSignature(testCredential, text)}
		_, err := newVerifier(t).Verify(t.Context(), headerPair(pair), nil)
		assert.ErrorIs(t, err, want)
		assert.NotEmpty(t, err.Error())
	}
}

func TestAFaultyVerifierRejectsEverything(t *testing.T) {
	signer := newSigner(t, testCredential)
	ahead := signer.Sign(testTime.Add(30 * time.Second))
	for name, v := range map[string]*smilesig.Verifier{
		"zero":              {},
		"zero Signer":       {Signer: new(smilesig.Signer)},
		"negative MaxAge":   {Signer: signer, MaxAge: -1},
		"negative MaxSkew":  {Signer: signer, MaxSkew: -1},
		"negative MaxBytes": {Signer: signer, MaxBytes: -1},
	} {
		v.Now = at(testTime)
		for _, header := range []http.Header{nil, headerPair(ahead), {"Content-Encoding": {"gzip"}}} {
			_, err := v.Verify(t.Context(), header, []byte(pairBody(ahead, "")))
			require.Error(t, err, name)
			assert.True(t, strings.HasPrefix(err.Error(), "smilesig: faulty Verifier: "), err)
			assert.Equal(t, 500, smilesig.StatusCode(err), name)
		}
	}
}

func TestVerifyReadsHostileBodies(t *testing.T) {
	v := newVerifier(t)
	var keys strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&keys, `,"%d":0`, i)
	}
	for name, members := range map[string]string{
		"200,000 keys":         keys.String(),
		"a string of 1.5 MB":   `,"a":"` + strings.Repeat("a", 1_500_000) + `"`,
		"1 MB of backslashes":  `,"a":"` + strings.Repeat(`\\`, 500_000) + `"`,
		"9,999 brackets":       `,"a":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999),
		"100,000 partner keys": strings.Repeat(`,"partner_id":1`, 100_000),
	} {
		_, err := v.Verify(t.Context(), nil, []byte(signedBody(t, members)))
		assert.NoError(t, err, name)
	}
	for _, members := range []string{`,"a":` + strings.Repeat("[", 100_000), `,"a":` + strings.Repeat(`{"a":`, 100_000)} {
		_, err := v.Verify(t.Context(), nil, []byte(signedBody(t, members)))
		assert.ErrorIs(t, err, smilesig.ErrMalformed)
		assert.ErrorContains(t, err, "nested deeper than 10,000")
	}
}

func TestVerifyUsesTheRealClockByDefault(t *testing.T) {
	signer := newSigner(t, testCredential)
	v := &smilesig.Verifier{Signer: signer}
	_, err := v.Verify(t.Context(), headerPair(signer.Sign(time.Now())), nil)
	assert.NoError(t, err)
	_, err = v.Verify(t.Context(), headerPair(signer.Sign(time.Now().Add(-16*time.Minute))), nil)
	assert.ErrorIs(t, err, smilesig.ErrStale)
}

func TestVerifyWithOldAndNewKey(t *testing.T) {
	v := newVerifier(t)
	require.NoError(t, v.Signer.Rotate(otherCredential, testCredential))
	for _, c := range []smilesig.Credential{testCredential, otherCredential} {
		cb, err := v.Verify(t.Context(), headerPair(newSigner(t, c).Sign(testTime)), nil)
		require.NoError(t, err)
		assert.Equal(t, c.PartnerID, cb.PartnerID)
	}
	require.NoError(t, v.Signer.Rotate(otherCredential))
	_, err := v.Verify(t.Context(), headerPair(newSigner(t, testCredential).Sign(testTime)), nil)
	assert.ErrorIs(t, err, smilesig.ErrSignature)
}

func TestStatusCode(t *testing.T) {
	for err, want := range map[error]int{
		nil:                    200,
		smilesig.ErrMalformed:  400,
		smilesig.ErrMissing:    401,
		smilesig.ErrSignature:  401,
		smilesig.ErrStale:      401,
		smilesig.ErrFuture:     401,
		smilesig.ErrTooLarge:   413,
		smilesig.ErrEncoded:    415,
		smilesig.ErrReplayed:   503,
		smilesig.ErrGuard:      503,
		smilesig.ErrOrigin:     500,
		context.Canceled:       500,
		&smilesig.AgeError{}:   401,
		io.ErrUnexpectedEOF:    500,
		errors.New("whatever"): 500,
	} {
		assert.Equal(t, want, smilesig.StatusCode(err), "%v", err)
		if err != nil {
			assert.Equal(t, want, smilesig.StatusCode(fmt.Errorf("wrapped: %w", err)), "%v", err)
		}
	}
}

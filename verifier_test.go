package smilesig_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// What Verify must refuse and accept stands in vectors/negative.json.

func TestVerifyDescribesTheCallback(t *testing.T) {
	production := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-one", Label: "production"}
	sandbox := smilesig.Credential{PartnerID: "2343", APIKey: "made-up-key-two", Label: "sandbox"}
	v := newVerifier(t)
	require.NoError(t, v.Signer.Rotate(production, sandbox))
	for _, c := range []smilesig.Credential{production, sandbox} {
		const timestamp = "2024-01-02T04:04:05.678+01:00"
		pair := smilesig.Pair{Timestamp: timestamp, Signature: sdkSignature(c, timestamp)}
		want := smilesig.Callback{PartnerID: c.PartnerID, Label: c.Label, Timestamp: timestamp, Time: testTime, Placement: smilesig.InBody}
		got, err := v.Verify(t.Context(), "/callbacks", nil, []byte(pairBody(pair, "")))
		require.NoError(t, err)
		assert.Equal(t, want, got)

		want.Placement = smilesig.InHeader
		got, err = v.Verify(t.Context(), "/callbacks", headerPair(pair), []byte("{}"))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestVerifySaysHowOldThePairIs(t *testing.T) {
	for _, tt := range []struct {
		name     string
		verifier *smilesig.Verifier
		age      time.Duration
		want     *smilesig.AgeError
	}{
		{"older than 15 minutes", &smilesig.Verifier{}, 15*time.Minute + 1, &smilesig.AgeError{Age: 15*time.Minute + 1, Limit: 15 * time.Minute}},
		{"a minute and more ahead", &smilesig.Verifier{}, -time.Minute - 1, &smilesig.AgeError{Age: -time.Minute - 1, Limit: time.Minute}},
		{"older than MaxAge", &smilesig.Verifier{MaxAge: time.Second}, 2 * time.Second, &smilesig.AgeError{Age: 2 * time.Second, Limit: time.Second}},
		{"further ahead than MaxSkew", &smilesig.Verifier{MaxSkew: time.Second}, -2 * time.Second, &smilesig.AgeError{Age: -2 * time.Second, Limit: time.Second}},
		{"200 years old where anything goes", &smilesig.Verifier{MaxAge: math.MaxInt64, MaxSkew: math.MaxInt64}, 200 * 365 * 24 * time.Hour, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := tt.verifier
			v.Signer, v.Now = newSigner(t, testCredential), at(testTime.Add(tt.age))
			_, err := v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, "")))
			got, _ := errors.AsType[*smilesig.AgeError](err)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.want == nil, err == nil)
		})
	}
}

func TestVerifyRefusesAnEncodingUnderAnyOfItsNames(t *testing.T) {
	v := newVerifier(t)
	header := headerPair(v.Signer.Sign(testTime))
	header["Content-Encoding"], header["content-encoding"] = []string{"identity"}, []string{"gzip"}
	for range 20 { // in any order of the map
		_, err := v.Verify(t.Context(), "/callbacks", header, []byte("{}"))
		assert.ErrorIs(t, err, smilesig.ErrEncoded)
	}
}

func TestVerifyAcceptsTheIdentityEncoding(t *testing.T) {
	v := newVerifier(t)
	header := headerPair(v.Signer.Sign(testTime))
	header["content-encoding"] = []string{"", "Identity"}
	_, err := v.Verify(t.Context(), "/callbacks", header, []byte("{}"))
	assert.NoError(t, err)
}

func TestAnAgeThatSaturatesIsRefused(t *testing.T) {
	v := newVerifier(t)
	v.MaxAge, v.MaxSkew = math.MaxInt64, math.MaxInt64
	for year, want := range map[int]error{1: smilesig.ErrStale, 2025: nil, 9999: smilesig.ErrFuture} {
		_, err := v.Verify(t.Context(), "/callbacks", headerPair(v.Signer.Sign(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))), []byte("{}"))
		assert.ErrorIs(t, err, want, year)
	}
}

func TestVerifyBindsToThePathAndQuery(t *testing.T) {
	for _, tt := range []struct {
		first, second string
		want          error
	}{
		{"/jobs/a", "/jobs/b", smilesig.ErrReplayed},
		{"/jobs/a", "/jobs/a?", smilesig.ErrReplayed},
		{"/jobs/a", "/jobs/a", nil},
		{"/jobs/a?b", "https://partner.example/jobs/a?b", nil},
		{"/", "https://partner.example", nil},
		{"//jobs/a", "/jobs/a", smilesig.ErrReplayed},
		{"/jobs/a", "", smilesig.ErrConfig},
		{"/jobs/a", "jobs/a", smilesig.ErrConfig},
		{"/jobs/a", "partner.example:443", smilesig.ErrConfig},
		{"/jobs/a", "https:///jobs/a", smilesig.ErrConfig},
		{"/jobs/a", "*", smilesig.ErrConfig},
		{"/jobs/a", "https://partner.example/%zz", smilesig.ErrConfig},
	} {
		v := newVerifier(t)
		v.Guard = nil
		_, err := v.Verify(t.Context(), tt.first, nil, []byte(signedBody(t, "")))
		require.NoError(t, err)
		header := http.Header{}
		if tt.want == smilesig.ErrConfig {
			header.Set("Content-Encoding", "gzip") // the wiring counts first
		}
		cb, err := v.Verify(t.Context(), tt.second, header, []byte(signedBody(t, "")))
		assert.ErrorIs(t, err, tt.want, tt.second)
		assert.Equal(t, tt.want == nil, cb.SeenBefore, tt.second)
	}
}

func TestAWorkerThatVerifiesAgainHasSeenTheCallback(t *testing.T) {
	v := newVerifier(t)
	v.Guard = nil
	body := signedBody(t, "")
	var target string
	server := serve(t, v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { target = r.RequestURI })))
	require.Equal(t, 200, post(t, server.URL+"/jobs/a?b", nil, strings.NewReader(body)).StatusCode)
	cb, err := v.Verify(t.Context(), target, nil, []byte(body))
	require.NoError(t, err)
	assert.True(t, cb.SeenBefore)
}

func TestTheErrorSaysWhatTheBodyLooksLike(t *testing.T) {
	v := newVerifier(t)
	for body, want := range map[string]string{
		"":                    "the body is empty",
		"\ufeff{}":            "byte-order mark at offset 0",
		"eyJhIjoxfQ==":        "the body looks like base64; decode it first",
		"ewogICJhIjogMX0=":    "the body looks like base64; decode it first",
		"W10=":                "not a JSON object at offset 0",
		"a=1":                 "not a JSON object at offset 0",
		`{"a":"eyJhIjoxfQ=="`: "truncated at offset 19",
	} {
		for _, header := range []http.Header{nil, headerPair(v.Signer.Sign(testTime))} {
			_, err := v.Verify(t.Context(), "/callbacks", header, []byte(body))
			assert.ErrorIs(t, err, smilesig.ErrMalformed)
			assert.EqualError(t, err, "smilesig: malformed: "+want)
		}
	}
	var rejected error
	v.OnReject = func(_ *http.Request, err error) int { rejected = err; return 0 }
	server := serve(t, v.Handler(new(spyHandler)))
	for _, method := range []string{"GET", "HEAD", "POST"} {
		res, err := http.DefaultClient.Do(newRequest(t, method, server.URL, "", nil))
		require.NoError(t, err)
		res.Body.Close()
		assert.Equal(t, 400, res.StatusCode)
		assert.ErrorContains(t, rejected, `"`+method+`" request is empty`)
	}
}

func TestOnlyTheFirstOfManySignaturesIsUnescaped(t *testing.T) {
	skipUnderRaceDetector(t)
	v := newVerifier(t)
	body := []byte("{" + strings.Repeat(`"signature":"\n",`, 100_000) + `"timestamp":"x"}`)
	allocated := testing.AllocsPerRun(3, func() {
		_, err := v.Verify(t.Context(), "/callbacks", nil, body)
		require.ErrorIs(t, err, smilesig.ErrMalformed)
	})
	assert.Less(t, allocated, 100.0)
}

func TestVerifyUsesTheRealClockByDefault(t *testing.T) {
	signer := newSigner(t, testCredential)
	v := &smilesig.Verifier{Signer: signer}
	_, err := v.Verify(t.Context(), "/callbacks", headerPair(signer.Sign(time.Now())), []byte("{}"))
	assert.NoError(t, err)
	_, err = v.Verify(t.Context(), "/callbacks", headerPair(signer.Sign(time.Now().Add(-16*time.Minute))), []byte("{}"))
	assert.ErrorIs(t, err, smilesig.ErrStale)
}

// ---- an attacker who has the public documentation, and at times a genuine pair ----

func TestAFloodOfHeadersIsRefused(t *testing.T) {
	v := newVerifier(t)
	pair := v.Signer.Sign(testTime)
	cases := http.Header{}
	for i := range 4000 { // every way to write the first twelve letters
		name := []byte("response-signature")
		for bit, at := range []int{0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12} {
			if i>>bit&1 == 1 {
				name[at] -= 'a' - 'A'
			}
		}
		cases[string(name)] = []string{pair.Signature}
	}
	huge := strings.Repeat("A", 1<<20)
	hundred := &smilesig.Verifier{Signer: newSigner(t, testCredential, slices.Repeat([]smilesig.Credential{otherCredential}, 99)...), MaxBytes: 8 << 20}
	_, err := hundred.Verify(t.Context(), "/callbacks", nil, fmt.Appendf(nil, `{"timestamp":%q,"signature":%q}`, strings.Repeat("7", 4<<20), pair.Signature))
	assert.ErrorIs(t, err, smilesig.ErrSignature, "a timestamp of 4 MiB, 100 credentials")
	for name, tt := range map[string]struct {
		header http.Header
		want   error
	}{
		"4,000 ways to write one name": {cases, smilesig.ErrMalformed},
		"10,000 signatures":            {http.Header{"Response-Signature": make([]string, 10_000)}, smilesig.ErrMalformed},
		"a signature of 1 MB":          {headerPair(smilesig.Pair{Timestamp: pair.Timestamp, Signature: huge}), smilesig.ErrSignature},
		"a timestamp of 1 MB":          {headerPair(smilesig.Pair{Timestamp: huge, Signature: pair.Signature}), smilesig.ErrSignature},
	} {
		_, err := v.Verify(t.Context(), "/callbacks", tt.header, []byte("{}"))
		assert.ErrorIs(t, err, tt.want, name)
	}
}

// A guard with room for one pair tells of every pair that an attempt leaves in it:
// the next one is refused with ErrGuard. What is refused with ErrReplayed stands in
// vectors/negative.json.
func TestAGuardIsNotFilledByWhatIsRefused(t *testing.T) {
	v := newVerifier(t)
	v.Guard, v.OnReject = &smilesig.MemoryGuard{Limit: 1}, quiet
	pair := v.Signer.Sign(testTime)
	attempt := func(header http.Header, body string) error {
		_, err := v.Verify(t.Context(), "/callbacks", header, []byte(body))
		return err
	}
	assert.ErrorIs(t, attempt(nil, pairBody(newSigner(t, otherCredential).Sign(testTime), "")), smilesig.ErrSignature)
	assert.ErrorIs(t, attempt(nil, pairBody(v.Signer.Sign(testTime.Add(-time.Hour)), "")), smilesig.ErrStale)
	assert.ErrorIs(t, attempt(headerPair(v.Signer.Sign(testTime.Add(time.Hour))), "{}"), smilesig.ErrFuture)
	assert.ErrorIs(t, attempt(nil, pairBody(v.Signer.Sign(testTime.Add(1)), `,"signature":""`)), smilesig.ErrMalformed)
	assert.ErrorIs(t, attempt(nil, `{"signature":"x","timestamp":1}`), smilesig.ErrMalformed)
	assert.ErrorIs(t, attempt(nil, `{"timestamp":"x"}`), smilesig.ErrMissing)
	assert.ErrorIs(t, attempt(nil, pairBody(smilesig.Pair{Timestamp: "yesterday", Signature: sdkSignature(testCredential, "yesterday")}, "")), smilesig.ErrStale)
	assert.ErrorIs(t, attempt(http.Header{"Response-Signature": {pair.Signature}}, pairBody(pair, "")), smilesig.ErrMissing)
	for _, timestamp := range []string{ // other texts of the same time
		"2024-01-02T03:04:05.678", "2024-01-02T03:04:05.6780Z", "2024-01-02T03:04:05.678+00:00", "2024-01-02T04:04:05.678+0100",
		"2024-01-02T03:04:05.678z", "2024-01-02t03:04:05.678Z", " 2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.678Z\n", "1704164645678",
	} {
		assert.ErrorIs(t, attempt(nil, pairBody(smilesig.Pair{Timestamp: timestamp, Signature: pair.Signature}, "")), smilesig.ErrSignature, timestamp)
	}
	for _, body := range []string{"", "[]", "e30=", "{", "no JSON"} {
		assert.ErrorIs(t, attempt(headerPair(pair), body), smilesig.ErrMalformed)
	}
	assert.ErrorIs(t, attempt(http.Header{"Re\u017fponse-\u017fignature": {pair.Signature}, "Re\u017fponse-Timestamp": {pair.Timestamp}}, "{}"), smilesig.ErrMissing, "a long s is no s")
	w := deliver(v.Handler(new(spyHandler)), strings.NewReader("{"), func(r *http.Request) {
		r.Header, r.ContentLength = headerPair(pair), 1000
		r.Header.Set("Content-Length", "1000")
	})
	assert.Equal(t, 400, w.Code, "cut short")
	assert.NoError(t, attempt(nil, pairBody(pair, "")), "there is room")
	assert.ErrorIs(t, attempt(nil, pairBody(pair, " ")), smilesig.ErrReplayed)
	assert.ErrorIs(t, attempt(headerPair(v.Signer.Sign(testTime.Add(time.Millisecond))), "{}"), smilesig.ErrGuard, "and now there is none")
}

// With one key for 085 and 85, the 0 may belong to the partner or to a timestamp
// without zone: the same signature serves for both, and is one pair to the guard.
func TestAPairRelabelledForAnotherPartnerIsTheSamePair(t *testing.T) {
	signer := newSigner(t, smilesig.Credential{PartnerID: "085", APIKey: "k"}, smilesig.Credential{PartnerID: "85", APIKey: "k"})
	pair, err := signer.SignTimestamp("2024-01-02T03:04:05.678")
	require.NoError(t, err)
	relabelled := smilesig.Pair{Timestamp: pair.Timestamp + "0", Signature: pair.Signature}
	v := &smilesig.Verifier{Signer: signer, Now: at(testTime), Guard: &smilesig.MemoryGuard{Limit: 1}}
	first, err := v.Verify(t.Context(), "/callbacks", headerPair(pair), []byte("{}"))
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), "/callbacks", headerPair(relabelled), []byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, []any{"085", "85", true}, []any{first.PartnerID, second.PartnerID, second.SeenBefore})
	_, err = v.Verify(t.Context(), "/callbacks", headerPair(relabelled), []byte(`{"a":1}`))
	assert.ErrorIs(t, err, smilesig.ErrReplayed)
}

// The package documentation admits it: the pair of a request of ours serves for a
// callback. Unless nobody guards it, for one body.
func TestThePairOfARequestServesForOneCallback(t *testing.T) {
	transport, base := newTransport(t)
	_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	require.NoError(t, err)
	seen := decode(t, []byte(base.bodies[0]))
	stolen := headerPair(smilesig.Pair{Timestamp: seen["timestamp"].(string), Signature: seen["signature"].(string)})
	for _, guard := range []smilesig.ReplayGuard{nil, smilesig.NoGuard} {
		v := newVerifier(t)
		v.Guard = guard
		_, err = v.Verify(t.Context(), "/callbacks", stolen, []byte(`{"ResultCode":"1012"}`))
		assert.NoError(t, err)
		_, err = v.Verify(t.Context(), "/callbacks", stolen, []byte(`{"ResultCode":"1013"}`))
		assert.Equal(t, guard == nil, errors.Is(err, smilesig.ErrReplayed), err)
	}
}

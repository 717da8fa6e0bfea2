package smilesig_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func TestNewSignerNamesEveryFault(t *testing.T) {
	_, err := smilesig.NewSigner(
		smilesig.Credential{PartnerID: "", APIKey: "secret-key\n"},
		smilesig.Credential{PartnerID: "085", APIKey: "secret-key"},
		smilesig.Credential{PartnerID: " 085", APIKey: ""},
	)
	require.Error(t, err)
	assert.Equal(t, strings.Join([]string{
		"smilesig: current credential: the partner ID is empty",
		"smilesig: current credential: white space around the API key",
		"smilesig: accepted[1] credential: white space around the partner ID",
		"smilesig: accepted[1] credential: the API key is empty",
	}, "\n"), err.Error())
}

func TestSignWritesTheTimeInUTCToTheMillisecond(t *testing.T) {
	zone := time.FixedZone("WAT", 3600)
	pair := newSigner(t, testCredential).Sign(time.Date(2024, 1, 2, 4, 4, 5, 670_999_999, zone))
	assert.Equal(t, "2024-01-02T03:04:05.670Z", pair.Timestamp)
	assert.Equal(t, sdkSignature(testCredential, pair.Timestamp), pair.Signature)
}

// sdkSignature is the signature as protocol.md defines it, computed without the
// package.
func sdkSignature(c smilesig.Credential, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APIKey))
	mac.Write([]byte(timestamp + c.PartnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignTimestampKeepsTheTextAndRefusesOthers(t *testing.T) {
	signer := newSigner(t, testCredential)
	for _, text := range []string{"2024-01-02T03:04:05.670+00:00", "2024-01-02 03:04:05 UTC", "1704164645678"} {
		pair, err := signer.SignTimestamp(text)
		require.NoError(t, err)
		assert.Equal(t, smilesig.Pair{Timestamp: text, Signature: sdkSignature(testCredential, text)}, pair)
	}
	_, err := signer.SignTimestamp("yesterday")
	assert.ErrorIs(t, err, smilesig.ErrMalformed)
}

func TestASignerWithoutCredential(t *testing.T) {
	pair := newSigner(t, testCredential).Sign(testTime)
	for name, s := range map[string]*smilesig.Signer{"nil": nil, "zero": new(smilesig.Signer)} {
		t.Run(name, func(t *testing.T) {
			assert.False(t, s.Confirm(pair.Timestamp, pair.Signature))
			assert.Empty(t, s.PartnerID())
			assert.Panics(t, func() { s.Sign(testTime) })
			_, err := s.SignTimestamp(pair.Timestamp)
			assert.ErrorContains(t, err, "no credential")
			_, err = s.Inject([]byte("{}"), testTime)
			assert.ErrorContains(t, err, "no credential")
		})
	}
}

// corruptions are texts that differ from a genuine signature but decode to the
// same bytes, look alike or break naive code.
func corruptions(genuine string) map[string]string {
	raw, _ := base64.StdEncoding.DecodeString(genuine)
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", genuine[42])
	otherPadding := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[last^1]
	bad := map[string]string{
		"empty":             "",
		"43 characters":     genuine[1:],
		"45 characters":     genuine + "=",
		"unpadded":          strings.TrimRight(genuine, "="),
		"URL-safe":          base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"hex":               hex.EncodeToString(raw),
		"other padding bit": genuine[:42] + string(otherPadding) + "=",
		"1 MB":              strings.Repeat("A", 1<<20),
		"non-ASCII":         genuine[:42] + "é",
		"44 null bytes":     strings.Repeat("\x00", 44),
		"unkeyed hash":      "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
	}
	for _, space := range []string{"\n", "\t", " ", "\r\n"} {
		bad[fmt.Sprintf("%q before", space)] = space + genuine
		bad[fmt.Sprintf("%q inside", space)] = genuine[:20] + space + genuine[20:]
		bad[fmt.Sprintf("%q after", space)] = genuine + space
	}
	for i := range len(genuine) {
		changed := []byte(genuine)
		changed[i] ^= 1
		bad[fmt.Sprintf("character %d changed", i)] = string(changed)
	}
	return bad
}

func TestConfirmRefusesEveryOtherSignature(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)
	require.True(t, signer.Confirm(pair.Timestamp, pair.Signature))
	for name, signature := range corruptions(pair.Signature) {
		assert.False(t, signer.Confirm(pair.Timestamp, signature), name)
	}
}

func TestConfirmRefusesEveryOtherTimestamp(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)
	for i := range len(pair.Timestamp) {
		changed := []byte(pair.Timestamp)
		changed[i] ^= 1
		assert.False(t, signer.Confirm(string(changed), pair.Signature), "character %d", i)
	}
	for _, same := range []string{"2024-01-02T03:04:05.678+00:00", "2024-01-02T03:04:05.6780Z", "1704164645678"} {
		assert.False(t, signer.Confirm(same, pair.Signature), "another text of the same time")
	}
	assert.False(t, signer.Confirm("", sdkSignature(testCredential, "")), "empty, though signed")
}

func TestConfirmTakesTimestampsOf64Bytes(t *testing.T) {
	signer := newSigner(t, testCredential)
	for length, want := range map[int]bool{1: true, 63: true, 64: true, 65: false, 1 << 20: false} {
		text := strings.Repeat("7", length)
		assert.Equal(t, want, signer.Confirm(text, sdkSignature(testCredential, text)), length)
	}
}

func TestConfirmWithSeveralCredentials(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	oldPair := newSigner(t, otherCredential).Sign(testTime)
	newPair := newSigner(t, testCredential).Sign(testTime)
	assert.True(t, signer.Confirm(oldPair.Timestamp, oldPair.Signature))
	assert.True(t, signer.Confirm(newPair.Timestamp, newPair.Signature))
	assert.Equal(t, newPair, signer.Sign(testTime), "signs with the current one")
	assert.Equal(t, "085", signer.PartnerID())

	unpadded := newSigner(t, smilesig.Credential{PartnerID: "85", APIKey: testCredential.APIKey})
	assert.False(t, unpadded.Confirm(newPair.Timestamp, newPair.Signature), "085 and 85 are two partners")
}

func TestRotate(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)

	require.Error(t, signer.Rotate(otherCredential, smilesig.Credential{}))
	assert.True(t, signer.Confirm(pair.Timestamp, pair.Signature), "a refused rotation changes nothing")
	assert.Equal(t, "085", signer.PartnerID())

	require.NoError(t, signer.Rotate(otherCredential, testCredential))
	assert.True(t, signer.Confirm(pair.Timestamp, pair.Signature), "the old key is still accepted")
	assert.Equal(t, "2343", signer.PartnerID())

	require.NoError(t, signer.Rotate(otherCredential))
	assert.False(t, signer.Confirm(pair.Timestamp, pair.Signature), "the old key is gone")
}

func TestRotateWhileSigningAndConfirming(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				pair := signer.Sign(testTime)
				assert.True(t, signer.Confirm(pair.Timestamp, pair.Signature))
			}
		})
	}
	for range 200 {
		require.NoError(t, signer.Rotate(otherCredential, testCredential))
		require.NoError(t, signer.Rotate(testCredential, otherCredential))
	}
	wg.Wait()
}

// injections are bodies, and what Inject makes of them.
var injections = []struct{ name, body, want string }{
	{"empty object", `{}`, `{PAIR}`},
	{"white space only", "{ \n}", "{PAIR \n}"},
	{"white space and a newline behind", " {\"a\":1}\n", " {PAIR,\"a\":1}\n"},
	{"big number", `{"a":9007199254740993,"b":1e400,"c":-0,"d":1.0}`, `{PAIR,"a":9007199254740993,"b":1e400,"c":-0,"d":1.0}`},
	{"characters that encoding/json escapes", "{\"a\":\"<>&\u2028\"}", "{PAIR,\"a\":\"<>&\u2028\"}"},
	{"escapes", `{"a":"\/\ud800\u00e9"}`, `{PAIR,"a":"\/\ud800\u00e9"}`},
	{"doubled unrelated keys", `{"a":1,"a":2}`, `{PAIR,"a":1,"a":2}`},
	{"own partner", `{"partner_id":"085","smile_client_id":"\u003085"}`, `{PAIR,"partner_id":"085","smile_client_id":"\u003085"}`},

	{"pair alone", `{"signature":"x","timestamp":"y"}`, `{PAIR}`},
	{"pair first", `{"signature":"x", "timestamp":1 , "a":1}`, `{PAIR  , "a":1}`},
	{"pair in the middle", `{"a":1, "timestamp":true ,"signature":null, "b":2}`, `{PAIR,"a":1  , "b":2}`},
	{"pair last", "{\"a\":1,\n\"signature\":{\"b\":[]},\n\"timestamp\":[]\n}", "{PAIR,\"a\":1\n\n\n}"},
	{"pair around", `{"timestamp":"y","a":1,"signature":"x"}`, `{PAIR,"a":1}`},
	{"signature only, doubled", `{"signature":1,"signature":2,"a":3}`, `{PAIR,"a":3}`},
	{"escaped keys", `{"\u0073ignature":"x","a":1,"\u0074imest\u0061mp":"y"}`, `{PAIR,"a":1}`},
	{"nested", `{"a":{"signature":"x","timestamp":"y"}}`, `{PAIR,"a":{"signature":"x","timestamp":"y"}}`},
	{"other letter case", `{"Signature":"x","TIMESTAMP":"y"}`, `{PAIR,"Signature":"x","TIMESTAMP":"y"}`},
	{"a longer and a shorter name", `{"signatures":1,"signatur":2,"":3}`, `{PAIR,"signatures":1,"signatur":2,"":3}`},
}

func TestInjectKeepsEveryOtherByte(t *testing.T) {
	signer := newSigner(t, testCredential)
	ours := memberPair(signer.Sign(testTime))
	for _, tt := range injections {
		t.Run(tt.name, func(t *testing.T) {
			body := []byte(tt.body)
			signed, err := signer.Inject(body, testTime)
			require.NoError(t, err)
			assert.Equal(t, strings.Replace(tt.want, "PAIR", ours, 1), string(signed))
			assert.Equal(t, tt.body, string(body), "the caller's body is unchanged")
		})
	}
}

// memberPair is a pair as Inject writes it.
func memberPair(pair smilesig.Pair) string {
	return fmt.Sprintf(`"signature":"%s","timestamp":"%s"`, pair.Signature, pair.Timestamp)
}

func TestInjectRefusesWhatIsNoObject(t *testing.T) {
	signer := newSigner(t, testCredential)
	deep := strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001)
	tests := []struct{ name, body, problem string }{
		{"empty", "", "truncated at offset 0"},
		{"white space", " \n", "truncated at offset 2"},
		{"array", `[1]`, "not a JSON object at offset 0"},
		{"string", ` "a"`, "not a JSON object at offset 1"},
		{"number", `1`, "not a JSON object at offset 0"},
		{"null", `null`, "not a JSON object at offset 0"},
		{"truncated", `{"a":[1`, "truncated at offset 7"},
		{"two objects", `{}{}`, "trailing data at offset 2"},
		{"text behind", `{} x`, "trailing data at offset 3"},
		{"byte-order mark", "\ufeff{}", "byte-order mark at offset 0"},
		{"UTF-16", "{\x00}\x00", "unexpected character at offset 1"},
		{"UTF-16 with its mark", "\xff\xfe{\x00}\x00", "not a JSON object at offset 0"},
		{"invalid UTF-8", "{\"a\":\"b\xff\"}", "invalid UTF-8 at offset 7"},
		{"10,001 levels", deep, "nested deeper than 10,000 at offset 50000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signed, err := signer.Inject([]byte(tt.body), testTime)
			assert.Nil(t, signed)
			assert.ErrorIs(t, err, smilesig.ErrMalformed)
			assert.EqualError(t, err, "smilesig: malformed: "+tt.problem)
		})
	}
	_, err := signer.Inject([]byte(strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)), testTime)
	assert.NoError(t, err, "10,000 levels")
}

func TestInjectRefusesAnotherPartnersBody(t *testing.T) {
	signer := newSigner(t, testCredential)
	for _, value := range []string{`"2343"`, `"85"`, `"0085"`, `85`, `085.0`, `null`, `["085"]`, `""`, `"085 "`} {
		for _, member := range []string{"partner_id", "smile_client_id", `p\u0061rtner_id`} {
			body := fmt.Sprintf(`{"partner_id":"085","%s":%s,"a":1}`, member, value)
			signed, err := signer.Inject([]byte(body), testTime)
			assert.Nil(t, signed)
			if value == `085.0` {
				assert.ErrorIs(t, err, smilesig.ErrMalformed, "not JSON before anything else")
				continue
			}
			require.ErrorIs(t, err, smilesig.ErrPartner, body)
			assert.Contains(t, err.Error(), value)
			assert.Contains(t, err.Error(), "085")
		}
	}

	_, err := signer.Inject([]byte(`{"partner_id":"`+strings.Repeat("é", 100)+`"}`), testTime)
	assert.Contains(t, err.Error(), `"`+strings.Repeat("é", 39)+"…", "cut at 40 characters")
}

func TestEveryWayOfPrintingACredentialHidesTheKey(t *testing.T) {
	const secret = "s3cr3t-made-up"
	c := smilesig.Credential{PartnerID: "085", APIKey: secret}
	signer := newSigner(t, c)
	verifier := &smilesig.Verifier{Signer: signer}
	transport := &smilesig.Transport{Signer: signer}
	_, faults := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: secret + " "})

	var out bytes.Buffer
	text := slog.New(slog.NewTextHandler(&out, nil))
	asJSON := slog.New(slog.NewJSONHandler(&out, nil))
	for _, value := range []any{c, &c, []any{c}, struct{ C smilesig.Credential }{c}, signer, verifier, transport, faults} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d\n", value, value, value, value, value, value, value)
		text.Info("text", "value", value)
		asJSON.Info("JSON", "value", value)
		if encoded, err := json.Marshal(value); err == nil {
			out.Write(encoded)
		}
	}
	assert.Contains(t, out.String(), "REDACTED")
	assert.NotContains(t, out.String(), secret)
	assert.NotContains(t, out.String(), hex.EncodeToString([]byte(secret)))
	assert.NotContains(t, out.String(), fmt.Sprint([]byte(secret)))
}

func TestErrorsStandFree(t *testing.T) {
	all := []error{
		smilesig.ErrMalformed, smilesig.ErrMissing, smilesig.ErrSignature, smilesig.ErrStale, smilesig.ErrFuture,
		smilesig.ErrReplayed, smilesig.ErrTooLarge, smilesig.ErrEncoded, smilesig.ErrGuard, smilesig.ErrOrigin, smilesig.ErrPartner,
	}
	for i, err := range all {
		assert.Truef(t, strings.HasPrefix(err.Error(), "smilesig: "), "%v", err)
		for _, other := range all[i+1:] {
			assert.False(t, errors.Is(err, other))
			assert.NotEqual(t, err.Error(), other.Error())
		}
	}
}

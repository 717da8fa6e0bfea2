package smilesig_test

import (
	"bytes"
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
		smilesig.Credential{PartnerID: `"085"`, APIKey: "'secret-key'"},
	)
	require.Error(t, err)
	assert.Equal(t, strings.Join([]string{
		"smilesig: current credential: the partner ID is empty",
		"smilesig: current credential: the API key has white space around it",
		"smilesig: accepted[1] credential: the partner ID has white space around it",
		"smilesig: accepted[1] credential: the API key is empty",
		"smilesig: accepted[2] credential: the partner ID has quotation marks around it",
		"smilesig: accepted[2] credential: the API key has quotation marks around it",
	}, "\n"), err.Error())
}

// crypto/hmac panics for a short key in this mode, at the first callback. The mode
// is set when a program starts, so this test starts itself.
func TestNewSignerRefusesAShortKeyInFIPSMode(t *testing.T) {
	short, long := smilesig.Credential{PartnerID: "085", APIKey: strings.Repeat("k", 13)}, smilesig.Credential{PartnerID: "085", APIKey: strings.Repeat("k", 14)}
	const mode = "fips140=only"
	if os.Getenv("GODEBUG") == mode {
		require.True(t, fips140.Enforced())
		_, err := smilesig.NewSigner(short)
		assert.EqualError(t, err, "smilesig: current credential: the API key is too short for FIPS 140-only mode")
		assert.NotPanics(t, func() { newSigner(t, long).Sign(testTime) })
		return
	}
	newSigner(t, short)
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNewSignerRefusesAShortKeyInFIPSMode$")
	command.Env = append(os.Environ(), "GODEBUG="+mode)
	output, err := command.CombinedOutput()
	assert.NoError(t, err, "%s", output)
}

func TestSignWritesTheTimeInUTCToTheMillisecond(t *testing.T) {
	zone := time.FixedZone("WAT", 3600)
	pair := newSigner(t, testCredential).Sign(time.Date(2024, 1, 2, 4, 4, 5, 670_999_999, zone))
	assert.Equal(t, "2024-01-02T03:04:05.670Z", pair.Timestamp)
	assert.Equal(t, sdkSignature(testCredential, pair.Timestamp), pair.Signature)
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
			assert.ErrorIs(t, err, smilesig.ErrConfig)
			_, err = s.Inject([]byte("{}"), testTime)
			assert.ErrorIs(t, err, smilesig.ErrConfig)
		})
	}
}

// What looks like a signature and is none stands in vectors/negative.json.
func TestConfirmRefusesAnyChange(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)
	require.True(t, signer.Confirm(pair.Timestamp, pair.Signature))
	for i := range pair.Timestamp {
		assert.False(t, signer.Confirm(changeByte(pair.Timestamp, i), pair.Signature), "timestamp, character %d", i)
	}
	for i := range pair.Signature {
		assert.False(t, signer.Confirm(pair.Timestamp, changeByte(pair.Signature, i)), "signature, character %d", i)
		assert.False(t, signer.Confirm(pair.Timestamp, pair.Signature[:i]), "%d characters of the signature", i)
	}
	assert.False(t, signer.Confirm(pair.Timestamp, pair.Signature+"="))
	assert.False(t, signer.Confirm("", sdkSignature(testCredential, "")), "empty, though signed")
}

func changeByte(text string, i int) string { return text[:i] + string(text[i]^1) + text[i+1:] }

func TestConfirmTakesEveryByteOfTheTimestamp(t *testing.T) {
	signer := newSigner(t, testCredential)
	for _, length := range []int{1, 35, 63, 64} {
		text := strings.Repeat("7", length)
		signature := sdkSignature(testCredential, text)
		assert.True(t, signer.Confirm(text, signature), length)
		assert.False(t, signer.Confirm(text[1:], signature), length)
	}
	tooLong := strings.Repeat("7", 65)
	assert.False(t, signer.Confirm(tooLong, sdkSignature(testCredential, tooLong)))
}

func TestConfirmDoesNotAllocate(t *testing.T) {
	skipUnderRaceDetector(t)
	signer := newSigner(t, testCredential, otherCredential)
	pair := signer.Sign(testTime)
	assert.Zero(t, testing.AllocsPerRun(100, func() { signer.Confirm(pair.Timestamp, pair.Signature) }))
}

func TestRotate(t *testing.T) {
	signer := newSigner(t, testCredential)
	oldPair, newPair := signer.Sign(testTime), newSigner(t, otherCredential).Sign(testTime)
	is := func(when string, partnerID string, signs smilesig.Pair, confirmsOld, confirmsNew bool) {
		t.Helper()
		assert.Equal(t, partnerID, signer.PartnerID(), when)
		assert.Equal(t, signs, signer.Sign(testTime), when)
		assert.Equal(t, confirmsOld, signer.Confirm(oldPair.Timestamp, oldPair.Signature), when)
		assert.Equal(t, confirmsNew, signer.Confirm(newPair.Timestamp, newPair.Signature), when)
	}
	is("before", "085", oldPair, true, false)
	require.Error(t, signer.Rotate(otherCredential, smilesig.Credential{}))
	is("a refused rotation changes nothing", "085", oldPair, true, false)
	require.NoError(t, signer.Rotate(testCredential, otherCredential))
	is("the new key is accepted", "085", oldPair, true, true)
	require.NoError(t, signer.Rotate(otherCredential, testCredential))
	is("the new key signs, the old one is still accepted", "2343", newPair, true, true)
	require.NoError(t, signer.Rotate(otherCredential))
	is("the old key is gone", "2343", newPair, false, true)
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

func TestInjectSaysWhereABodyIsNoObject(t *testing.T) {
	for body, problem := range map[string]string{
		"":                  "truncated at offset 0",
		` "a"`:              "not a JSON object at offset 1",
		`{"a":[1`:           "truncated at offset 7",
		"{\"a\":\"b\xff\"}": "invalid UTF-8 at offset 7",
	} {
		signed, err := newSigner(t, testCredential).Inject([]byte(body), testTime)
		assert.Nil(t, signed)
		assert.ErrorIs(t, err, smilesig.ErrMalformed)
		assert.EqualError(t, err, "smilesig: malformed: "+problem)
	}
}

func TestInjectRefusesAnotherPartnersBody(t *testing.T) {
	signer := newSigner(t, testCredential)
	for value, text := range map[string]string{
		`"2343"`: `"2343"`, `"85"`: `"85"`, `"0085"`: `"0085"`, `"085 "`: `"085 "`, "\"a\\nb\"": `"a\nb"`,
		`85`: "is not a string", `null`: "is not a string", `["085"]`: "is not a string", `{"api_key":"made-up-key-one"}`: "is not a string",
		`""`: "", `"made-up-key-one"`: "", // what is no partner ID is not quoted
	} {
		for _, member := range []string{"partner_id", "smile_client_id", `p\u0061rtner_id`} {
			signed, err := signer.Inject(fmt.Appendf(nil, `{"partner_id":"085","%s":%s,"a":1}`, member, value), testTime)
			assert.Nil(t, signed)
			assert.ErrorIs(t, err, smilesig.ErrPartner)
			assert.ErrorContains(t, err, text)
			assert.Equal(t, strings.HasPrefix(text, "is not"), strings.Contains(err.Error(), "is not a string"))
			assert.ErrorContains(t, err, "085")
			assert.NotContains(t, err.Error(), "key")
		}
	}
	_, err := signer.Inject([]byte(`{"partner_id":085}`), testTime)
	assert.ErrorIs(t, err, smilesig.ErrMalformed, "no JSON before anything else")
}

func TestEveryWayOfPrintingACredentialHidesTheKey(t *testing.T) {
	const secret = "s3cr3t-made-up"
	c := smilesig.Credential{PartnerID: "085", APIKey: secret}
	signer := newSigner(t, c)
	verifier := &smilesig.Verifier{Signer: signer}
	transport := &smilesig.Transport{Signer: signer, Base: new(spyBase)}
	token, err := transport.RoundTrip(newRequest(t, "POST", smileID+"/v3/token", "", nil)) // was sent with the key
	require.NoError(t, err)
	_, faults := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: secret + " "})

	var out bytes.Buffer
	text := slog.New(slog.NewTextHandler(&out, nil))
	asJSON := slog.New(slog.NewJSONHandler(&out, nil))
	for _, value := range []any{c, &c, []any{c}, struct{ C smilesig.Credential }{c}, signer, verifier, &smilesig.Transport{Signer: signer}, token, token.Request, faults} {
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

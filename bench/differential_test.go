package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"example.com/smilesig"
)

// A reader is how a handler behind us may read the pair once more. It returns an
// error where it reads no pair of strings.
type reader struct {
	name string
	read func(body []byte) (smilesig.Pair, error)
}

var readers = []reader{
	{"encoding/json, struct", intoStruct(json.Unmarshal)},
	{"encoding/json, map", func(body []byte) (smilesig.Pair, error) {
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			return smilesig.Pair{}, err
		}
		return twoStrings(members["timestamp"], members["signature"])
	}},
	{"jsontext", withJSONText()},
	{"jsontext, lenient", withJSONText(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))},
	{"gjson", func(body []byte) (smilesig.Pair, error) {
		return twoStrings(gjson.GetBytes(body, "timestamp").Value(), gjson.GetBytes(body, "signature").Value())
	}},
	{"sonic, struct", intoStruct(sonic.Unmarshal)},
}

func intoStruct(unmarshal func([]byte, any) error) func([]byte) (smilesig.Pair, error) {
	return func(body []byte) (pair smilesig.Pair, err error) {
		if err := unmarshal(bytes.Clone(body), &pair); err != nil { // sonic's strings share the body
			return smilesig.Pair{}, err
		}
		return twoStrings(pair.Timestamp, pair.Signature)
	}
}

// withJSONText takes the last of doubled members, where options let them pass.
func withJSONText(options ...jsontext.Options) func([]byte) (smilesig.Pair, error) {
	return func(body []byte) (smilesig.Pair, error) {
		decoder := jsontext.NewDecoder(bytes.NewReader(body), options...)
		if _, err := decoder.ReadToken(); err != nil {
			return smilesig.Pair{}, err
		}
		members := map[string]any{}
		for decoder.PeekKind() == '"' {
			name, err := decoder.ReadToken()
			if err != nil {
				return smilesig.Pair{}, err
			}
			key := name.String() // before the next read
			value, err := decoder.ReadValue()
			if err != nil {
				return smilesig.Pair{}, err
			}
			members[key] = nil
			if value.Kind() == '"' {
				text, _ := jsontext.AppendUnquote(nil, value) // its errors are those of ReadValue
				members[key] = string(text)
			}
		}
		if _, err := decoder.ReadToken(); err != nil {
			return smilesig.Pair{}, err
		}
		return twoStrings(members["timestamp"], members["signature"])
	}
}

func twoStrings(timestamp, signature any) (smilesig.Pair, error) {
	t, isText := timestamp.(string)
	s, isString := signature.(string)
	if !isText || !isString || t == "" || s == "" {
		return smilesig.Pair{}, errors.New("no pair")
	}
	return smilesig.Pair{Timestamp: t, Signature: s}, nil
}

// known is every way in which a reader may differ from what was confirmed.
var known = []struct {
	reader  string
	refuses bool // reads no pair; else another pair
	why     string
	applies func(body []byte, err error) bool
}{
	// What was confirmed is named exactly, and Signature is another member: not
	// ours to refuse, because most members of a callback are PascalCase. It misleads
	// whoever reads the pair once more into a struct: take it from FromContext.
	{"encoding/json, struct", false, "folds the case of names", hasFoldedName},
	{"encoding/json, struct", true, "folds the case of names", hasFoldedName},
	{"sonic, struct", false, "folds the case of names", hasFoldedName},
	{"sonic, struct", true, "folds the case of names", hasFoldedName},

	// Who reads nothing is not misled. What is beside the pair is not ours to refuse.
	{"encoding/json, map", true, "refuses numbers beyond float64", errorSays("of type float64")},
	{"jsontext", true, "refuses doubled names anywhere", errorSays("duplicate object member name")},
	{"jsontext", true, "refuses lone surrogates", errorSays("invalid surrogate pair")},
	{"sonic, struct", true, "refuses less than 10,000 levels", errorSays("recursion exceeded max depth")},
}

func errorSays(text string) func([]byte, error) bool {
	return func(_ []byte, err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

// hasFoldedName reports whether a top-level name is one of the pair's but for its case.
func hasFoldedName(body []byte, _ error) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members)
	for name := range members {
		for _, exact := range []string{"signature", "timestamp"} {
			if name != exact && strings.EqualFold(name, exact) {
				return true
			}
		}
	}
	return false
}

var callbackTime = time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// hostileBodies are genuine bodies with something added where it may hurt.
func hostileBodies(pair, second smilesig.Pair) (bodies []string) {
	signature, timestamp := fmt.Sprintf(`"signature":%q`, pair.Signature), fmt.Sprintf(`"timestamp":%q`, pair.Timestamp)
	both := signature + "," + timestamp
	around := func(member string) { // before, between and behind the pair, in both orders
		for _, members := range [][]string{{member, signature, timestamp}, {signature, member, timestamp}, {timestamp, signature, member}} {
			bodies = append(bodies, "{"+strings.Join(members, ",")+"}")
		}
	}
	for _, names := range [][2]string{
		{`signature`, second.Signature}, {`Signature`, second.Signature}, {`SIGNATURE`, second.Signature},
		{`\u0073ignature`, second.Signature}, {`signatur\u0065`, second.Signature}, {`\u0053ignature`, second.Signature},
		{"\u017fignature", second.Signature}, {`\u017Fignature`, second.Signature}, {`signature\u0000`, second.Signature},
		{`signature `, second.Signature}, {`signature.`, second.Signature}, {`\\u0073ignature`, second.Signature}, {`\/signature`, second.Signature},
		{`timestamp`, second.Timestamp}, {`Timestamp`, second.Timestamp}, {`TIMESTAMP`, second.Timestamp},
		{`t\u0069mestamp`, second.Timestamp}, {"time\u017ftamp", second.Timestamp}, {`time\u017ftamp`, second.Timestamp}, {`timestamp\ud800`, second.Timestamp},
		{`par\u0074ner_id`, "other"}, {"\u212aey", "other"},
	} {
		for _, value := range []string{fmt.Sprintf("%q", names[1]), `""`, "null", "1", "{" + both + "}", `["` + names[1] + `"]`} {
			around(`"` + names[0] + `":` + value)
		}
	}
	for _, member := range []string{
		`"":{` + both + `}`, `"a":[{` + both + `}]`, `"a":"{\"signature\":\"x\"}"`, `"a":"\",\"signature\":\"x"`, `"a":"\\","b":"\\\""`,
		`"a":1,"a":2`, `"a":{"b":1,"b":2}`, `"a":1e400`, `"a":-1e-999999`, `"a":` + strings.Repeat("9", 5000), `"a":-0`, `"a":01`, `"a":+1`, `"a":.5`, `"a":1.`, `"a":0x1`,
		`"a":NaN`, `"a":-Infinity`, `"a":nul`, `"a":True`, `"a":undefined`, `"a":'x'`, `a:1`, `"a"`, `"a":`, `:1`, ``, `{}`, `"a":1 "b":2`, `"a"=1`, `"a":1;`,
		`"a":"\ud800"`, `"a":"\udc00\ud800"`, `"\ud800":1`, `"a":"\ud83d\ude00"`, `"a":"\ud800\u0041"`, `"a":"\u0000"`, `"a":"\u00"`, `"a":"\x41"`, `"a":"\u{41}"`, `"a":"\'"`,
		"\"a\":\"\xff\"", "\"a\xc0\xa2\":1", "\"a\":\"\xc0\xaf\"", "\"a\":\"\xed\xa0\x80\"", "\"a\":\"\xf4\x90\x80\x80\"", "\"a\":\"\xe2\x28\xa1\"", "\"a\":\"\xc2\"", "\"\xffsignature\":1", "\"signature\xff\":\"x\"", "\"\xc1\xb3ignature\":\"x\"",
		"\"a\":\"\x00\"", "\"a\":\"\n\"", "\"a\":\"\x1f\"", "\"a\":\"\x7f\"", "\"a\":\x001", "\x00\"a\":1", "\"a\":\v1", "\"a\":\u00a01", "\"a\":\u20281", "\"a\":\"\u2028\"", "/*c*/\"a\":1", "//c\n\"a\":1", "\"a\":1#c\n", "\"a\":\"/*\",\"b\":\"*/\"",
		`"a":[1,]`, `"a":[,1]`, `"a":{"b":1,}`, `"a":[}`, `"a":{]`, `"a":[1}`, `"a":{"b"}`, `"a":}`, `"a":"x`,
		`"a":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999), `"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		`"a":` + strings.Repeat(`{"signature":`, 5_000) + `"x"` + strings.Repeat("}", 5_000), `"a":` + strings.Repeat("[", 20_000),
		`"` + strings.Repeat("s", 5000) + `":1`, `"a":"` + strings.Repeat(`\\`, 5000) + `"`, `"` + strings.Repeat(`\u0073`, 1000) + `":1`,
	} {
		around(member)
	}
	genuine := "{" + both + "}"
	for _, around := range [][2]string{
		{"\ufeff", ""}, {"\xff\xfe", ""}, {"", "\x00"}, {"\x00", ""}, {"", "{}"}, {"", genuine}, {"{}", ""}, {"", " x"}, {"", "}"}, {"", "]"}, {"", ","}, {"", "//c"},
		{"/**/", ""}, {"[", "]"}, {`"`, `"`}, {" \t\r\n", " \t\r\n"}, {"\v", ""}, {"", "\f"}, {"\u00a0", ""}, {"", "\x1a"}, {")]}',\n", ""}, {"", "\n{\"a\":1}"}, {"\x1e", "\n"}, {"(", ")"},
		{`{"a":`, "}"}, {"{", "}"}, {"callback(", ")"}, {"null", ""}, {"1", ""},
	} {
		bodies = append(bodies, around[0]+genuine+around[1])
	}
	for i := range genuine {
		bodies = append(bodies, genuine[:i], genuine[i:])
	}
	return bodies
}

// mutations are n genuine bodies with one or two edits, the same ones each time.
func mutations(pair, second smilesig.Pair, n int) (bodies []string) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\"", "\\", "{", "}", "[", "]", ":", ",", "\\u", "\\u0073", "S", "\u017f", "\x00", "\xff", "\ufeff", "null", "1e999", "/**/", "\\\"", " ", "\n",
		`"signature":"x",`, `,"timestamp":"x"`, `,"Signature":"x"`, `{"signature":"x"},`, fmt.Sprintf(`,"signature":%q`, second.Signature)}
	for _, genuine := range []string{
		fmt.Sprintf(`{"signature":%q,"timestamp":%q,"ResultCode":"1012"}`, pair.Signature, pair.Timestamp),
		fmt.Sprintf(`{"PartnerParams":{"job_id":"j","signature":"no"},"a":["\"",-1.5e3,null],"\u0073ignature":%q, "b\\":"é\ud83d\ude00", "timestamp" : %q}`, pair.Signature, pair.Timestamp),
	} {
		for range n / 2 {
			body := genuine
			for range 1 + random.IntN(2) {
				at, piece := random.IntN(len(body)), pieces[random.IntN(len(pieces))]
				switch random.IntN(4) {
				case 0:
					body = body[:at] + body[at+1:]
				case 1:
					body = body[:at] + string([]byte{byte(random.IntN(256))}) + body[at+1:]
				case 2:
					body = body[:at] + piece + body[at+1:]
				case 3:
					body = body[:at] + piece + body[at:]
				}
			}
			bodies = append(bodies, body)
		}
	}
	return bodies
}

// Whatever pair was confirmed, nobody behind us reads another from the same body,
// but for the known differences.
func TestDifferential(t *testing.T) {
	t.Parallel()
	verifier := &smilesig.Verifier{Signer: signer, Guard: smilesig.NoGuard, Now: func() time.Time { return callbackTime }}
	pair, second := signer.Sign(callbackTime), signer.Sign(callbackTime.Add(time.Second))
	bodies := append(hostileBodies(pair, second), mutations(pair, second, 20_000)...)

	accepted, occurred, readRefused := 0, make([]int, len(known)), map[string]int{}
	for _, body := range bodies {
		callback, refusal := verifier.Verify(t.Context(), "/callbacks", nil, []byte(body))
		var confirmed smilesig.Pair
		if refusal == nil {
			accepted++
			var err error
			confirmed, err = signer.SignTimestamp(callback.Timestamp) // no other signature is confirmed
			require.NoError(t, err)
		}
		for _, r := range readers {
			got, err := r.read([]byte(body))
			switch {
			case refusal != nil:
				if err == nil && signer.Confirm(got.Timestamp, got.Signature) {
					readRefused[r.name]++
				}
			case got != confirmed:
				explained := false
				for i, k := range known {
					if k.reader == r.name && k.refuses == (err != nil) && k.applies([]byte(body), err) {
						occurred[i]++
						explained = true
					}
				}
				assert.True(t, explained, "%s reads otherwise (%v) than confirmed: %.300q", r.name, err, body)
			}
		}
	}
	t.Logf("%d bodies, %d accepted", len(bodies), accepted)
	assert.Greater(t, accepted, 1000, "else this shows little")
	for _, r := range readers {
		t.Logf("%s reads a pair that confirms from %d of those refused", r.name, readRefused[r.name])
	}
	for i, k := range known {
		t.Logf("%s, refuses %v, %s: %d", k.reader, k.refuses, k.why, occurred[i])
		if runtime.GOARCH == "amd64" { // elsewhere sonic is another decoder
			assert.NotZero(t, occurred[i], "a known difference that is none: %s %s", k.reader, k.why)
		}
	}
}

package jsonobject_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/internal/jsonobject"
)

func TestScanFindsTheTopLevelMembers(t *testing.T) {
	doc := "\n{ \"a\" : 1 , \"b\\u0063\":{\"a\":[{}, {\"x\":[]}]},\"\":\"é\\\"\" ,\"d\":[ ] }\t\r\n "
	type found struct{ name, value, text string }
	var got []found
	err := jsonobject.Scan([]byte(doc), func(m jsonobject.Member) {
		assert.Equal(t, string(m.Name), doc[m.Start+1:m.Start+1+len(m.Name)])
		assert.Equal(t, string(m.Value), doc[m.End-len(m.Value):m.End])
		if len(got) == 0 {
			assert.Equal(t, -1, m.Comma)
		} else {
			assert.Equal(t, byte(','), doc[m.Comma])
			assert.Empty(t, strings.TrimSpace(doc[m.Comma+1:m.Start]))
		}
		text, _ := m.Text()
		got = append(got, found{string(m.Name), string(m.Value), string(text)})
	})
	require.NoError(t, err)
	assert.Equal(t, []found{
		{"a", "1", ""},
		{`b\u0063`, `{"a":[{}, {"x":[]}]}`, ""},
		{"", `"é\""`, `é"`},
		{"d", "[ ]", ""},
	}, got)
}

func TestIs(t *testing.T) {
	tests := []struct {
		written, name string
		want          bool
	}{
		{"signature", "signature", true},
		{`\u0073ignature`, "signature", true},
		{`signatur\u0065`, "signature", true},
		{`\u0073\u0069\u0067\u006e\u0061\u0074\u0075\u0072\u0065`, "signature", true},
		{`signature\u0000`, "signature", false},
		{"signatur", "signature", false},
		{`\u0073ignatur`, "signature", false},
		{"signatures", "signature", false},
		{"Signature", "signature", false},
		{`\u0053ignature`, "signature", false},
		{"\u017fignature", "signature", false},
		{`\u017fignature`, "signature", false},
		{`sign\ature`, "signature", false}, // no JSON, and never passed on
		{"", "signature", false},
		{"", "", true},
		{`a\/b\\\"\b\f\n\r\t`, "a/b\\\"\b\f\n\r\t", true},
		{`\u006A\u006a`, "jj", true},
		{`\u004F\u004f\u0041`, "OOA", true},
		{"\xc3", "C", false},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, jsonobject.Member{Name: []byte(tt.written)}.Is(tt.name), "%s %s", tt.written, tt.name)
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		value, want string
		isString    bool
	}{
		{`""`, "", true},
		{`"a b"`, "a b", true},
		{`"a\/b\u0020\ud800"`, "a/b \ufffd", true},
		{`1`, "", false},
		{`null`, "", false},
		{`["a"]`, "", false},
	}
	for _, tt := range tests {
		text, isString := jsonobject.Member{Value: []byte(tt.value)}.Text()
		assert.Equal(t, tt.want, string(text))
		assert.Equal(t, tt.isString, isString)
	}
}

// faults are texts that are no JSON object, and where and why.
var faults = []struct {
	doc     string
	problem jsonobject.Problem
	offset  int
}{
	{"", jsonobject.Truncated, 0},
	{" ", jsonobject.Truncated, 1},
	{"\ufeff{}", jsonobject.ByteOrderMark, 0},
	{"[]", jsonobject.NotAnObject, 0},
	{" null", jsonobject.NotAnObject, 1},
	{"\xff", jsonobject.NotAnObject, 0},
	{"{", jsonobject.Truncated, 1},
	{`{"`, jsonobject.Truncated, 2},
	{`{"a"`, jsonobject.Truncated, 4},
	{`{"a":`, jsonobject.Truncated, 5},
	{`{"a":"b`, jsonobject.Truncated, 7},
	{`{"a":"12345678`, jsonobject.Truncated, 14},
	{`{"a":"\`, jsonobject.Truncated, 7},
	{`{"a":"\u00`, jsonobject.Truncated, 10},
	{`{"a":tru`, jsonobject.Truncated, 8},
	{`{"a":-`, jsonobject.Truncated, 6},
	{`{"a":1.`, jsonobject.Truncated, 7},
	{`{"a":1e+`, jsonobject.Truncated, 8},
	{`{"a":[`, jsonobject.Truncated, 6},
	{`{"a":1,`, jsonobject.Truncated, 7},
	{`{}}`, jsonobject.TrailingData, 2},
	{`{} null`, jsonobject.TrailingData, 3},
	{"{}\x00", jsonobject.TrailingData, 2},
	{`{a:1}`, jsonobject.Unexpected, 1},
	{`{"a"1}`, jsonobject.Unexpected, 4},
	{`{"a":}`, jsonobject.Unexpected, 5},
	{`{"a":1,}`, jsonobject.Unexpected, 7},
	{`{,}`, jsonobject.Unexpected, 1},
	{`{"a":[1,]}`, jsonobject.Unexpected, 8},
	{`{"a":[,]}`, jsonobject.Unexpected, 6},
	{`{"a":[1}`, jsonobject.Unexpected, 7},
	{`{"a":1]`, jsonobject.Unexpected, 6},
	{`{"a":{"b":1]}`, jsonobject.Unexpected, 11},
	{`{"a":[1 2]}`, jsonobject.Unexpected, 8},
	{`{"a":{]}`, jsonobject.Unexpected, 6},
	{`{"a":01}`, jsonobject.Unexpected, 6},
	{`{"a":+1}`, jsonobject.Unexpected, 5},
	{`{"a":.5}`, jsonobject.Unexpected, 5},
	{`{"a":1.x}`, jsonobject.Unexpected, 7},
	{`{"a":1ex}`, jsonobject.Unexpected, 7},
	{`{"a":-x}`, jsonobject.Unexpected, 6},
	{`{"a":nul1}`, jsonobject.Unexpected, 8},
	{`{"a":False}`, jsonobject.Unexpected, 5},
	{`{"a":NaN}`, jsonobject.Unexpected, 5},
	{`{"a":'b'}`, jsonobject.Unexpected, 5},
	{"{\"a\":\"\n\"}", jsonobject.Unexpected, 6},
	{"{\"a\":\"1234567\x1f\"}", jsonobject.Unexpected, 13},
	{`{"a":"\x"}`, jsonobject.Unexpected, 7},
	{`{"a":"\u12g4"}`, jsonobject.Unexpected, 10},
	{`{/**/}`, jsonobject.Unexpected, 1},
	{"{\"\xff\":1}", jsonobject.InvalidUTF8, 2},
	{"{\"a\":\"é1234567\xc3\"}", jsonobject.InvalidUTF8, 15},
	{"{\"a\":\"\xed\xa0\x80\"}", jsonobject.InvalidUTF8, 6}, // a surrogate
	{"{\"a\":\xa0}", jsonobject.Unexpected, 5},
	{"{\x00}\x00", jsonobject.Unexpected, 1}, // UTF-16
	{`{"a":` + strings.Repeat("[", 9_999) + "[]" + strings.Repeat("]", 9_999) + "}", jsonobject.TooDeep, 5 + 9_999},
}

func TestScanRefuses(t *testing.T) {
	for _, f := range faults {
		err := jsonobject.Check([]byte(f.doc))
		assert.Equal(t, &jsonobject.SyntaxError{Problem: f.problem, Offset: f.offset}, err, "%.40q", f.doc)
		assert.False(t, json.Valid([]byte(f.doc)) && utf8.ValidString(f.doc) && f.doc[0] == '{', "%.40q", f.doc)
	}
	assert.EqualError(t, &jsonobject.SyntaxError{Problem: jsonobject.TooDeep, Offset: 7}, "nested deeper than 10,000 at offset 7")
}

func TestScanTakesEveryHexDigit(t *testing.T) {
	assert.NoError(t, jsonobject.Check([]byte(`{"\u0123":"\u4567\u89ab\ucdef\uABCD\uEF00"}`)))
	for _, digit := range []string{"/", ":", "@", "G", "`", "g", "é"} {
		assert.Error(t, jsonobject.Check([]byte(`{"\u012`+digit+`":1}`)), digit)
	}
}

func TestScanEveryPrefixIsTruncated(t *testing.T) {
	const doc = `{"a":[1,-0.5e+3,true,false,null,"é\u00e9\\"],"b":{"c":{}}}`
	for i := range len(doc) {
		err := jsonobject.Check([]byte(doc[:i]))
		assert.Equal(t, &jsonobject.SyntaxError{Problem: jsonobject.Truncated, Offset: i}, err, doc[:i])
	}
}

// Scan keeps track of 64 containers at a time: here are brackets right and wrong around those depths.
func TestScanTellsObjectsFromArraysAtEveryDepth(t *testing.T) {
	for depth := range 200 {
		doc, tail := `{"":`, "}"
		for i := range depth {
			if i*i%3 == 0 {
				doc, tail = doc+`{"":[],"":`, `,"":{}}`+tail
			} else {
				doc, tail = doc+`[{},`, `,[]]`+tail
			}
		}
		assert.NoError(t, jsonobject.Check([]byte(doc+"0"+tail)))
		for i, c := range tail {
			if other, closes := map[rune]string{']': "}", '}': "]"}[c]; closes {
				wrong := doc + "0" + tail[:i] + other + tail[i+1:]
				assert.Equal(t, &jsonobject.SyntaxError{Problem: jsonobject.Unexpected, Offset: len(doc) + 1 + i},
					jsonobject.Check([]byte(wrong)), wrong)
			}
		}
	}
}

func TestScanReadsHostileBodiesWithoutAllocating(t *testing.T) {
	for name, shape := range shapes() {
		doc, pairs := []byte(shape), 0
		count := func(m jsonobject.Member) {
			if m.Is("signature") {
				pairs++
			}
		}
		assert.NoError(t, jsonobject.Scan(doc, count), name)
		assert.Zero(t, testing.AllocsPerRun(1, func() { _ = jsonobject.Scan(doc, count) }), name)
		assert.Zero(t, pairs, name)
	}
}

func TestScanCutsStringsOfEveryLengthShort(t *testing.T) {
	for length := range 400 {
		unit := []string{"a", "é"}[length%2]
		doc := `{"a":"` + strings.Repeat(unit, length/2/len(unit))
		err := jsonobject.Check([]byte(doc))
		assert.Equal(t, &jsonobject.SyntaxError{Problem: jsonobject.Truncated, Offset: len(doc)}, err)
		assert.NoError(t, jsonobject.Check([]byte(doc+`"}`)))
		for i := len(`{"a":"`); i < len(doc); i++ {
			for _, wrong := range []string{"\n", "\xff", "\x80"} {
				changed := doc[:i] + wrong + doc[i+1:] + `"}`
				assert.Equal(t, json.Valid([]byte(changed)) && utf8.ValidString(changed),
					jsonobject.Check([]byte(changed)) == nil, "%q", changed)
			}
		}
	}
}

// FuzzScan holds Scan against encoding/json and unicode/utf8.
func FuzzScan(f *testing.F) {
	for _, fault := range faults {
		f.Add([]byte(fault.doc))
	}
	for _, doc := range []string{`{}`, `{"a":1}`, `{"a":[1,-0.5e+3,true,false,null,"é\u00e9\\"],"b":{"c":{}}}`, ` { } `} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var found map[string]json.RawMessage
		err := jsonobject.Scan(doc, func(m jsonobject.Member) {
			if found == nil {
				found = make(map[string]json.RawMessage)
			}
			var name string
			require.NoError(t, json.Unmarshal(doc[m.Start:m.Start+len(m.Name)+2], &name))
			found[name] = m.Value
			if strings.Trim(name, "abc") == "" {
				require.True(t, m.Is(name))
			}
		})
		var want map[string]json.RawMessage
		isObject := json.Unmarshal(doc, &want) == nil && want != nil && utf8.Valid(doc)
		require.Equal(t, isObject, err == nil, "%v", err)
		if err != nil {
			var syntaxError *jsonobject.SyntaxError
			require.ErrorAs(t, err, &syntaxError)
			require.LessOrEqual(t, syntaxError.Offset, len(doc))
			return
		}
		require.Len(t, found, len(want))
		for name, value := range want {
			require.Equal(t, string(value), string(found[name]))
		}
	})
}

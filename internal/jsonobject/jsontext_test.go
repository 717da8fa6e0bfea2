//go:build go1.27

package jsonobject_test

import (
	"bytes"
	"encoding/json/jsontext"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"example.com/smilesig/internal/jsonobject"
)

type member struct {
	name, value string // as written
	end         int
}

// scanned returns the members that Scan finds, and whether doc is an object.
func scanned(doc []byte) (members []member, isObject bool) {
	err := jsonobject.Scan(doc, func(m jsonobject.Member) {
		members = append(members, member{`"` + string(m.Name) + `"`, string(m.Value), m.End})
	})
	return members, err == nil
}

// decoded does the same with jsontext. Of what is not valid UTF-8, it lets only
// escapes of lone surrogates pass, as Scan does.
func decoded(doc []byte) (members []member, isObject bool) {
	d := jsontext.NewDecoder(bytes.NewReader(doc), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if start, err := d.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		name = slices.Clone(name) // before the next read
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		members = append(members, member{string(name), string(value), int(d.InputOffset())})
	}
	_, err := d.ReadToken()
	_, end := d.ReadToken()
	return members, err == nil && end == io.EOF && utf8.Valid(doc)
}

func TestScanIsOfOneMindWithJSONText(t *testing.T) {
	check := func(doc []byte) bool {
		members, isObject := scanned(doc)
		want, wantObject := decoded(doc)
		require.Equal(t, wantObject, isObject, "%.200q", doc)
		if isObject {
			require.Equal(t, want, members, "%.200q", doc)
		}
		return isObject
	}
	for _, f := range faults {
		require.False(t, check([]byte(f.doc)))
	}
	for _, shape := range shapes() {
		require.True(t, check([]byte(shape)))
		require.False(t, check([]byte(shape[:len(shape)-1])))
	}

	const genuine = `{"a":"\"\\\/é\ud83d\ude00\ud800", "\u0073":[-1.5e3,{"a":{}},[]] ,"a":null,"b" : {"true":false,"":[true]}}` + "\n"
	pieces := []string{`"`, `\`, "{", "}", "[", "]", ":", ",", `\u`, "0", "-", ".", "e", " ", "\n", "\x00", "\xff", "é", "\ufeff", "null", `"a":1,`}
	random := rand.New(rand.NewPCG(1, 2))
	objects := 0
	for range 50_000 {
		doc := []byte(genuine)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(doc))
			end := min(len(doc), at+random.IntN(3))
			doc = slices.Replace(doc, at, end, []byte(pieces[random.IntN(len(pieces))])...)
		}
		if check(doc) {
			objects++
		}
	}
	require.Greater(t, objects, 1000, "else this shows little")
}

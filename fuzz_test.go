package smilesig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// Verify and ParseTimestamp have their targets in vectors/, where a second
// implementation of both is.

// FuzzInject holds Inject against encoding/json: it takes what that and UTF-8
// call an object, and its output has the same members and our pair.
func FuzzInject(f *testing.F) {
	for _, tt := range injections {
		f.Add([]byte(tt.body))
	}
	for _, body := range []string{
		``, `{`, `[]`, `{}{}`, "\ufeff{}", "{\"\xff\":1}", "{\x00}\x00", `{"a":"\ud800","b":[-0.5E+3,true,false,null]}`,
		`{"partner_id":"085","partner_id":"85"}`, `{"p\u0061rtner_id":85}`, `{"smile_client_id":null}`,
	} {
		f.Add([]byte(body))
	}
	signer := newSigner(f, testCredential)
	ours := memberPair(signer.Sign(testTime))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		signed, err := signer.Inject(body, testTime)
		require.Equal(t, before, body, "the caller's body is unchanged")
		members, isObject := membersOf(body)
		if !isObject {
			require.ErrorIs(t, err, smilesig.ErrMalformed)
			return
		}
		anotherPartner := false
		for _, text := range append(members["partner_id"], members["smile_client_id"]...) {
			var id string
			anotherPartner = anotherPartner || json.Unmarshal([]byte(text), &id) != nil || id != testCredential.PartnerID
		}
		require.Equal(t, anotherPartner, errors.Is(err, smilesig.ErrPartner))
		if anotherPartner {
			return
		}
		require.NoError(t, err)

		signedMembers, _ := membersOf(signed)
		want, _ := membersOf(fmt.Appendf(nil, "{%s}", ours))
		isSigned := false
		for name, values := range members {
			if name == "signature" || name == "timestamp" {
				isSigned = true
			} else {
				want[name] = values
			}
		}
		require.Equal(t, want, signedMembers)
		if !isSigned {
			without := strings.NewReplacer(ours+",", "", ours, "").Replace(string(signed))
			require.Equal(t, string(body), without, "every other byte is kept")
		}
	})
}

// membersOf returns the texts of each top-level member's values, or false if body
// is no JSON object.
func membersOf(body []byte) (members map[string][]string, isObject bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	open, _ := decoder.Token()
	if !json.Valid(body) || !utf8.Valid(body) || open != json.Delim('{') {
		return nil, false
	}
	members = map[string][]string{}
	for decoder.More() {
		name, _ := decoder.Token() // valid, as checked above
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, false
		}
		members[name.(string)] = append(members[name.(string)], string(value))
	}
	return members, true
}

package smilesig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func addSampleCallbacks(f *testing.F, add func(body []byte)) {
	files, err := filepath.Glob("testdata/callbacks/*.json")
	require.NoError(f, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		add(body)
	}
}

// FuzzInject holds Inject against encoding/json: it takes what that and UTF-8
// call an object, and its output has the same members and our pair.
func FuzzInject(f *testing.F) {
	addSampleCallbacks(f, func(body []byte) { f.Add(body) })
	for _, body := range []string{
		`{}`, "{ \n}", ` {"a":1} `, `{"signature":1,"a":2,"timestamp":{}}`, `{"\u0073ignature":null}`, `{"partner_id":"085"}`,
		`{"partner_id":85}`, `[]`, ``, `{`, `{}{}`, "\ufeff{}", "{\"\xff\":1}", `{"a":"\ud800","b":[1e400,-0.5E+3,true,false,null]}`,
	} {
		f.Add([]byte(body))
	}
	signer := newSigner(f, testCredential)
	pair := signer.Sign(testTime)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		signed, err := signer.Inject(body, testTime)
		require.Equal(t, before, body, "the caller's body is unchanged")

		var members map[string]json.RawMessage
		isObject := json.Unmarshal(body, &members) == nil && members != nil && utf8.Valid(body)
		switch {
		case !isObject:
			require.ErrorIs(t, err, smilesig.ErrMalformed)
			return
		case errors.Is(err, smilesig.ErrPartner):
			require.True(t, namesAnotherPartner(t, body))
			return
		}
		require.NoError(t, err)
		require.False(t, namesAnotherPartner(t, body))

		var signedMembers map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(signed, &signedMembers))
		require.Equal(t, `"`+pair.Signature+`"`, string(signedMembers["signature"]))
		require.Equal(t, `"`+pair.Timestamp+`"`, string(signedMembers["timestamp"]))
		_, hadSignature := members["signature"]
		_, hadTimestamp := members["timestamp"]
		for _, m := range []map[string]json.RawMessage{members, signedMembers} {
			delete(m, "signature")
			delete(m, "timestamp")
		}
		require.Equal(t, members, signedMembers)

		if !hadSignature && !hadTimestamp {
			ours := `"signature":"` + pair.Signature + `","timestamp":"` + pair.Timestamp + `"`
			if len(members) > 0 {
				ours += ","
			}
			require.Equal(t, string(body), strings.Replace(string(signed), ours, "", 1))
		}
	})
}

// topLevel returns the values of every top-level member called name, or false if
// body is no JSON object.
func topLevel(body []byte, name string) ([]any, bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	var values []any
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, false
		}
		if key == name {
			values = append(values, value)
		}
	}
	return values, true
}

func namesAnotherPartner(t *testing.T, body []byte) bool {
	for _, name := range []string{"partner_id", "smile_client_id"} {
		values, ok := topLevel(body, name)
		require.True(t, ok)
		for _, value := range values {
			if value != testCredential.PartnerID {
				return true
			}
		}
	}
	return false
}

// FuzzVerify holds Verify against an independent decision. In its inputs $S
// stands for the genuine signature of $T.
func FuzzVerify(f *testing.F) {
	addSampleCallbacks(f, func(body []byte) { f.Add("2024-01-02T03:04:05.678Z", "", "", body) })
	genuine := []byte(`{"signature":"$S","timestamp":"$T"}`)
	f.Add("2024-01-02T03:04:05.678Z", "", "", genuine)
	f.Add("2024-01-02T03:04:05.678Z", "$S", "$T", []byte("no JSON"))
	f.Add("2024-01-02T03:04:05.678Z", "$S", "", genuine)
	f.Add("2024-01-02T03:04:05.678Z", "", "", []byte(`{"signature":"$S","timestamp":"$T","\u0073ignature":"$S"}`))
	f.Add("2024-01-02T03:04:05.678Z", "", "", []byte(`{"a":{"signature":"$S"},"timestamp":"$T"}`))
	f.Add("1704164645678", "", "", genuine)
	f.Add("9999-12-31T23:59:59Z", "$S", "$T", []byte(nil))
	f.Add("2024-01-02T02:04:05.678Z", "", "", genuine)
	for _, text := range badTimestamps {
		f.Add(text, "", "", genuine)
	}
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, timestamp, headerSignature, headerTimestamp string, body []byte) {
		fill := strings.NewReplacer("$S", sdkSignature(testCredential, timestamp), "$T", timestamp)
		body = []byte(fill.Replace(string(body)))
		header := http.Header{}
		if headerSignature != "" {
			header.Set("Response-Signature", fill.Replace(headerSignature))
		}
		if headerTimestamp != "" {
			header.Set("Response-Timestamp", fill.Replace(headerTimestamp))
		}
		cb, err := v.Verify(t.Context(), header, body)
		require.Equal(t, isGenuine(header, body), err == nil, "%v", err)
		if err != nil {
			require.Zero(t, cb)
			require.NotEqual(t, 500, smilesig.StatusCode(err))
			require.NotContains(t, err.Error(), sdkSignature(testCredential, timestamp))
		}
	})
}

// isGenuine decides what newVerifier's Verifier must decide.
func isGenuine(header http.Header, body []byte) bool {
	signatures, timestamps := toAny(header["Response-Signature"]), toAny(header["Response-Timestamp"])
	if len(signatures)+len(timestamps) == 0 {
		signatures, _ = topLevel(body, "signature")
		timestamps, _ = topLevel(body, "timestamp")
	}
	if len(signatures) != 1 || len(timestamps) != 1 {
		return false
	}
	signature, _ := signatures[0].(string)
	timestamp, _ := timestamps[0].(string)
	signedAt, err := parseByRegexp(timestamp)
	return err == nil && signature == sdkSignature(testCredential, timestamp) &&
		!signedAt.Before(testTime.Add(-smilesig.DefaultMaxAge)) && !signedAt.After(testTime.Add(smilesig.DefaultMaxSkew))
}

func toAny(texts []string) (values []any) {
	for _, text := range texts {
		values = append(values, text)
	}
	return values
}

var timestampForms = []struct{ form, layout string }{
	{`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$`, "2006-01-02T15:04:05.999999999"},
	{`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`, "2006-01-02T15:04:05.999999999Z"},
	{`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?[+-]([01]\d|2[0-3]):[0-5]\d$`, "2006-01-02T15:04:05.999999999-07:00"},
	{`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?[+-]([01]\d|2[0-3])[0-5]\d$`, "2006-01-02T15:04:05.999999999-0700"},
	{`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]([01]\d|2[0-3])[0-5]\d$`, "2006-01-02 15:04:05 -0700"},
	{`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`, "2006-01-02 15:04:05 UTC"},
}

// parseByRegexp is ParseTimestamp made of regular expressions and time.Parse.
func parseByRegexp(text string) (time.Time, error) {
	for _, tf := range timestampForms {
		if regexp.MustCompile(tf.form).MatchString(text) {
			return time.Parse(tf.layout, text)
		}
	}
	if !regexp.MustCompile(`^(\d{10}|\d{13})$`).MatchString(text) {
		return time.Time{}, errors.New("no such form")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if len(text) == 10 {
		n *= 1000
	}
	return time.UnixMilli(n), err
}

func FuzzParseTimestamp(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Timestamp)
	}
	for _, text := range badTimestamps {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := smilesig.ParseTimestamp(text)
		want, wantErr := parseByRegexp(text)
		require.Equal(t, wantErr == nil, err == nil, text)
		if err == nil {
			assert.True(t, want.Equal(got), "%s: %v, want %v", text, got, want)
			assert.Equal(t, time.UTC, got.Location())
		}
	})
}

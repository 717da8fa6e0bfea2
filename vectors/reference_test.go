package vectors_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A second implementation, which knows nothing of the package.

func sign(c credential, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APIKey))
	mac.Write([]byte(timestamp + c.PartnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// decide returns what must become of the case: "accepted", or why it is refused.
func (c negativeCase) decide() string {
	for _, encoding := range c.headerValues("Content-Encoding") {
		if encoding != "identity" {
			return "encoded"
		}
	}
	body := c.body()
	if int64(len(body)) > c.Settings.MaxBytes {
		return "too_large"
	}
	signatures, timestamps := c.headerValues(signatureHeader), c.headerValues(timestampHeader)
	_, isObject := topLevel(body, "")
	if len(signatures)+len(timestamps) == 0 {
		if !isObject {
			return "malformed"
		}
		signatures, _ = topLevel(body, "signature")
		timestamps, _ = topLevel(body, "timestamp")
	}
	for _, value := range append(signatures[:len(signatures):len(signatures)], timestamps...) {
		if _, isString := value.(string); !isString {
			return "malformed"
		}
	}
	switch {
	case len(signatures) > 1 || len(timestamps) > 1:
		return "malformed"
	case len(signatures) == 0 || len(timestamps) == 0:
		return "missing"
	}
	signature, timestamp := signatures[0].(string), timestamps[0].(string)
	confirmed := false
	for _, credential := range c.Credentials {
		confirmed = confirmed || signature == sign(credential, timestamp)
	}
	if !confirmed || timestamp == "" || len(timestamp) > 64 {
		return "signature"
	}
	if !isObject {
		return "malformed"
	}
	signedAt, err := parseTimestamp(timestamp)
	switch {
	case err != nil || c.now().After(signedAt.Add(c.Settings.maxAge())):
		return "stale"
	case signedAt.After(c.now().Add(c.Settings.maxSkew())):
		return "future"
	}
	for _, before := range c.Before {
		hasPair := strings.Contains(fmt.Sprint(before.Headers)+string(before.body()), signature)
		if hasPair && !bytes.Equal(before.body(), body) {
			return "replayed"
		}
	}
	return "accepted"
}

// topLevel returns the values of every top-level member called name, or false if
// body is no JSON object.
func topLevel(body []byte, name string) (values []any, isObject bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if open, _ := decoder.Token(); open != json.Delim('{') {
		return nil, false
	}
	for decoder.More() {
		key, _ := decoder.Token() // valid, as checked above
		var value any
		if decoder.Decode(&value) != nil {
			return nil, false
		}
		if key == name {
			values = append(values, value)
		}
	}
	return values, true
}

var timestampForms = []struct {
	form   *regexp.Regexp
	layout string
}{
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$`), "2006-01-02T15:04:05.999999999"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`), "2006-01-02T15:04:05.999999999Z"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?[+-]([01]\d|2[0-3]):[0-5]\d$`), "2006-01-02T15:04:05.999999999-07:00"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?[+-]([01]\d|2[0-3])[0-5]\d$`), "2006-01-02T15:04:05.999999999-0700"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]([01]\d|2[0-3])[0-5]\d$`), "2006-01-02 15:04:05 -0700"},
	{regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`), "2006-01-02 15:04:05 UTC"},
}

var epoch = regexp.MustCompile(`^(\d{10}|\d{13})$`)

func parseTimestamp(text string) (time.Time, error) {
	for _, tf := range timestampForms {
		if tf.form.MatchString(text) {
			return time.Parse(tf.layout, text)
		}
	}
	if !epoch.MatchString(text) {
		return time.Time{}, errors.New("no such form")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if len(text) == 10 {
		n *= 1000
	}
	return time.UnixMilli(n), err
}

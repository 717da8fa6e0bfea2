package smilesig_test

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

const negativeFile = "testdata/negative.json"

var update = flag.Bool("update", false, "write "+negativeFile+" anew")

// A negativeCase is one delivery and what must become of it: testdata/README.md
// describes the fields.
type negativeCase struct {
	Group       string             `json:"group"`
	Name        string             `json:"name"`
	Why         string             `json:"why,omitempty"`
	Credentials []vectorCredential `json:"credentials"`
	Now         string             `json:"now"`
	Settings    vectorSettings     `json:"settings"`
	Before      []delivery         `json:"delivered_before,omitempty"`
	delivery
	Expected string `json:"expected"`
	Status   int    `json:"status"`
}

type vectorCredential struct {
	PartnerID string `json:"partner_id"`
	APIKey    string `json:"api_key"`
	Label     string `json:"-"`
}

type vectorSettings struct {
	MaxAge   int   `json:"max_age_seconds"`
	MaxSkew  int   `json:"max_skew_seconds"`
	MaxBytes int64 `json:"max_bytes"`
}

// A delivery has exactly one of the three bodies.
type delivery struct {
	Headers    [][2]string `json:"headers"`
	Body       *string     `json:"body,omitempty"`
	BodyBase64 []byte      `json:"body_base64,omitempty"`
	BodyParts  []bodyPart  `json:"body_parts,omitempty"`
}

type bodyPart struct {
	Text  string `json:"text"`
	Times int    `json:"times"`
}

var errorsByName = map[string]error{
	"accepted": nil, "malformed": smilesig.ErrMalformed, "missing": smilesig.ErrMissing, "signature": smilesig.ErrSignature,
	"stale": smilesig.ErrStale, "future": smilesig.ErrFuture, "replayed": smilesig.ErrReplayed,
	"too_large": smilesig.ErrTooLarge, "encoded": smilesig.ErrEncoded,
}

func (d delivery) body() []byte {
	if d.Body != nil {
		return []byte(*d.Body)
	}
	body := d.BodyBase64
	for _, part := range d.BodyParts {
		body = append(body, strings.Repeat(part.Text, part.Times)...)
	}
	return body
}

// header keeps the names as they are written.
func (d delivery) header() http.Header {
	h := http.Header{}
	for _, nameValue := range d.Headers {
		h[nameValue[0]] = append(h[nameValue[0]], nameValue[1])
	}
	return h
}

func (d delivery) headerValues(name string) (values []any) {
	for _, nameValue := range d.Headers {
		if strings.EqualFold(nameValue[0], name) {
			values = append(values, nameValue[1])
		}
	}
	return values
}

func (c negativeCase) now() time.Time {
	now, err := time.Parse(smilesig.TimestampLayout, c.Now)
	if err != nil {
		panic(err)
	}
	return now
}

func (c negativeCase) verifier(t testing.TB) *smilesig.Verifier {
	t.Helper()
	var credentials []smilesig.Credential
	for _, credential := range c.Credentials {
		credentials = append(credentials, smilesig.Credential(credential))
	}
	return &smilesig.Verifier{
		Signer:   newSigner(t, credentials[0], credentials[1:]...),
		MaxAge:   time.Duration(c.Settings.MaxAge) * time.Second,
		MaxSkew:  time.Duration(c.Settings.MaxSkew) * time.Second,
		MaxBytes: c.Settings.MaxBytes,
		Guard:    new(smilesig.MemoryGuard),
		Now:      at(c.now()),
	}
}

// readNegative reads the file, after writing it if the flag says so.
func readNegative(t *testing.T) (text string, cases []negativeCase) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(negativeFile, []byte(formatNegative(generateNegative())), 0o644))
	}
	content, err := os.ReadFile(negativeFile)
	require.NoError(t, err)
	var file struct{ Cases []negativeCase }
	require.NoError(t, json.Unmarshal(content, &file))
	return string(content), file.Cases
}

// formatNegative writes a case per line, in ASCII so that nothing is invisible.
func formatNegative(cases []negativeCase) string {
	const about = "Deliveries to a Smile ID callback endpoint that a verifier must refuse, and some that it must accept. All keys are made up. README.md beside this file describes the fields."
	var out strings.Builder
	fmt.Fprintf(&out, "{\"about\":%q,\n\"cases\":[", about)
	for i, c := range cases {
		out.WriteString([]string{"\n", ",\n"}[min(i, 1)])
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(c); err != nil {
			panic(err)
		}
		for _, char := range strings.TrimSuffix(line.String(), "\n") {
			if char < utf8.RuneSelf {
				out.WriteRune(char)
				continue
			}
			for _, unit := range utf16.Encode([]rune{char}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
	}
	return out.String() + "\n]}\n"
}

func TestNegativeVectorsAreAsGenerated(t *testing.T) {
	text, cases := readNegative(t)
	want, got := strings.Split(formatNegative(generateNegative()), "\n"), strings.Split(text, "\n")
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], "line %d: run go test -run TestNegativeVectors . -update", i+1)
	}
	require.Len(t, got, len(want), "run go test -run TestNegativeVectors . -update")
	assert.Less(t, len(text), 200_000)

	names, negative := map[string]bool{}, 0
	for _, c := range cases {
		assert.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		if c.Expected != "accepted" {
			negative++
			assert.NotEmpty(t, c.Why, c.Name)
		}
	}
	assert.GreaterOrEqual(t, negative, 80)
	assert.GreaterOrEqual(t, len(cases)-negative, 20, "an endpoint that refuses everything must fail too")
}

func TestNegativeVectors(t *testing.T) {
	_, cases := readNegative(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			want, known := errorsByName[c.Expected]
			require.True(t, known, c.Expected)
			assert.Equal(t, smilesig.StatusCode(want), c.Status)

			v := c.verifier(t)
			for _, before := range c.Before {
				_, err := v.Verify(t.Context(), before.header(), before.body())
				require.NoError(t, err)
			}
			_, err := v.Verify(t.Context(), c.header(), c.body())
			assert.ErrorIs(t, err, want)
			assert.Equal(t, c.Status, smilesig.StatusCode(err))
		})
		t.Run(c.Name+", over HTTP", func(t *testing.T) {
			v, spy := c.verifier(t), new(spyHandler)
			var refusal error
			v.OnReject = func(_ *http.Request, err error) int { refusal = err; return 0 }
			server := serve(t, v.Handler(spy))
			var passed []string
			for _, before := range c.Before {
				passed = append(passed, string(before.body()))
				require.Equal(t, 200, post(t, server.URL, before.header(), bytes.NewReader(before.body())).StatusCode)
			}
			assert.Equal(t, c.Status, post(t, server.URL, c.header(), bytes.NewReader(c.body())).StatusCode)
			assert.ErrorIs(t, refusal, errorsByName[c.Expected])
			if c.Expected == "accepted" {
				passed = append(passed, string(c.body()))
			}
			assert.True(t, slices.Equal(passed, spy.bodies), "the handler gets the exact bytes of what is accepted")
		})
	}
}

// Each case is refused for its reason and no other: decide knows nothing of
// the package.
func TestNegativeVectorsHoldForASecondImplementation(t *testing.T) {
	_, cases := readNegative(t)
	for _, c := range cases {
		assert.Equal(t, c.Expected, c.decide(), c.Name)
	}
}

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
	signatures, timestamps := c.headerValues("Response-Signature"), c.headerValues("Response-Timestamp")
	if len(signatures)+len(timestamps) == 0 {
		var isObject bool
		if signatures, isObject = topLevel(body, "signature"); !isObject {
			return "malformed"
		}
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
		confirmed = confirmed || timestamp != "" && signature == sdkSignature(smilesig.Credential(credential), timestamp)
	}
	if !confirmed {
		return "signature"
	}
	signedAt, err := parseByRegexp(timestamp)
	switch {
	case err != nil || c.now().After(signedAt.Add(time.Duration(c.Settings.MaxAge)*time.Second)):
		return "stale"
	case signedAt.After(c.now().Add(time.Duration(c.Settings.MaxSkew) * time.Second)):
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

// naive verifies as most code out there does: the header if there is one, else a
// struct, then a comparison; no clock, no limit, no guard.
func (c negativeCase) naive(same func(received, own string) bool) bool {
	header := http.Header{}
	for _, nameValue := range c.Headers {
		header.Add(nameValue[0], nameValue[1])
	}
	pair := smilesig.Pair{Signature: header.Get("Response-Signature"), Timestamp: header.Get("Response-Timestamp")}
	if pair.Signature == "" {
		if json.NewDecoder(bytes.NewReader(c.body())).Decode(&pair) != nil {
			return false
		}
	}
	for _, credential := range c.Credentials {
		if same(pair.Signature, sdkSignature(smilesig.Credential(credential), pair.Timestamp)) {
			return true
		}
	}
	return false
}

// What naive verifiers let through stands in the README, as counted here.
func TestNegativeVectorsBite(t *testing.T) {
	_, cases := readNegative(t)
	asText := func(received, own string) bool { return received == own }
	decoded := func(received, own string) bool {
		a, err := base64.StdEncoding.DecodeString(received)
		b, _ := base64.StdEncoding.DecodeString(own)
		return err == nil && hmac.Equal(a, b)
	}
	type count struct{ cases, asText, decoded int }
	counts, all, groups := map[string]*count{}, &count{}, []string{}
	for _, c := range cases {
		if c.Expected == "accepted" {
			continue
		}
		if counts[c.Group] == nil {
			counts[c.Group] = new(count)
			groups = append(groups, c.Group)
		}
		for _, n := range []*count{counts[c.Group], all} {
			n.cases++
			if c.naive(asText) {
				n.asText++
			}
			if c.naive(decoded) {
				n.decoded++
			}
		}
	}
	readme, err := os.ReadFile("testdata/README.md")
	require.NoError(t, err)
	says := func(line string) {
		assert.True(t, strings.Contains(string(readme), line), "README.md should say: %s", line)
	}
	for _, group := range groups {
		n := counts[group]
		says(fmt.Sprintf("| %s | %d | %d | %d |", group, n.cases, n.asText, n.decoded))
	}
	says(fmt.Sprintf("| **all** | **%d** | **%d** | **%d** |", all.cases, all.asText, all.decoded))
	assert.Greater(t, all.asText, all.cases/3)
}

package vectors_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

var update = flag.Bool("update", false, "write negative.json anew")

type credential struct {
	PartnerID string `json:"partner_id"`
	APIKey    string `json:"api_key"`
}

// A vector is a signature that official SDKs made.
type vector struct {
	credential
	Timestamp string `json:"timestamp"`
	Signature string `json:"signature"`
}

// A negativeCase is one delivery and what must become of it: README.md describes
// the fields.
type negativeCase struct {
	Group       string       `json:"group"`
	Name        string       `json:"name"`
	Why         string       `json:"why,omitempty"`
	Credentials []credential `json:"credentials"`
	Now         string       `json:"now"`
	Settings    settings     `json:"settings"`
	Before      []delivery   `json:"delivered_before,omitempty"`
	delivery
	Expected string `json:"expected"`
	Status   int    `json:"status"`
}

type settings struct {
	MaxAge   int   `json:"max_age_seconds"`
	MaxSkew  int   `json:"max_skew_seconds"`
	MaxBytes int64 `json:"max_bytes"`
}

func (s settings) maxAge() time.Duration  { return time.Duration(s.MaxAge) * time.Second }
func (s settings) maxSkew() time.Duration { return time.Duration(s.MaxSkew) * time.Second }

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

func (c negativeCase) verifier() *smilesig.Verifier {
	return &smilesig.Verifier{
		Signer:   newSigner(c.Credentials...),
		MaxAge:   c.Settings.maxAge(),
		MaxSkew:  c.Settings.maxSkew(),
		MaxBytes: c.Settings.MaxBytes,
		Now:      c.now,
	}
}

func newSigner(credentials ...credential) *smilesig.Signer {
	var all []smilesig.Credential
	for _, c := range credentials {
		all = append(all, smilesig.Credential{PartnerID: c.PartnerID, APIKey: c.APIKey})
	}
	signer, err := smilesig.NewSigner(all[0], all[1:]...)
	if err != nil {
		panic(err)
	}
	return signer
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("sdk_vectors.json")
	require.NoError(t, err)
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	return file.Vectors
}

// readNegative reads the file, after writing it if the flag says so.
func readNegative() (text string, cases []negativeCase) {
	if *update {
		if err := os.WriteFile("negative.json", []byte(formatNegative(generateNegative())), 0o644); err != nil {
			panic(err)
		}
	}
	content, err := os.ReadFile("negative.json")
	if err != nil {
		panic(err)
	}
	var file struct{ Cases []negativeCase }
	if err := json.Unmarshal(content, &file); err != nil {
		panic(err)
	}
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

// ---- what the official SDKs sign ----

func TestSDKVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.PartnerID+" at "+v.Timestamp, func(t *testing.T) {
			signer := newSigner(v.credential)
			pair, err := signer.SignTimestamp(v.Timestamp)
			require.NoError(t, err)
			assert.Equal(t, smilesig.Pair{Timestamp: v.Timestamp, Signature: v.Signature}, pair)
			assert.True(t, signer.Confirm(v.Timestamp, v.Signature))

			signedAt, err := smilesig.ParseTimestamp(v.Timestamp)
			require.NoError(t, err)
			verifier := &smilesig.Verifier{Signer: signer, Guard: smilesig.NoGuard, Now: func() time.Time { return signedAt }}
			want := smilesig.Callback{PartnerID: v.PartnerID, Timestamp: v.Timestamp, Time: signedAt, Placement: smilesig.InBody}
			got, err := verifier.Verify(t.Context(), "/callbacks", nil, fmt.Appendf(nil, `{"signature":%q,"timestamp":%q}`, v.Signature, v.Timestamp))
			require.NoError(t, err)
			assert.Equal(t, want, got)

			want.Placement = smilesig.InHeader
			got, err = verifier.Verify(t.Context(), "/callbacks", http.Header{signatureHeader: {v.Signature}, timestampHeader: {v.Timestamp}}, []byte("{}"))
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestSampleCallbacks(t *testing.T) {
	const placeholder = "0000000000000000000000000000000000000000000="
	files, err := filepath.Glob("callbacks/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var members struct{ Timestamp string }
		require.NoError(t, json.Unmarshal(text, &members))
		timestamp := cmp.Or(members.Timestamp, genuineTime)
		signature, header, body := sign(ours, timestamp), http.Header{}, string(text)
		switch filepath.Base(file) {
		case "v3_webhook.json":
			header = http.Header{signatureHeader: {signature}, timestampHeader: {timestamp}}
		case "slash_escaped.json":
			require.Contains(t, signature, "/")
			body = strings.Replace(body, placeholder, strings.ReplaceAll(signature, "/", `\/`), 1)
		default:
			require.Contains(t, body, placeholder, file)
			body = strings.Replace(body, placeholder, signature, 1)
		}
		signedAt, err := smilesig.ParseTimestamp(timestamp)
		require.NoError(t, err)
		for accepted, want := range map[credential]error{ours: nil, theirs: smilesig.ErrSignature} {
			v := &smilesig.Verifier{Signer: newSigner(accepted), Now: func() time.Time { return signedAt }}
			_, err = v.Verify(t.Context(), "/callbacks", header, []byte(body))
			assert.ErrorIs(t, err, want, file)
		}
	}
}

// ---- what an endpoint must refuse ----

func TestNegativeIsAsGenerated(t *testing.T) {
	text, cases := readNegative()
	want, got := strings.Split(formatNegative(generateNegative()), "\n"), strings.Split(text, "\n")
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], "line %d: run go test ./vectors -update", i+1)
	}
	require.Len(t, got, len(want), "run go test ./vectors -update")

	names := map[string]bool{}
	for _, c := range cases {
		assert.False(t, names[c.Name], "two cases have the name %s", c.Name)
		names[c.Name] = true
		assert.True(t, c.Expected == "accepted" || c.Why != "", c.Name)
	}
}

func TestNegative(t *testing.T) {
	_, cases := readNegative()
	for _, c := range cases {
		outcome := func(err error) string { return cmp.Or(smilesig.Reason(err), "accepted") }
		t.Run(c.Name, func(t *testing.T) {
			v := c.verifier()
			for _, before := range c.Before {
				_, err := v.Verify(t.Context(), "/callbacks", before.header(), before.body())
				require.NoError(t, err)
			}
			_, err := v.Verify(t.Context(), "/callbacks", c.header(), c.body())
			assert.Equal(t, c.Expected, outcome(err))
			assert.Equal(t, c.Status, smilesig.StatusCode(err))
		})
		t.Run(c.Name+", over HTTP", func(t *testing.T) {
			v := c.verifier()
			var refusal error
			v.OnReject = func(_ *http.Request, err error) int { refusal = err; return 0 }
			var passed []string
			server := httptest.NewServer(v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				passed = append(passed, string(body))
			})))
			defer server.Close()
			var want []string
			for _, before := range c.Before {
				want = append(want, string(before.body()))
				require.Equal(t, 200, before.post(t, server.URL))
			}
			if c.Expected == "accepted" {
				want = append(want, string(c.body()))
			}
			assert.Equal(t, c.Status, c.post(t, server.URL))
			assert.Equal(t, c.Expected, outcome(refusal))
			assert.True(t, slices.Equal(want, passed), "the handler gets the exact bytes of what is accepted")
		})
	}
}

func (d delivery) post(t *testing.T, url string) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader(d.body()))
	require.NoError(t, err)
	req.Header = d.header()
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	return res.StatusCode
}

func TestNegativeHoldsForASecondImplementation(t *testing.T) {
	_, cases := readNegative()
	for _, c := range cases {
		assert.Equal(t, c.Expected, c.decide(), c.Name)
	}
}

// What the incorrect verifier accepts stands in the README, as counted here.
func TestNegativeCatchesIncorrect(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	plain := strings.ReplaceAll(string(readme), "**", "")
	for row, n := range countAccepted() {
		line := fmt.Sprintf("| %s | %d | %d | %d | %d |", row, n.cases, n.text, n.bytes, n.careful)
		assert.True(t, strings.Contains(plain, line), "README.md should say: %s", line)
	}
}

// A count has the number of cases to be refused, and how many of them each verifier of
// Example_incorrect accepts.
type count struct{ cases, text, bytes, careful, correct int }

// countAccepted counts in each group, and in all of them.
func countAccepted() map[string]*count {
	_, cases := readNegative()
	counts := map[string]*count{}
	for _, c := range cases {
		if c.Expected == "accepted" {
			continue
		}
		for _, row := range []string{c.Group, "all"} {
			if counts[row] == nil {
				counts[row] = new(count)
			}
			counts[row].cases++
			if c.passesIncorrect(equalText) {
				counts[row].text++
			}
			if c.passesIncorrect(equalBytes) {
				counts[row].bytes++
			}
			if c.passesCareful() {
				counts[row].careful++
			}
			if c.passesCorrect() {
				counts[row].correct++
			}
		}
	}
	return counts
}

func (c negativeCase) passesIncorrect(equal func(received, computed string) bool) bool {
	return slices.ContainsFunc(c.Credentials, func(own credential) bool {
		return incorrect(c.canonicalHeader(), c.body(), own, equal)
	})
}

func (c negativeCase) passesCareful() bool {
	return slices.ContainsFunc(c.Credentials, func(own credential) bool {
		return careful(c.canonicalHeader(), c.body(), own, c.Settings, c.now())
	})
}

// canonicalHeader has the names as a server makes them.
func (c negativeCase) canonicalHeader() http.Header {
	header := http.Header{}
	for _, nameValue := range c.Headers {
		header.Add(nameValue[0], nameValue[1])
	}
	return header
}

func (c negativeCase) passesCorrect() bool {
	verifier := c.verifier()
	for _, before := range c.Before {
		correct(before.header(), before.body(), verifier)
	}
	return correct(c.header(), c.body(), verifier)
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

var someTime = time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// A callback is what the tests below receive, signed at someTime.
func callback(t *testing.T, c smilesig.Credential) string {
	t.Helper()
	body, err := newSigner(t, c).Inject([]byte(`{"FullName":"Amara Example"}`), someTime)
	require.NoError(t, err)
	return string(body)
}

func webhookHeaders(t *testing.T, c smilesig.Credential) string {
	t.Helper()
	pair := newSigner(t, c).Sign(someTime)
	return fmt.Sprintf("content-type: application/json\r\nresponse-timestamp: %s\r\nresponse-signature:%s\r\n\r\n", pair.Timestamp, pair.Signature)
}

func lines(credentials ...smilesig.Credential) (text string) {
	for _, c := range credentials {
		text += c.PartnerID + "\t" + c.APIKey + "\n"
	}
	return text
}

// verifyAt receives a callback some time after it was signed.
func verifyAt(after time.Duration, args ...string) call {
	at := someTime.Add(after).Format(smilesig.TimestampLayout)
	return smilesigCommand(append([]string{"verify", "-json", "-at", at}, args...)...)
}

// report runs a call of verify and checks that the exit code fits.
func (c call) report(t *testing.T) (r report) {
	t.Helper()
	code, stdout, stderr := c.run(t)
	require.NoError(t, json.Unmarshal([]byte(stdout), &r), stderr)
	assert.Empty(t, stderr)
	assert.Equal(t, map[bool]int{true: exitDone, false: exitRefused}[r.Accepted], code)
	return r
}

// outcomes is the form, the signatures and the age, without the guard.
func (r report) outcomes() (all []outcome) {
	for _, s := range r.Steps[:len(r.Steps)-1] {
		all = append(all, s.Outcome)
	}
	return all
}

func TestVerify(t *testing.T) {
	t.Parallel()
	genuine := callback(t, ours)
	headers := file(t, webhookHeaders(t, ours))
	forgedHeaders := file(t, webhookHeaders(t, smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-forger"}))
	accepting := []string{"-accept", file(t, "# the old key\n\n"+lines(theirs))}
	pair := newSigner(t, ours).Sign(someTime)
	for _, test := range []struct {
		name     string
		call     call
		status   int
		reason   string
		outcomes []outcome
	}{
		{"genuine", verifyAt(0).reading(genuine), 200, "", []outcome{holds, holds, holds}},
		{"from a file", verifyAt(0, file(t, genuine)), 200, "", []outcome{holds, holds, holds}},
		{"a webhook", verifyAt(0, "-headers", headers).reading(`{"any":"thing"}`), 200, "", []outcome{holds, holds, holds}},
		{"a webhook with its request line", verifyAt(0, "-headers", file(t, "POST /a:b HTTP/1.1\r\n"+webhookHeaders(t, ours))).reading(`{}`), 200, "", []outcome{holds, holds, holds}},
		{"a webhook with a request line of HTTP/1.0", verifyAt(0, "-headers", file(t, "POST / HTTP/1.0\n"+webhookHeaders(t, ours))).reading(`{}`), 200, "", []outcome{holds, holds, holds}},
		{"a webhook with a request line of HTTP/2", verifyAt(0, "-headers", file(t, "POST / HTTP/2.0\n"+webhookHeaders(t, ours))).reading(`{}`), 200, "", []outcome{holds, holds, holds}},
		{"a first header that looks like a request line", verifyAt(0, "-headers", file(t, "Content-Encoding: gzip, HTTP/1.1\n")).reading(genuine), 415, "encoded body: only identity is accepted; if something in front inflates bodies, it must delete the header", []outcome{fails, notChecked, notChecked}},
		{"a webhook's headers on stdin", verifyAt(0, "-headers", "-", file(t, "{}")).reading(webhookHeaders(t, ours)), 200, "", []outcome{holds, holds, holds}},
		{"by the current of two", verifyAt(0, accepting...).reading(genuine), 200, "", []outcome{holds, holds, fails, holds}},
		{"by the other of two", verifyAt(0, accepting...).reading(callback(t, theirs)), 200, "", []outcome{holds, fails, holds, holds}},
		{"a forged webhook with a genuine body", verifyAt(0, "-headers", forgedHeaders).reading(genuine), 401, "signature mismatch", []outcome{holds, fails, notChecked}},

		{"as old as can be", verifyAt(15 * time.Minute).reading(genuine), 200, "", []outcome{holds, holds, holds}},
		{"too old", verifyAt(time.Hour).reading(genuine), 401, "stale: 1h0m0s old, limit 15m0s", []outcome{holds, holds, fails}},
		{"not too old", verifyAt(time.Hour, "-max-age", "1h").reading(genuine), 200, "", []outcome{holds, holds, holds}},
		{"a bit ahead", verifyAt(-time.Minute).reading(genuine), 200, "", []outcome{holds, holds, holds}},
		{"in the future", verifyAt(-time.Hour).reading(genuine), 401, "timestamp in the future: 1h0m0s ahead, limit 1m0s", []outcome{holds, holds, fails}},
		{"not too far in the future", verifyAt(-time.Hour, "-max-skew", "1h").reading(genuine), 200, "", []outcome{holds, holds, holds}},

		{"no JSON", verifyAt(0).reading("Amara"), 400, "malformed: not a JSON object at offset 0", []outcome{fails, notChecked, notChecked}},
		{"no pair", verifyAt(0).reading("{}"), 401, "signature missing: no timestamp", []outcome{fails, notChecked, notChecked}},
		{"half a pair", verifyAt(0).reading(`{"timestamp":"` + someTimestamp + `"}`), 401, "signature missing: no signature", []outcome{fails, notChecked, notChecked}},
		{"half a pair in the headers", verifyAt(0, "-headers", file(t, "Response-Timestamp: "+someTimestamp)).reading(genuine), 401, "signature missing: no signature", []outcome{fails, notChecked, notChecked}},
		{"headers twice", verifyAt(0, "-headers", file(t, webhookHeaders(t, ours)+webhookHeaders(t, ours))).reading(genuine), 400, "malformed: signature or timestamp given more than once", []outcome{fails, notChecked, notChecked}},
		{"encoded", verifyAt(0, "-headers", file(t, "Content-Encoding: gzip\n")).reading(genuine), 415, "encoded body: only identity is accepted; if something in front inflates bodies, it must delete the header", []outcome{fails, notChecked, notChecked}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := test.call.report(t)
			assert.Equal(t, test.status, r.Status)
			assert.Equal(t, test.status == 200, r.Accepted)
			assert.Equal(t, test.reason, r.Detail)
			assert.Equal(t, guardStep, r.Steps[len(r.Steps)-1])
			assert.Equal(t, test.outcomes, r.outcomes())
		})
	}

	t.Run("prints nothing that is secret", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{{"verify"}, {"verify", "-json"}, {"verify", "-headers", headers}, {"verify", "-headers", forgedHeaders}} {
			for _, as := range []smilesig.Credential{ours, theirs, {PartnerID: "85", APIKey: ours.APIKey}} {
				_, stdout, stderr := smilesigCommand(args...).as(as).reading(genuine).run(t)
				for _, secret := range []string{"Amara", pair.Signature, newSigner(t, as).Sign(someTime).Signature} {
					assert.NotContains(t, stdout+stderr, secret)
				}
			}
		}
	})
}

func TestVerifySaysWhatItDidNotLookAt(t *testing.T) {
	t.Parallel()
	genuine := callback(t, ours)
	for _, test := range []struct {
		name   string
		call   call
		reason string
	}{
		{"too large", verifyAt(0).reading(genuine + strings.Repeat(" ", smilesig.DefaultMaxBytes)), "body too large"},
		{"encoded", verifyAt(0, "-headers", file(t, "Content-Encoding: gzip\n")).reading(genuine), "encoded body"},
		{"doubled", verifyAt(0).reading(strings.Replace(genuine, "{", `{"signature":"","timestamp":"",`, 1)), "more than once"},
		{"no pair", verifyAt(0).reading("{}"), "no timestamp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := test.call.report(t)
			assert.Contains(t, r.Detail, test.reason)
			assert.Equal(t, []step{
				{"form", fails, r.Detail},
				{"signature", notChecked, "not checked, because the form fails"},
				{"age", notChecked, "not checked, because the form fails"},
				guardStep,
			}, r.Steps)
		})
	}
}

func TestVerifySaysWhatWouldMatch(t *testing.T) {
	t.Parallel()
	padded, unpadded := ours, ours
	unpadded.PartnerID = "85"
	crossed := smilesig.Credential{PartnerID: ours.PartnerID, APIKey: theirs.APIKey}
	named := smilesig.Credential{PartnerID: "partner-085", APIKey: ours.APIKey}
	zeros := smilesig.Credential{PartnerID: "000", APIKey: ours.APIKey}
	for _, test := range []struct {
		name       string
		configured smilesig.Credential
		flag       string // what theirs is given as
		signedBy   smilesig.Credential
		want       []candidate
	}{
		{"configured padded", padded, "", unpadded, []candidate{{"85", "current"}}},
		{"configured unpadded", unpadded, "", padded, []candidate{{"085", "current"}}},
		{"configured with one zero for three", smilesig.Credential{PartnerID: "0", APIKey: ours.APIKey}, "", zeros, []candidate{{"000", "current"}}},
		{"of a credential that is only tried", ours, "-try", theirs, []candidate{{"2343", "tried 1"}}},
		{"padded to five digits, which nobody has", ours, "-try", smilesig.Credential{PartnerID: "02343", APIKey: theirs.APIKey}, nil},
		{"our ID with the key that is tried", ours, "-try", crossed, []candidate{{"085", "tried 1"}}},
		{"our ID with the other accepted key", ours, "-accept", crossed, []candidate{{"085", "accepted 1"}}},
		{"a key that is given twice", crossed, "-accept", smilesig.Credential{PartnerID: "85", APIKey: theirs.APIKey}, []candidate{{"85", "current"}}},
		{"an ID that is no number", named, "", unpadded, nil},
		{"a key that nobody has", ours, "-accept", smilesig.Credential{PartnerID: "085", APIKey: "nobody's"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := verifyAt(0).as(test.configured)
			if test.flag != "" {
				c.args = append(c.args, test.flag, file(t, lines(theirs)))
			}
			r := c.reading(callback(t, test.signedBy)).report(t)
			assert.False(t, r.Accepted)
			assert.Equal(t, 401, r.Status)
			assert.Equal(t, test.want, r.WouldMatch)
			assert.NotEmpty(t, r.Advice)
		})
	}
}

// No SDK signs a text that is no timestamp. But nothing stands between timestamp
// and partner ID in the signed message, so a pair of 085 is also one of 85 for the
// same timestamp with a 0 behind it.
func TestVerifyFailsTheAgeOfATextThatIsNoTimestamp(t *testing.T) {
	t.Parallel()
	pair := newSigner(t, ours).Sign(someTime)
	body := fmt.Sprintf(`{"timestamp":%q,"signature":%q}`, pair.Timestamp+"0", pair.Signature)
	r := verifyAt(0).as(smilesig.Credential{PartnerID: "85", APIKey: ours.APIKey}).reading(body).report(t)
	assert.Equal(t, []outcome{holds, holds, fails}, r.outcomes())
	assert.Equal(t, "stale: confirmed, but not a timestamp that Smile ID writes", r.Detail)
	assert.Equal(t, "stale", r.Reason)
}

func TestVerifyPrintsText(t *testing.T) {
	t.Parallel()
	at := someTime.Add(90 * time.Second).Format(smilesig.TimestampLayout)
	body := callback(t, ours)
	assert.Equal(t, `form       holds        the pair is in the body, as in v1 and v2
signature  holds        current: partner ID 085
age        holds        1m30s old, limit 15m0s
guard      not checked  a server with a guard refuses a second body with the same pair
accepted (HTTP 200)
`, smilesigCommand("verify", "-at", at).reading(body).output(t))

	code, stdout, _ := smilesigCommand("verify", "-at", at, "-partner", "85").reading(body).run(t)
	assert.Equal(t, exitRefused, code)
	assert.Equal(t, `form       holds        the pair is in the body, as in v1 and v2
signature  fails        current: partner ID 85
age        not checked  no signature confirms the timestamp, so anyone can have written it
guard      not checked  a server with a guard refuses a second body with the same pair
hint       would match  partner ID 085 with the key of current
hint                    configure the partner ID and the key together, exactly as they are in the portal
refused: signature mismatch (HTTP 401)
`, stdout)
}

func TestVerifyTriesManyCredentials(t *testing.T) {
	t.Parallel()
	var tried []smilesig.Credential
	for i := range 2000 {
		tried = append(tried, smilesig.Credential{PartnerID: fmt.Sprint(1000 + i), APIKey: fmt.Sprint("made-up-key-", i), Label: fmt.Sprint("tried ", i+1)})
	}
	e := examiner{now: someTime, maxAge: time.Hour, maxSkew: time.Hour, tried: tried, accepted: []smilesig.Credential{ours}}
	e.body = []byte(callback(t, tried[1999]))
	r := e.examine(t.Context())
	assert.Equal(t, []candidate{{"2999", "tried 2000"}}, r.WouldMatch)
}

func TestVerifyAdvises(t *testing.T) {
	t.Parallel()
	escaped := strings.ReplaceAll(webhookHeaders(t, ours), "/", `\/`)
	require.Contains(t, escaped, `\/`, "the signature has a slash")
	for name, test := range map[string]struct {
		call   call
		advice string
	}{
		"pasted from JSON": {verifyAt(0, "-headers", file(t, escaped)).reading("{}"), `\/`},
		"legacy":           {verifyAt(0).reading(`{"sec_key":"a|b","timestamp":1704164645678}`), "legacy scheme"},
		"legacy alone":     {verifyAt(0).reading(`{"sec_key":"a|b"}`), "not support"},
	} {
		r := test.call.report(t)
		assert.False(t, r.Accepted, name)
		assert.Contains(t, r.Advice, test.advice, name)
	}
	assert.Empty(t, verifyAt(0).reading("{}").report(t).Advice)
	assert.Empty(t, verifyAt(0).reading(strings.Replace(callback(t, ours), "{", `{"sec_key":"",`, 1)).report(t).Advice, "it is accepted")
}

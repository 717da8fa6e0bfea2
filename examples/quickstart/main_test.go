package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/standin"
)

func TestItsLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(&out))
	assert.Equal(t, `200  Basic KYC request, signed in its JSON: accepted
400  the same request without the Transport, not signed: refused
200  biometric job: /v1/upload, signed in its JSON: accepted
200  biometric job: zip put to another origin, untouched: accepted
200  biometric job: its signed callback came to its own URL: verified, decided
200  multipart selfie request, signed in its headers: accepted
200  v3 token, with the job's callback URL bound into it: accepted
202  v3 enhanced KYC with that token, not signed: accepted
200  v3 webhook, the pair in its headers, at the job's URL: verified, decided
401  callback signed with another key: refused
401  callback signed yesterday: refused
200  callback delivered: verified, decided
200  the same bytes delivered again, as after a lost answer: verified
503  its genuine pair with another body: refused by the replay guard
404  its genuine pair and body at a guessed URL of another job: refused
503  its genuine pair and body at the true URL of another job: refused by the replay guard
409  a new genuine callback at the true URL of another job: refused by our handler
202  a provisional result: acknowledged, waits for the next one
202  a result that nobody knows: acknowledged, waits for a person
`, out.String())
}

func TestItStopsAtWhatIsNotExpected(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := play(&out, []step{
		{200, "first", func() (int, error) { return 200, nil }},
		{401, "second", func() (int, error) { return 200, nil }},
		{200, "third", func() (int, error) { return 200, nil }},
	})
	assert.EqualError(t, err, "second: status 200, expected 401")
	assert.Equal(t, "200  first\n", out.String())
	assert.ErrorIs(t, play(&out, []step{{200, "fourth", func() (int, error) { return 0, io.EOF }}}), io.EOF)
}

// toStandIn sends what is for the sandbox to a stand-in.
type toStandIn struct{ origin string }

func (to toStandIn) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	u, err := url.Parse(to.origin + req.URL.Path)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = u, u.Host
	return http.DefaultTransport.RoundTrip(req)
}

func TestLive(t *testing.T) {
	t.Parallel()
	smileID := standin.New(t, smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"})
	for _, test := range []struct{ key, line, fault string }{
		{"made-up-key-of-a-partner", "200  /v1/job_status of the sandbox, code \"2302\"\n", ""},
		{"another-key-of-a-partner", "400  /v1/job_status of the sandbox, code \"2205\"\n", "does not accept"},
		{"", "", "the API key is empty"},
	} {
		var out strings.Builder
		getenv := func(name string) string {
			return map[string]string{"SMILE_PARTNER_ID": "085", "SMILE_API_KEY": test.key}[name]
		}
		err := live(&out, getenv, toStandIn{smileID.URL})
		assert.Equal(t, test.line, out.String())
		if test.fault == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.fault)
		}
	}
}

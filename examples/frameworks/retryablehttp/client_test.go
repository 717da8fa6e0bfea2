package retryablehttp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/standin"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"}

const jobStatus = `{"partner_id":"085","user_id":"user-1","job_id":"job-1"}`

// A recorder is below the Transport, where requests are signed.
type recorder struct{ pairs []smilesig.Pair }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	var pair smilesig.Pair
	if err := json.NewDecoder(body).Decode(&pair); err != nil {
		return nil, err
	}
	r.pairs = append(r.pairs, pair)
	return http.DefaultTransport.RoundTrip(req)
}

func TestEachAttemptIsSignedAfresh(t *testing.T) {
	t.Parallel()
	smileID := standin.New(t, credential)
	var requests atomic.Int32
	overloadedOnce := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		smileID.ServeHTTP(w, r)
	}))
	t.Cleanup(overloadedOnce.Close)
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	var sent recorder
	client := NewClient(&smilesig.Transport{Signer: signer, Base: &sent, Origins: []string{overloadedOnce.URL}, ConfirmResponses: true})
	response, err := client.Post(overloadedOnce.URL+"/v1/job_status", "application/json", strings.NewReader(jobStatus))
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)

	require.Len(t, sent.pairs, 2)
	assert.Less(t, sent.pairs[0].Timestamp, sent.pairs[1].Timestamp)
	for _, pair := range sent.pairs {
		assert.True(t, signer.Confirm(pair.Timestamp, pair.Signature))
	}
}

func TestRefusalIsNotRetried(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		refusal error
		path    string // behind the stand-in's URL in Origins
		body    string
		answer  standin.Tampering
		sent    int
	}{
		{smilesig.ErrPartner, "", `{"partner_id":"86"}`, standin.Untampered, 0},
		{smilesig.ErrMalformed, "", `[]`, standin.Untampered, 0},
		{smilesig.ErrConfig, "/v1", jobStatus, standin.Untampered, 0},
		{smilesig.ErrOrigin, "0", jobStatus, standin.Untampered, 0}, // another port
		{smilesig.ErrSignature, "", jobStatus, standin.WrongPair, 1},
		{smilesig.ErrMissing, "", jobStatus, standin.NoPair, 1},
	} {
		smileID := standin.New(t, credential)
		smileID.Answers = test.answer
		signer, err := smilesig.NewSigner(credential)
		require.NoError(t, err)
		client := NewClient(&smilesig.Transport{
			Signer:           signer,
			Origins:          []string{smileID.URL + test.path},
			ConfirmResponses: true,
		})
		attempts := 0
		retries := client.Transport.(*retryablehttp.RoundTripper).Client
		retries.RequestLogHook = func(retryablehttp.Logger, *http.Request, int) { attempts++ }
		_, err = client.Post(smileID.URL+"/v1/job_status", "application/json", strings.NewReader(test.body))
		assert.ErrorIs(t, err, test.refusal)
		assert.Len(t, smileID.Requests(), test.sent)
		assert.Equal(t, 1, attempts)
	}
}

package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/standin"
)

func TestTwoAttemptsWithTwoTimestamps(t *testing.T) {
	t.Parallel()
	attempts, err := run()
	require.NoError(t, err)
	require.Len(t, attempts, 2)
	first, second := attempts[0], attempts[1]
	assert.Equal(t, http.StatusServiceUnavailable, first.status)
	assert.Equal(t, http.StatusOK, second.status)
	assert.Less(t, first.signed.Timestamp, second.signed.Timestamp)
	assert.NotEqual(t, first.signed.Signature, second.signed.Signature)

	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	assert.True(t, signer.Confirm(first.signed.Timestamp, first.signed.Signature))
	assert.True(t, signer.Confirm(second.signed.Timestamp, second.signed.Signature))
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
		client := newClient(&smilesig.Transport{
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

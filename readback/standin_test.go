package readback_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A Reader in front of the stand-in for Smile ID, which was written apart from it.
func TestAJobOfTheStandIn(t *testing.T) {
	smileID := standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always() })
	signer := newSigner(t)
	reader := &readback.Reader{Signer: signer, Origin: smileID.URL}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}

	body := `{"partner_id":"085","partner_params":{"job_type":5,"job_id":"job-1","user_id":"user-1"}}`
	response, err := client.Post(smileID.URL+"/v1/async_id_verification", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	response.Body.Close()
	_, err = reader.JobStatus(t.Context(), "user-1", "job-1")
	require.ErrorIs(t, err, readback.ErrPending)

	for outcome, want := range map[smilesigtest.Outcome]result.Outcome{
		smilesigtest.Approved: result.Approved, smilesigtest.Declined: result.Rejected, smilesigtest.Failed: result.NoVerdict,
	} {
		require.NoError(t, smileID.Conclude(smileID.Jobs()[0].ID, outcome))
		got, err := reader.JobStatus(t.Context(), "user-1", "job-1")
		require.NoError(t, err)
		assert.Equal(t, want, got.Outcome)
	}
	_, err = reader.JobStatus(t.Context(), "user-1", "job-2")
	require.ErrorIs(t, err, readback.ErrPending)
}

func TestATamperingStandIn(t *testing.T) {
	for tampering, want := range map[standin.Tampering]error{
		standin.WrongPair: smilesig.ErrSignature, standin.UnkeyedHash: smilesig.ErrSignature, standin.NoPair: smilesig.ErrMissing,
	} {
		smileID := standin.New(t, credential, func(s *standin.Server) { s.Answers = tampering })
		reader := &readback.Reader{Signer: newSigner(t), Origin: smileID.URL}
		_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
		require.ErrorIs(t, err, want)
	}
}

func TestAJobOfTheStandInInV3(t *testing.T) {
	smileID := standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always() })
	signer := newSigner(t)
	reader := &readback.Reader{Signer: signer, Origin: smileID.URL}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}

	_, err := reader.Status(t.Context(), v3Job)
	require.ErrorIs(t, err, readback.ErrNotFound)

	var token struct{ Token string }
	response, err := client.Post(smileID.URL+"/v3/token", "", nil)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(response.Body).Decode(&token))
	response.Body.Close()
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	require.NoError(t, parts.WriteField("user_id", "user-1"))
	require.NoError(t, parts.WriteField("callback_url", "https://localhost/callbacks"))
	require.NoError(t, parts.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, smileID.URL+"/v3/enhanced_kyc", &form)
	require.NoError(t, err)
	request.Header.Set("Content-Type", parts.FormDataContentType())
	request.Header.Set("SmileID-Token", token.Token)
	response, err = client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusAccepted, response.StatusCode)

	id := smileID.Jobs()[0].ID
	_, err = reader.Status(t.Context(), id)
	require.ErrorIs(t, err, readback.ErrPending)
	require.NoError(t, smileID.Conclude(id, smilesigtest.Approved))
	got, err := reader.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, result.Approved, got.Outcome)
	assert.Equal(t, "user-1", got.UserID)
	tokens := 0
	for _, r := range smileID.Requests() {
		if r.Path == "/v3/token" {
			tokens++
		}
	}
	assert.Equal(t, 2, tokens, "one of them is the client's")
}

// Another key than Smile ID's.
func TestAWrongKey(t *testing.T) {
	smileID := standin.New(t, credential)
	signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "another-made-up-key"})
	require.NoError(t, err)
	reader := &readback.Reader{Signer: signer, Origin: smileID.URL}
	_, err = reader.JobStatus(t.Context(), "user-1", "job-1")
	refused := new(readback.RefusedError)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusBadRequest, refused.Status)
	assert.Regexp(t, `^2[0-9]{3}$`, refused.Code)
	_, err = reader.Status(t.Context(), v3Job)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusUnauthorized, refused.Status)
	assert.NotContains(t, err.Error(), "another-made-up-key")
}

package interop

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A smileID is the stand-in behind TLS and behind a Verifier: what reaches it,
// our Verifier has accepted.
type smileID struct {
	*standin.Server
	tls      *httptest.Server
	caFile   string // the certificate that Node is to trust
	callback string // the URL of a callback handler behind a Verifier
}

func newSmileID(t *testing.T, c smilesig.Credential) smileID {
	t.Helper()
	verifier := &smilesig.Verifier{
		Signer: newSigner(t, c),
		Guard:  smilesig.NoGuard, // the SDK signs two requests in one millisecond at times
		OnReject: func(r *http.Request, err error) int {
			t.Logf("%s %s: %v", r.Method, r.URL.Path, err)
			return 0
		},
	}
	callbacks := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(callbacks.Close)
	standIn := standin.New(t, c, func(s *standin.Server) {
		s.Outcomes = smilesigtest.Always(smilesigtest.Approved) // at once, so that the SDK asks once
	})
	tls := httptest.NewTLSServer(verifier.Handler(standIn))
	t.Cleanup(tls.Close)

	caFile := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	require.NoError(t, os.WriteFile(caFile, certificate, 0o600))
	return smileID{standIn, tls, caFile, callbacks.URL + "/callbacks"}
}

type requestsInput struct {
	PartnerID   string   `json:"partner_id"`
	APIKey      string   `json:"api_key"`
	Server      string   `json:"server"`
	CallbackURL string   `json:"callback_url"`
	Calls       []string `json:"calls"`
}

// A result is what a call of the SDK resolved to, or why it was rejected.
type result struct {
	Name   string
	Answer map[string]any
	Error  string
	Status int
}

// call runs the SDK's calls one after the other.
func (s smileID) call(t *testing.T, c smilesig.Credential, calls ...string) (results []result) {
	t.Helper()
	in := requestsInput{
		PartnerID: c.PartnerID, APIKey: c.APIKey, Calls: calls,
		Server: s.tls.URL + "/v1", CallbackURL: s.callback,
	}
	runNode(t, "requests.js", in, &results, "NODE_EXTRA_CA_CERTS="+s.caFile)
	require.Len(t, results, len(calls))
	return results
}

func TestRequestsOfTheSDKAreAccepted(t *testing.T) {
	t.Parallel()
	c := credentials[0]
	server := newSmileID(t, c)
	results := server.call(t, c,
		"IDApi.submit_job", "IDApi.submit_job business", "IDApi.submitAsyncjob", "IDApi.submitAsyncjob business",
		"IDApi.pollJobStatus", "WebApi.submit_job", "WebApi.submit_job ID", "WebApi.get_job_status",
		"WebApi.get_web_token", "Utilities.get_job_status")
	for _, r := range results {
		assert.Empty(t, r.Error, r.Name)
		assert.NotEmpty(t, r.Answer, r.Name)
		if strings.HasPrefix(r.Name, "IDApi.submit_job") {
			assert.NotEmpty(t, r.Answer["ResultType"], r.Name)
		}
	}

	var paths []string
	for _, r := range server.Requests() {
		paths = append(paths, r.Method+" "+withoutRandom.ReplaceAllString(r.Path, "/…/"))
		assert.Equal(t, "accepted", r.Verdict, r.Path)
	}
	assert.Equal(t, []string{
		"POST /v1/id_verification", "POST /v1/business_verification",
		"POST /v1/async_id_verification", "POST /v1/async_business_verification", "POST /v1/job_status",
		"POST /v1/upload", "PUT /…/selfie.zip", "POST /v1/job_status",
		"POST /v1/id_verification", "POST /v1/job_status", "POST /v1/token", "POST /v1/job_status",
	}, paths)

	server.Wait()
	deliveries := server.Deliveries()
	require.Len(t, deliveries, 3, "two asynchronous jobs and the upload")
	for _, d := range deliveries {
		assert.Equal(t, []int{http.StatusOK}, d.Statuses)
	}
}

var withoutRandom = regexp.MustCompile(`^/[A-Z2-7]{26}/`)

func TestTheSDKUploadsAZip(t *testing.T) {
	t.Parallel()
	server := newSmileID(t, credentials[0])
	results := server.call(t, credentials[0], "WebApi.submit_job")
	require.Empty(t, results[0].Error)
	assert.Equal(t, true, results[0].Answer["job_complete"])

	require.Len(t, server.Requests(), 3)
	upload := server.Requests()[1]
	require.Equal(t, http.MethodPut, upload.Method)
	archive, err := zip.NewReader(bytes.NewReader(upload.Body), int64(len(upload.Body)))
	require.NoError(t, err)
	file, err := archive.Open("info.json")
	require.NoError(t, err)
	var info struct {
		Misc struct {
			PartnerID string `json:"smile_client_id"`
		} `json:"misc_information"`
	}
	require.NoError(t, json.NewDecoder(file).Decode(&info))
	assert.Equal(t, credentials[0].PartnerID, info.Misc.PartnerID)
}

func TestRequestsOfTheSDKWithAnotherKeyAreRefused(t *testing.T) {
	t.Parallel()
	server := newSmileID(t, credentials[0])
	thief := smilesig.Credential{PartnerID: credentials[0].PartnerID, APIKey: "another-made-up-key"}
	results := server.call(t, thief,
		"IDApi.submit_job", "IDApi.submitAsyncjob", "IDApi.pollJobStatus",
		"WebApi.submit_job", "WebApi.get_web_token", "WebApi.get_job_status")
	for _, r := range results {
		assert.Equal(t, http.StatusUnauthorized, r.Status, "%s: %s", r.Name, r.Error)
	}
	assert.Empty(t, server.Requests())
}

func TestTheSDKConfirmsJobStatusAnswers(t *testing.T) {
	t.Parallel()
	const unconfirmed = "Unable to confirm validity of the job_status response"
	for _, test := range []struct {
		name      string
		tampering standin.Tampering
		want      string // the SDK's error
	}{
		{"genuine", standin.Untampered, ""},
		{"signed with another key", standin.WrongPair, unconfirmed},
		{"hash without a key", standin.UnkeyedHash, unconfirmed},
		{"no pair", standin.NoPair, "Invalid time value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newSmileID(t, credentials[0])
			server.Answers = test.tampering
			for _, r := range server.call(t, credentials[0], "WebApi.get_job_status", "Utilities.get_job_status") {
				assert.Equal(t, test.want, r.Error, r.Name)
				assert.Equal(t, test.want == "", r.Answer != nil, r.Name)
			}
			assert.Len(t, server.Requests(), 2, "all were asked and answered")
		})
	}
}

package standin_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A v3Client asks as Smile ID's v3 SDKs do: over https, multipart, JSON parts with
// a Content-Type of their own, through a Transport that leaves it alone.
type v3Client struct {
	t testing.TB
	s *standin.Server
	*http.Client
	token string
}

func newV3Client(t testing.TB, configure ...func(*standin.Server)) *v3Client {
	t.Helper()
	s, err := standin.StartTLS("127.0.0.1:0", credential, configure...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	client := newClient(t, s.URL)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	transport := client.Transport.(*smilesig.Transport)
	transport.ConfirmResponses = true
	transport.Base.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	c := &v3Client{t: t, s: s, Client: client}
	c.token = c.newToken(nil)
	return c
}

func (c *v3Client) newToken(parts map[string]string) string {
	c.t.Helper()
	req := c.request("/v3/token", parts)
	if parts == nil {
		req = newRequest(c.t, http.MethodPost, c.s.URL+"/v3/token", "", "")
	}
	req.Header.Del("SmileID-Token")
	req.Header.Set("smileid-partner-id", "85")
	req.Header.Set("smileid-api-key", credential.APIKey)
	a := do(c.t, c.Client, req)
	require.Equal(c.t, http.StatusOK, a.status, "%v", a.body)
	return a.body["token"].(string)
}

func (c *v3Client) request(path string, parts map[string]string) *http.Request {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", name)}}
		if strings.HasPrefix(value, "{") {
			header.Set("Content-Type", "application/json")
		}
		part, err := w.CreatePart(header)
		require.NoError(c.t, err)
		part.Write([]byte(value))
	}
	photo, err := w.CreateFormFile("selfie_image", "selfie.jpg")
	require.NoError(c.t, err)
	photo.Write([]byte("a photo"))
	require.NoError(c.t, w.Close())
	req := newRequest(c.t, http.MethodPost, c.s.URL+path, w.FormDataContentType(), body.String())
	req.Header.Set("SmileID-Token", c.token)
	return req
}

func (c *v3Client) post(path string, parts map[string]string) answer {
	c.t.Helper()
	return do(c.t, c.Client, c.request(path, parts))
}

func (c *v3Client) get(path string) answer {
	c.t.Helper()
	req := newRequest(c.t, http.MethodGet, c.s.URL+path, "", "")
	req.Header.Set("SmileID-Token", c.token)
	return do(c.t, c.Client, req)
}

func TestV3Token(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for _, test := range []struct {
		partner, key, contentType, body string
		status                          int
		verdict                         string
	}{
		{"85", credential.APIKey, "", "", 200, "accepted"},
		{"085", credential.APIKey, "", "", 400, "smileid-partner-id must be numeric with no leading zeros."},
		{"", credential.APIKey, "", "", 400, "smileid-partner-id header is required."},
		{"85", "", "", "", 400, "smileid-api-key header is required."},
		{"86", credential.APIKey, "", "", 401, "another partner"},
		{"85", "another-key", "", "", 401, "another API key"},
		{"85", credential.APIKey, "application/json", "{}", 415, "Unsupported Media Type. Required Content-Type is multipart/form-data"},
	} {
		req := newRequest(t, http.MethodPost, s.URL+"/v3/token", test.contentType, test.body)
		req.Header.Set("smileid-partner-id", test.partner)
		req.Header.Set("smileid-api-key", test.key)
		a := do(t, http.DefaultClient, req)
		assert.Equal(t, test.status, a.status, test.verdict)
		assert.Equal(t, test.verdict, last(t, s).Verdict)
		assert.NotContains(t, fmt.Sprint(last(t, s).Header), credential.APIKey)
		if test.status != 200 {
			assert.Equal(t, http.StatusText(test.status), a.body["status"], "the envelope")
			assert.NotEmpty(t, a.body["message"])
		}
	}
}

func TestV3TokenSaysWhenItExpires(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	parts := strings.Split(c.newToken(map[string]string{
		"product": "enhanced_kyc", "user_id": "user-1",
		"payload": `{"country":"NG","id_number":"00000000000","callback_url":"https://127.0.0.1:1/job-1"}`,
	}), ".")
	require.Len(t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims struct {
		Exp     int64
		Iss     string
		Payload map[string]string
	}
	require.NoError(t, json.Unmarshal(text, &claims))
	assert.Contains(t, claims.Iss, "made up")
	assert.InDelta(t, time.Now().Add(15*time.Minute).Unix(), claims.Exp, 60)
	assert.Equal(t, "NG", claims.Payload["country"])
	assert.Regexp(t, "^callback_[0-9a-hjkmnp-tv-z]{26}$", claims.Payload["callback_url"])
	assert.Regexp(t, "^pii_[0-9a-hjkmnp-tv-z]{26}$", claims.Payload["id_number"])
	for _, payload := range []string{`[]`, `{"callback_url":"/path"}`, `{"callback_url":""}`, `{"callback_url":"https://evil.example/"}`} {
		req := c.request("/v3/token", map[string]string{"payload": payload})
		req.Header.Set("smileid-partner-id", "85")
		req.Header.Set("smileid-api-key", credential.APIKey)
		a := do(t, c.Client, req)
		assert.Equal(t, http.StatusBadRequest, a.status, payload)
	}
}

func TestV3TokensThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	genuine := c.token
	for token, verdict := range map[string]string{
		"":                   "no SmileID-Token",
		"token":              "a token that is not from this stand-in",
		genuine + "x":        "a token that is not from this stand-in",
		"x" + genuine:        "a token that is not from this stand-in",
		newV3Client(t).token: "a token that is not from this stand-in",
		genuine[:strings.LastIndex(genuine, ".")]: "a token that is not from this stand-in",
	} {
		c.token = token
		assert.Equal(t, http.StatusUnauthorized, c.post("/v3/enhanced_kyc", nil).status)
		assert.Equal(t, verdict, last(t, c.s).Verdict)
		for _, path := range []string{"/v3/aml/sync", "/v3/replay/job_1", "/v3/users/user-1/report_fraud"} {
			assert.Equal(t, http.StatusUnauthorized, c.post(path, nil).status, path)
		}
		assert.Equal(t, http.StatusUnauthorized, c.get("/v3/status/job_1").status)
		assert.Equal(t, http.StatusUnauthorized, c.get("/v3/services/id_status").status)
	}
	c.token = genuine
	c.s.Now = func() time.Time { return time.Now().Add(15 * time.Minute) }
	assert.Equal(t, http.StatusUnauthorized, c.post("/v3/enhanced_kyc", nil).status)
	assert.Equal(t, "the token has expired", last(t, c.s).Verdict)
}

// newV3Partner is a partner's server over https, behind a Verifier.
func newV3Partner(t testing.TB) (url string, received <-chan *http.Request) {
	t.Helper()
	verifier, _ := newVerifier(t)
	verifier.Guard = new(smilesig.MemoryGuard)
	requests := make(chan *http.Request, 16)
	partner := httptest.NewTLSServer(verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kept := r.Clone(t.Context())
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		kept.Body = http.NoBody
		kept.PostForm = map[string][]string{"body": {body.String()}}
		requests <- kept
	})))
	t.Cleanup(partner.Close)
	return partner.URL, requests
}

func TestV3SendsAWebhook(t *testing.T) {
	t.Parallel()
	for path, product := range map[string]string{
		"/v3/enhanced_kyc": "enhanced_kyc", "/v3/biometric_kyc": "biometric_kyc", "/v3/document_verification": "document_verification",
		"/v3/enhanced_document_verification": "enhanced_document_verification", "/v3/aml": "one_time_aml",
		"/v3/residency_document_verification": "residency_document_verification", "/v3/registration": "smart_selfie_registration",
		"/v3/authentication": "smart_selfie_authentication", "/v3/compare": "smart_selfie_compare",
	} {
		c := newV3Client(t)
		url, received := newV3Partner(t)
		a := c.post(path, map[string]string{
			"callback_url": url + "/callbacks", "user_details": `{"given_names":"Amina"}`, "partner_params": `{"mine":"1"}`, "user_id": "user-1",
		})
		require.Equal(t, http.StatusAccepted, a.status)
		assert.Equal(t, "accepted", a.body["status"])
		assert.Regexp(t, "^job_[0-9a-hjkmnp-tv-z]{26}$", a.body["job_id"])
		assert.Equal(t, "user-1", a.body["user_id"])
		c.s.Wait()
		webhook := <-received
		assert.Equal(t, a.body["job_id"], webhook.Header.Get("Job-ID"))
		assert.Equal(t, "user-1", webhook.Header.Get("User-ID"))
		assert.NotEmpty(t, webhook.Header.Get("Api-Version"))
		var body struct {
			Status, Product string
			PartnerParams   map[string]string `json:"partner_params"`
			JobID           string            `json:"job_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(webhook.PostForm.Get("body")), &body))
		assert.Equal(t, "clear", body.Status)
		assert.Equal(t, product, body.Product)
		assert.Equal(t, "1", body.PartnerParams["mine"])
		assert.Equal(t, product == "enhanced_kyc", body.JobID == a.body["job_id"])
		assert.Equal(t, product != "enhanced_kyc" && product != "one_time_aml", body.PartnerParams["job_id"] == a.body["job_id"])
		assert.NotContains(t, webhook.PostForm.Get("body"), "ResultCode")
	}
}

func TestV3OutcomesStatusAndReplay(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, func(s *standin.Server) {
		s.Outcomes = func(j smilesigtest.Job) []smilesigtest.Outcome {
			if strings.Contains(string(j.PartnerParams), "sandbox_result") {
				return []smilesigtest.Outcome{smilesigtest.Declined}
			}
			return nil
		}
	})
	url, received := newV3Partner(t)
	declined := c.post("/v3/biometric_kyc", map[string]string{"callback_url": url, "sandbox_result": "1"}).body["job_id"].(string)
	c.s.Wait()
	assert.Contains(t, (<-received).PostForm.Get("body"), `"status":"block"`)
	status := c.get("/v3/status/" + declined)
	assert.Equal(t, http.StatusOK, status.status)
	assert.Equal(t, "block", status.body["status"])

	replay := c.post("/v3/replay/"+declined, nil)
	assert.Equal(t, http.StatusAccepted, replay.status)
	assert.Equal(t, declined, replay.body["job_id"])
	c.s.Wait()
	assert.Equal(t, declined, (<-received).Header.Get("Job-ID"))
	elsewhere, receivedElsewhere := newV3Partner(t)
	c.post("/v3/replay/"+declined, map[string]string{"callback_url": elsewhere})
	c.s.Wait()
	assert.Equal(t, declined, (<-receivedElsewhere).Header.Get("Job-ID"))

	pending := c.post("/v3/enhanced_kyc", map[string]string{"callback_url": url}).body["job_id"].(string)
	status = c.get("/v3/status/" + pending)
	assert.Equal(t, http.StatusAccepted, status.status)
	assert.Equal(t, "processing", status.body["status"])
	assert.Equal(t, http.StatusConflict, c.post("/v3/replay/"+pending, nil).status)
	require.NoError(t, c.s.Conclude(pending, smilesigtest.Failed))
	c.s.Wait()
	assert.Equal(t, "error", c.get("/v3/status/" + pending).body["status"])

	unknown := "job_" + strings.Repeat("0", 26)
	status = c.get("/v3/status/" + unknown)
	assert.Equal(t, http.StatusNotFound, status.status)
	assert.Equal(t, "not_found", status.body["status"])
	assert.Equal(t, http.StatusNotFound, c.post("/v3/replay/"+unknown, nil).status)

	nowhere := c.post("/v3/biometric_kyc", map[string]string{"sandbox_result": "1", "callback_url": "https://partner.example/"})
	assert.Contains(t, last(t, c.s).Verdict, "another machine")
	assert.Equal(t, http.StatusBadRequest, c.post("/v3/replay/"+nowhere.body["job_id"].(string), nil).status)
}

func TestV3ABoundCallbackURLCounts(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	bound, received := newV3Partner(t)
	other, receivedOther := newV3Partner(t)
	c.token = c.newToken(map[string]string{"payload": `{"callback_url":"` + bound + `/job-1"}`})
	c.post("/v3/enhanced_kyc", map[string]string{"callback_url": other})
	c.s.Wait()
	assert.Equal(t, "/job-1", (<-received).URL.Path)
	assert.Empty(t, receivedOther)
}

func TestV3SynchronousAnswersAreSigned(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	for path, product := range map[string]string{"/v3/aml/sync": "one_time_aml", "/v3/enhanced_kyc/sync": "enhanced_kyc"} {
		response, err := c.Do(c.request(path, map[string]string{"callback_url": "https://127.0.0.1:1/"}))
		require.NoError(t, err)
		var body struct{ Status, Product string }
		require.NoError(t, json.NewDecoder(response.Body).Decode(&body))
		response.Body.Close()
		assert.Equal(t, http.StatusOK, response.StatusCode)
		assert.Equal(t, product, body.Product)
		assert.Equal(t, "clear", body.Status)
		assert.True(t, newSigner(t).Confirm(response.Header.Get("Response-Timestamp"), response.Header.Get("Response-Signature")))
		assert.Equal(t, "clear", c.get("/v3/status/" + response.Header.Get("SmileID-Job-ID")).body["status"])
	}
	c.s.Wait()
	assert.Empty(t, c.s.Deliveries(), "no webhook is sent")

	c.s.Answers = standin.NoPair
	client := &http.Client{Transport: c.Client.Transport.(*smilesig.Transport).Base}
	response, err := client.Do(c.request("/v3/aml/sync", nil))
	require.NoError(t, err)
	response.Body.Close()
	assert.Empty(t, response.Header.Values("Response-Signature"))
}

func TestV3IdempotencyKeys(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	ask := func(key string) (status int, job string) {
		req := c.request("/v3/aml/sync", nil)
		req.Header.Set("SmileID-Idempotency-Key", key)
		response, err := c.Do(req)
		require.NoError(t, err)
		response.Body.Close()
		return response.StatusCode, response.Header.Get("SmileID-Job-ID")
	}
	_, first := ask("onboarding-0000000001")
	_, again := ask("onboarding-0000000001")
	_, other := ask("onboarding-0000000002")
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, other)
	status, _ := ask("short")
	assert.Equal(t, http.StatusBadRequest, status)
}

func TestV3RequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	refused := func(want int, contentType, body string) {
		t.Helper()
		for _, path := range []string{"/v3/enhanced_kyc", "/v3/aml/sync", "/v3/users/user-1/report_fraud", "/v3/replay/job_1"} {
			if body == "" && path == "/v3/replay/job_1" {
				continue // needs none
			}
			req := newRequest(t, http.MethodPost, c.s.URL+path, contentType, body)
			req.Header.Set("SmileID-Token", c.token)
			a := do(t, c.Client, req)
			assert.Equal(t, want, a.status, path)
			assert.Equal(t, http.StatusText(want), a.body["status"], path)
		}
	}
	refused(415, "application/json", "{}")
	refused(415, "application/x-www-form-urlencoded", "a=b")
	refused(415, "", "")
	refused(400, "multipart/form-data", "--x")
	refused(400, "multipart/form-data; boundary=x", "--x\r\ncut")
	refused(400, "multipart/form-data; boundary=x", "--x\r\n\r\ncut")
	assert.NotContains(t, last(t, c.s).Verdict, "cut")

	for name, value := range map[string]string{"callback_url": "ftp://127.0.0.1/", "partner_params": "[]"} {
		assert.Equal(t, http.StatusBadRequest, c.post("/v3/enhanced_kyc", map[string]string{name: value}).status)
	}
	c.s.CallbackURL = "https://127.0.0.1:1/"
	c.token = c.newToken(map[string]string{"user_id": "user-1"})
	assert.Equal(t, http.StatusForbidden, c.post("/v3/enhanced_kyc", map[string]string{"user_id": "user-2"}).status)
	assert.Equal(t, http.StatusAccepted, c.post("/v3/enhanced_kyc", map[string]string{"user_id": "user-1"}).status)
	assert.Equal(t, http.StatusNotFound, c.post("/v3/users/user-1/nope", nil).status)
	assert.Equal(t, http.StatusNotFound, c.get("/v3/services/nope").status)
}

func TestV3OtherEndpoints(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	for path, member := range map[string]string{
		"bank_codes": "bank_codes", "supported_id_types": "id_types", "supported_documents": "valid_documents", "id_status?country=NG&id_type=BVN": "last_known_status",
	} {
		assert.Contains(t, c.get("/v3/services/"+path).body, member)
	}
}

func TestTLSIsForTheNamesOfTheServer(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, func(s *standin.Server) { s.Hosts = []string{"smile-id"} })
	assert.True(t, strings.HasPrefix(c.s.URL, "https://127.0.0.1:"))
	for _, name := range []string{"127.0.0.1", "localhost", "smile-id"} {
		assert.NoError(t, c.s.Certificate().VerifyHostname(name))
	}
	assert.Nil(t, standin.New(t, credential).Certificate())

	// v1 works over TLS, too, uploads included.
	uploadURL := prepareUpload(t, c.s, c.Client, "1", "")
	assert.True(t, strings.HasPrefix(uploadURL, "https://"))
	assert.Equal(t, http.StatusOK, do(t, c.Client, newRequest(t, http.MethodPut, uploadURL, "application/zip", "PK")).status)
}

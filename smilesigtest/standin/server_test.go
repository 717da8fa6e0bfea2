package standin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// newClient returns a client that signs requests to the origin.
func newClient(t testing.TB, origin string) *http.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: &smilesig.Transport{
		Signer: newSigner(t), Base: base, Origins: []string{origin},
	}}
}

// An answer is what the tests look at in a response.
type answer struct {
	status int
	body   map[string]any
}

func do(t testing.TB, client *http.Client, req *http.Request) answer {
	t.Helper()
	response, err := client.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := answer{status: response.StatusCode}
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &a.body))
	}
	return a
}

func newRequest(t testing.TB, method, url, contentType, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

func postJSON(t testing.TB, client *http.Client, url, body string) answer {
	t.Helper()
	return do(t, client, newRequest(t, http.MethodPost, url, "application/json", body))
}

func last(t testing.TB, s *standin.Server) standin.Request {
	t.Helper()
	all := s.Requests()
	require.NotEmpty(t, all)
	return all[len(all)-1]
}

// newPartner returns the URL of a callback handler behind a Verifier, which
// answers what it passes on with status, and the channel it puts the bodies in.
func newPartner(t testing.TB, status func() int) (url string, bodies <-chan string) {
	t.Helper()
	verifier, _ := newVerifier(t)
	return newPartnerBehind(t, verifier, status)
}

func newPartnerBehind(t testing.TB, verifier *smilesig.Verifier, status func() int) (url string, bodies <-chan string) {
	t.Helper()
	received := make(chan string, 16)
	partner := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- string(body)
		w.Header().Set("Location", "/elsewhere") // matters to a redirect, which is not followed
		w.WriteHeader(status())
	})))
	t.Cleanup(partner.Close)
	return partner.URL + "/callbacks", received
}

func ok() int { return http.StatusOK }

func standingStill() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC) }

const fromPartner = `{"partner_id":"085","smile_client_id":"085"}`

func TestSignedRequestsAreAccepted(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	for _, path := range []string{
		"/v1/upload", "/v1/id_verification", "/v1/async_id_verification", "/v1/business_verification",
		"/v1/async_business_verification", "/v1/job_status", "/v1/token", "/v1/aml", "/v1/smile_links",
		"/v1/products_config", "/v1/valid_documents", "/v1/totp_consent/otp", "/v1/backfill_users",
		"/v2/verify", "/v2/verify_async", "/api/v2/partner/wallet_balance", "/api/v2/partner/id_status",
		"/v2/verify-phone-number", "/v2/async-verify-phone", "/v1/async-verify-address", "/v2/async-verify-address",
		"/v2/smart-selfie-enroll", "/v2/smart-selfie-authentication", "/v2/smart-selfie-compare",
		"//v1/upload/", "/v1/totp_consent",
	} {
		a := postJSON(t, client, s.URL+path, fromPartner)
		assert.Equal(t, http.StatusOK, a.status, path)
		assert.Equal(t, "accepted", last(t, s).Verdict, path)
	}
	s.Wait()
	assert.Empty(t, s.Deliveries(), "no callback_url was given")
}

func TestUnsignedRequestsAreRefusedWhereAPairIsWanted(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for _, path := range []string{"/v1/upload", "/v1/job_status", "/v2/verify", "/v2/smart-selfie-enroll"} {
		a := postJSON(t, http.DefaultClient, s.URL+path, fromPartner)
		assert.Equal(t, http.StatusBadRequest, a.status, path)
		assert.Equal(t, "2204", a.body["code"], path)
		assert.NotEmpty(t, a.body["error"], path)
		assert.NotContains(t, a.body, "signature")
	}
}

func TestWrongPairsInABody(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	pair := newSigner(t).Sign(time.Now())
	with := func(partner, timestamp, signature string) string {
		return fmt.Sprintf(`{"partner_id":%q,"timestamp":%q,"signature":%q}`, partner, timestamp, signature)
	}
	for name, test := range map[string]struct{ path, body, verdict string }{
		"genuine":         {"/v1/token", with("085", pair.Timestamp, pair.Signature), "accepted"},
		"no JSON":         {"/v1/token", `[]`, "2204: the body is not a JSON object"},
		"no partner":      {"/v1/token", `{}`, "2204: no partner_id that is a string"},
		"number":          {"/v1/token", `{"partner_id":85}`, "2204: no partner_id that is a string"},
		"upload's member": {"/v1/upload", with("085", pair.Timestamp, pair.Signature), "2204: no smile_client_id that is a string"},
		"no timestamp":    {"/v1/token", with("085", "", pair.Signature), "2204: no timestamp and signature that are strings"},
		"no signature":    {"/v1/token", with("085", pair.Timestamp, ""), "2204: no timestamp and signature that are strings"},
		"odd timestamp":   {"/v1/token", with("085", "today", pair.Signature), "2204: the timestamp is none that Smile ID's SDKs write"},
		"other partner":   {"/v1/token", with("85", pair.Timestamp, pair.Signature), "2205: another partner"},
		"other signature": {"/v1/token", with("085", pair.Timestamp, "forged"), "2205: the signature does not match"},
		"look-up":         {"/v1/id_verification", with("085", pair.Timestamp, "forged"), "2405: the signature does not match"},
		"other time":      {"/v1/token", with("085", "2024-01-02T03:04:05.678Z", pair.Signature), "2205: the signature does not match"},
		"callback number": {"/v2/verify_async", `{"callback_url":1,` + with("085", pair.Timestamp, pair.Signature)[1:], "2204: callback_url is not a string"},
		"callback no URL": {"/v1/upload", `{"callback_url":"http://%zz","smile_client_id":"085",` + with("085", pair.Timestamp, pair.Signature)[1:], "2204: callback_url is not an http or https URL"},
		"callback path":   {"/v1/aml", `{"callback_url":"/callbacks",` + with("085", pair.Timestamp, pair.Signature)[1:], "2204: callback_url is not an http or https URL"},
	} {
		a := postJSON(t, http.DefaultClient, s.URL+test.path, test.body)
		assert.Equal(t, test.verdict, last(t, s).Verdict, name)
		assert.Equal(t, last(t, s).Status, a.status)
		if code, isCode := a.body["code"]; isCode {
			assert.Equal(t, test.verdict[:4], code, name)
		}
	}
}

func TestWrongPairsInHeaders(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	pair := newSigner(t).Sign(time.Now())
	python, err := newSigner(t).SignTimestamp("2024-01-02T03:04:05.678901+00:00")
	require.NoError(t, err)
	for name, test := range map[string]struct{ partner, timestamp, signature, verdict string }{
		"genuine":         {"085", pair.Timestamp, pair.Signature, "accepted"},
		"other partner":   {"85", pair.Timestamp, pair.Signature, "2205: another partner"},
		"other signature": {"085", pair.Timestamp, "forged", "2205: the signature does not match"},
		"other layout":    {"085", python.Timestamp, python.Signature, "2204: the timestamp has another layout"},
		"comma":           {"085", strings.Replace(pair.Timestamp, ".", ",", 1), "x", "2204: the timestamp has another layout"},
	} {
		req := newRequest(t, http.MethodPost, s.URL+"/v2/smart-selfie-enroll", "", "")
		req.Header.Set("SmileID-Partner-ID", test.partner)
		req.Header.Set("SmileID-Timestamp", test.timestamp)
		req.Header.Set("SmileID-Request-Signature", test.signature)
		do(t, http.DefaultClient, req)
		assert.Equal(t, test.verdict, last(t, s).Verdict, name)
	}

	twice := newRequest(t, http.MethodPost, s.URL+"/v2/smart-selfie-enroll", "", "")
	twice.Header = http.Header{"Smileid-Partner-Id": {"085", "085"}}
	do(t, http.DefaultClient, twice)
	assert.Equal(t, "2204: not one SmileID-Partner-ID", last(t, s).Verdict)
}

func TestMultipartIsRecordedToTheByte(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	require.NoError(t, w.WriteField("user_id", "user-1"))
	require.NoError(t, w.Close())

	a := do(t, newClient(t, s.URL), newRequest(t, http.MethodPost, s.URL+"/v2/smart-selfie-enroll", w.FormDataContentType(), form.String()))
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, form.String(), string(last(t, s).Body))
	assert.Equal(t, "085", last(t, s).Header.Get("SmileID-Partner-ID"))
}

func TestEndpointsWithoutAPair(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)

	services := do(t, client, newRequest(t, http.MethodGet, s.URL+"/v1/services", "", ""))
	assert.Contains(t, services.body, "id_types")

	auth := postJSON(t, client, s.URL+"/v1/auth_smile", `{"partner_id":"085","signature":true}`)
	assert.True(t, newSigner(t).Confirm(auth.body["timestamp"].(string), auth.body["signature"].(string)))
	assert.Equal(t, "2204", postJSON(t, client, s.URL+"/v1/auth_smile", `{"signature":"overwritten"}`).body["code"])
}

func TestAnswersAreSigned(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	s.Now = standingStill
	client := newClient(t, s.URL)
	for _, path := range []string{"/v1/id_verification", "/v2/verify", "/v1/job_status"} {
		a := postJSON(t, client, s.URL+path, `{"partner_id":"085","partner_params":{"job_id":"job-1"}}`)
		assert.Equal(t, "2024-01-02T03:04:05.678Z", a.body["timestamp"], path)
		assert.True(t, newSigner(t).Confirm(a.body["timestamp"].(string), a.body["signature"].(string)), path)
	}
}

func TestTamperingWithJobStatus(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	ask := func(tampering standin.Tampering) (timestamp, signature any) {
		s.Answers = tampering
		a := postJSON(t, client, s.URL+"/v1/job_status", fromPartner)
		assert.Equal(t, http.StatusOK, a.status)
		return a.body["timestamp"], a.body["signature"]
	}
	timestamp, signature := ask(standin.Untampered)
	assert.True(t, newSigner(t).Confirm(timestamp.(string), signature.(string)))
	timestamp, signature = ask(standin.WrongPair)
	assert.False(t, newSigner(t).Confirm(timestamp.(string), signature.(string)))
	assert.Len(t, signature, 44)
	timestamp, signature = ask(standin.NoPair)
	assert.Nil(t, timestamp)
	assert.Nil(t, signature)
	timestamp, signature = ask(standin.UnkeyedHash)
	assert.False(t, newSigner(t).Confirm(timestamp.(string), signature.(string)))
	assert.Len(t, signature, 64)
}

func prepareUpload(t testing.TB, s *standin.Server, client *http.Client, jobType, callbackURL string) (uploadURL string) {
	t.Helper()
	a := postJSON(t, client, s.URL+"/v1/upload", fmt.Sprintf(
		`{"smile_client_id":"085","retry":"true","callback_url":%q,"partner_params":{"user_id":"user-1","job_id":"job-1","job_type":%s}}`, callbackURL, jobType))
	require.Equal(t, http.StatusOK, a.status)
	require.NotEmpty(t, a.body["smile_job_id"])
	return a.body["upload_url"].(string)
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	callbackURL, bodies := newPartner(t, ok)
	jobStatus := func() map[string]any {
		return postJSON(t, client, s.URL+"/v1/job_status", `{"partner_id":"085","user_id":"user-1","job_id":"job-1"}`).body
	}

	uploadURL := prepareUpload(t, s, client, "1", callbackURL)
	assert.False(t, strings.HasPrefix(uploadURL, s.URL), "another origin")
	assert.Equal(t, false, jobStatus()["job_complete"])
	assert.Equal(t, "2314", jobStatus()["code"])
	assert.Equal(t, "No zip file received", jobStatus()["result"], "a text")

	for name, test := range map[string]struct {
		method, url, contentType, header string
		want                             int
	}{
		"signed":     {http.MethodPut, uploadURL, "application/zip", "SmileID-Request-Signature", http.StatusForbidden},
		"posted":     {http.MethodPost, uploadURL, "application/zip", "X-Nothing", http.StatusMethodNotAllowed},
		"no zip":     {http.MethodPut, uploadURL, "application/json", "X-Nothing", http.StatusForbidden},
		"other path": {http.MethodPut, uploadURL + "x", "application/zip", "X-Nothing", http.StatusNotFound},
	} {
		req := newRequest(t, test.method, test.url, test.contentType, "PK")
		req.Header.Set(test.header, "1")
		assert.Equal(t, test.want, do(t, http.DefaultClient, req).status, name)
	}
	s.Wait()
	assert.Empty(t, s.Deliveries())

	zip := "PK\x03\x04 \x00\xff not to be touched"
	for range 2 {
		assert.Equal(t, http.StatusOK, do(t, client, newRequest(t, http.MethodPut, uploadURL, "application/zip", zip)).status)
		assert.Equal(t, zip, string(last(t, s).Body))
		assert.NotEqual(t, strings.TrimPrefix(s.URL, "http://"), last(t, s).Host)
	}
	s.Wait()
	require.Len(t, s.Deliveries(), 2, "a second zip decides nothing")
	assert.Equal(t, []int{http.StatusOK}, s.Deliveries()[1].Statuses)
	assert.Contains(t, <-bodies, `"ResultCode":"1012"`, "the half about the ID")
	body := <-bodies
	assert.Contains(t, body, `"job_id":"job-1"`)
	assert.Contains(t, body, `"SmileJobID":"`+s.Jobs()[0].ID+`"`)
	assert.Contains(t, body, `"ResultCode":"1210"`)
	assert.Equal(t, true, jobStatus()["job_complete"])
	result := jobStatus()["result"].(map[string]any)
	assert.Equal(t, "1210", result["ResultCode"])
	assert.Equal(t, "job-1", result["PartnerParams"].(map[string]any)["job_id"])
}

func TestCallbacksAreOfTheJobsProduct(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	callbackURL, bodies := newPartner(t, ok)
	for jobType, product := range map[string]string{
		`"2"`: "smartselfie_authentication", "4": "smartselfie_enrollment", "5": "enhanced_kyc",
		"6": "document_verification", "7": "business_verification", "10": "aml_check",
		"11": "enhanced_document_verification", "1": "biometric_kyc", "null": "enhanced_kyc",
	} {
		postJSON(t, client, s.URL+"/v1/async_id_verification", fmt.Sprintf(
			`{"partner_id":"085","callback_url":%q,"partner_params":{"job_type":%s}}`, callbackURL, jobType))
		s.Wait()
		for len(bodies) > 0 {
			<-bodies
		}
		jobs := s.Jobs()
		assert.Equal(t, product, jobs[len(jobs)-1].Product, jobType)
	}
}

func TestACallbackIsSignedForTheServersTime(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	s.Now = standingStill
	callbackURL, _ := newPartner(t, ok)
	postJSON(t, newClient(t, s.URL), s.URL+"/v2/verify_async", fmt.Sprintf(`{"partner_id":"085","callback_url":%q}`, callbackURL))
	s.Wait()
	require.Len(t, s.Deliveries(), 1)
	assert.Equal(t, standingStill(), s.Deliveries()[0].Callback.Time)
	assert.Equal(t, []int{401, 401, 401, 401}, s.Deliveries()[0].Statuses, "the partner's clock is years ahead")
}

func TestCallbacksOfOneInstantHavePairsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	s.Now = standingStill
	verifier := &smilesig.Verifier{Signer: newSigner(t), Guard: new(smilesig.MemoryGuard), Now: standingStill}
	partner := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(partner.Close)
	client := newClient(t, s.URL)
	for i := range 20 {
		postJSON(t, client, s.URL+"/v2/verify_async", fmt.Sprintf(
			`{"partner_id":"085","callback_url":%q,"partner_params":{"job_id":"job-%d"}}`, partner.URL, i))
	}
	s.Wait()
	require.Len(t, s.Deliveries(), 20)
	for _, d := range s.Deliveries() {
		assert.Equal(t, []int{http.StatusOK}, d.Statuses)
	}
}

func TestACallbackIsSentUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		answers []int
		isSent  bool
	}{
		{[]int{200}, true},
		{[]int{503, 204}, true},
		{[]int{500, 401, 302, 202}, true},
		{[]int{500, 500, 500, 500}, false},
	} {
		s := standin.New(t, credential)
		answers := make(chan int, len(test.answers))
		url, bodies := newPartner(t, func() int {
			select {
			case status := <-answers:
				return status
			default:
				return http.StatusTeapot // one attempt too many
			}
		})
		for name, cb := range map[string]smilesigtest.Callback{
			"v1": smilesigtest.NewCallback(credential, []byte(`{}`)),
			"v3": smilesigtest.NewWebhook(credential, []byte(`{}`)),
		} {
			for _, status := range test.answers {
				answers <- status
			}
			d, err := s.Deliver(t.Context(), url, cb)
			assert.Equal(t, test.answers, d.Statuses, name)
			assert.Equal(t, test.isSent, d.Err == nil, name)
			assert.Equal(t, test.isSent, err == nil, name)
			first := <-bodies
			for range len(test.answers) - 1 {
				assert.Equal(t, first, <-bodies, "the same bytes each time")
			}
		}
	}
}

func TestADeliveryThatCannotArrive(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + l.Addr().String()
	require.NoError(t, l.Close())

	d, err := s.Deliver(t.Context(), nobody, smilesigtest.NewCallback(credential, []byte(`{}`)))
	require.Error(t, err)
	assert.Equal(t, []int{0, 0, 0, 0}, d.Statuses)
	assert.ErrorContains(t, d.Err, "connection refused")
	assert.NotContains(t, d.Err.Error(), nobody)

	_, err = s.Deliver(t.Context(), nobody, smilesigtest.NewCallback(credential, nil))
	assert.ErrorIs(t, err, smilesig.ErrMalformed)
	assert.Len(t, s.Deliveries(), 1, "what cannot be signed is not sent")
}

func TestCloseEndsADelivery(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	released := make(chan struct{})
	url, bodies := newPartner(t, func() int { <-released; return http.StatusServiceUnavailable })
	client := newClient(t, s.URL)
	uploadURL := prepareUpload(t, s, client, "1", url)
	do(t, client, newRequest(t, http.MethodPut, uploadURL, "application/zip", "PK"))
	<-bodies

	s.Close()
	s.Close()
	close(released)
	require.Len(t, s.Deliveries(), 1)
	assert.ErrorIs(t, s.Deliveries()[0].Err, context.Canceled)

	_, err := s.Deliver(t.Context(), url, smilesigtest.NewCallback(credential, []byte(`{}`)))
	assert.Error(t, err)
	response := httptest.NewRecorder()
	s.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/v1/services", nil))
	assert.Equal(t, http.StatusServiceUnavailable, response.Code)
	_, err = http.Get(s.URL)
	assert.Error(t, err, "nobody listens any more")
}

func TestACutBody(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	req := httptest.NewRequest(http.MethodPost, s.URL+"/v1/token", io.MultiReader(strings.NewReader("{"), brokenReader{}))
	response := httptest.NewRecorder()
	s.ServeHTTP(response, req)
	assert.Equal(t, http.StatusBadRequest, response.Code)
	assert.Equal(t, "the body is cut short", last(t, s).Verdict)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestItCanBeServedOverTLS(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	client := newClient(t, server.URL)
	client.Transport.(*smilesig.Transport).Base = server.Client().Transport
	assert.Equal(t, http.StatusOK, postJSON(t, client, server.URL+"/v2/verify", fromPartner).status)
}

func TestWhatCannotStart(t *testing.T) {
	t.Parallel()
	_, err := standin.Start("127.0.0.1:0", smilesig.Credential{PartnerID: "085"})
	assert.Error(t, err)
	s := standin.New(t, credential)
	_, err = standin.Start(strings.TrimPrefix(s.URL, "http://"), credential)
	assert.Error(t, err, "the port is taken")

	failed := &failingTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { recover() }()
		standin.New(failed, smilesig.Credential{})
	}()
	<-done
	assert.True(t, failed.fatal)
}

type failingTB struct {
	testing.TB
	fatal bool
}

func (f *failingTB) Helper()      {}
func (f *failingTB) Fatal(...any) { f.fatal = true; panic("fatal") }

func TestPrintingShowsNoKey(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	cb := smilesigtest.NewCallback(credential, []byte(`{"FullName":"Amina Test"}`))
	url, _ := newPartner(t, ok)
	_, err := s.Deliver(t.Context(), url, cb)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, s), credential.APIKey)
		assert.NotContains(t, fmt.Sprintf(verb, cb), credential.APIKey)
		assert.NotContains(t, fmt.Sprintf(verb, s.Deliveries()), credential.APIKey)
		assert.NotContains(t, fmt.Sprintf(verb, s.Deliveries()), "Amina")
		assert.Contains(t, fmt.Sprintf(verb, s.Deliveries()), "body of 25 bytes")
	}
}

package standin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// The requests here are shaped like those of Smile ID's SDKs, and the answers are
// what these need.

// Ruby's v3 SDK takes nothing but 202.
func TestRubyReportsFraud(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, withDefaultCallback)
	require.Equal(t, http.StatusAccepted, c.post("/v3/registration", map[string]string{"user_id": "user-1"}).status)
	report := func(user string, fields ...string) answer {
		parts := map[string]string{}
		for i := 0; i < len(fields); i += 2 {
			parts[fields[i]] = fields[i+1]
		}
		return c.post("/v3/users/"+user+"/report_fraud", parts)
	}
	whole := []string{"is_fraud", "true", "reason", "ACCOUNT_TAKEOVER", "reported_by", "risk@partner.example"}
	a := report("user-1", whole...)
	assert.Equal(t, http.StatusAccepted, a.status)
	assert.Equal(t, map[string]any{"status": "accepted", "message": "Fraud report accepted", "user_id": "user-1"}, a.body)
	assert.Equal(t, http.StatusAccepted, report("user-1", "is_fraud", "false", "notes", "cleared", "reported_by", "risk@partner.example").status)

	for want, fields := range map[string][]string{
		"is_fraud":    {},
		"reason":      {"is_fraud", "true", "reported_by", "risk@partner.example"},
		"notes":       {"is_fraud", "false", "reported_by", "risk@partner.example"},
		"reported_by": {"is_fraud", "true", "reason", "OTHER", "notes", "odd", "reported_by", "nobody"},
	} {
		a := report("user-1", fields...)
		assert.Equal(t, http.StatusBadRequest, a.status, want)
		assert.Contains(t, a.body["message"], "'"+want+"'")
	}
	assert.Equal(t, http.StatusBadRequest, report("user-1", append(whole, "notes", strings.Repeat("x", 501))...).status)
	unknown := report("user-2", whole...)
	assert.Equal(t, http.StatusNotFound, unknown.status)
	assert.Equal(t, "User not found", unknown.body["message"])
}

// Python's AML request has the names of the job at the top level.
func TestPythonScreensByTopLevelIDs(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	a := postJSON(t, client, s.URL+"/v1/aml", `{"partner_id":"085","job_id":"aml-1","user_id":"user-1","countries":["NG"],
		"full_name":"Testa Madeup","search_existing_user":false,"source_sdk":"Python"}`)
	params := a.body["PartnerParams"].(map[string]any)
	assert.Equal(t, "aml-1", params["job_id"])
	assert.Equal(t, "user-1", params["user_id"])
	assert.EqualValues(t, 10, params["job_type"])
	status := postJSON(t, client, s.URL+"/v1/job_status", `{"partner_id":"085","job_id":"aml-1","user_id":"user-1"}`)
	assert.Equal(t, true, status.body["job_complete"])
	assert.Equal(t, a.body["SmileJobID"], status.body["result"].(map[string]any)["SmileJobID"])
}

// Java's SDK throws without ResultType, and asks for a job's status before the zip.
func TestJavaLooksUpAnIDAndPollsAnUpload(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	for _, path := range []string{"/v1/id_verification", "/v1/business_verification", "/v1/aml"} {
		a := postJSON(t, client, s.URL+path, `{"partner_id":"085","partner_params":{"user_id":"user-1","job_id":"job-0","job_type":5}}`)
		assert.NotEmpty(t, a.body["ResultType"], path)
	}
	prepareUpload(t, s, client, "1", "")
	a := postJSON(t, client, s.URL+"/v1/job_status", `{"partner_id":"085","user_id":"user-1","job_id":"job-1","image_links":true,"history":true}`)
	assert.Equal(t, false, a.body["job_complete"])
	assert.Equal(t, "2314", a.body["code"])
	assert.Equal(t, "No zip file received", a.body["result"])
	assert.Equal(t, []any{}, a.body["history"])
}

// Node's SDK polls with history and image_links, and says when it repeats a job.
func TestNodePollsAndRepeats(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	submit := func(retry string) answer {
		return postJSON(t, client, s.URL+"/v1/upload", fmt.Sprintf(
			`{"smile_client_id":"085","partner_params":{"user_id":"user-1","job_id":"job-1","job_type":1,"sandbox_result":"2"}%s}`, retry))
	}
	uploadURL := submit("").body["upload_url"].(string)
	again := submit("")
	assert.Equal(t, http.StatusBadRequest, again.status)
	assert.Equal(t, "2215", again.body["code"])
	assert.Equal(t, http.StatusBadRequest, submit(`,"retry":"false"`).status)
	do(t, client, newRequest(t, http.MethodPut, uploadURL, "application/zip", "PK"))
	s.Wait()
	poll := func(options string) map[string]any {
		return postJSON(t, client, s.URL+"/v1/job_status", `{"partner_id":"085","user_id":"user-1","job_id":"job-1"`+options+`}`).body
	}
	a := poll(`,"history":true,"image_links":"true"`)
	assert.Equal(t, true, a["job_complete"])
	assert.Equal(t, "2302", a["code"])
	assert.Equal(t, "1210", a["result"].(map[string]any)["ResultCode"])
	var codes []string
	for _, entry := range a["history"].([]any) {
		codes = append(codes, entry.(map[string]any)["ResultCode"].(string))
	}
	assert.Equal(t, []string{"1210", "0814", "1012"}, codes, "the newest first")
	assert.NotEmpty(t, a["image_links"].(map[string]any)["selfie_image"])
	assert.NotContains(t, poll(""), "history")
	assert.NotContains(t, poll(""), "image_links")
	assert.Equal(t, http.StatusOK, submit(`,"retry":"true"`).status)
}

// After the ID half alone, a biometric job is not complete.
func TestNodePollsBeforeTheFaceResult(t *testing.T) {
	t.Parallel()
	url, bodies := newPartner(t, ok)
	s := standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always(smilesigtest.IDValidated) })
	startJob(t, s, url, "")
	assert.Equal(t, []string{"1012 true"}, told(t, bodies))
	assert.Equal(t, false, jobStatus(t, s).body["job_complete"])
	assert.Equal(t, map[string]any{}, jobStatus(t, s).body["result"])
	require.NoError(t, s.Conclude(s.Jobs()[0].ID, smilesigtest.Declined))
	s.Wait()
	assert.Equal(t, true, jobStatus(t, s).body["job_complete"])
}

// A job without names is no job.
func TestAJobWithoutNamesIsNotFound(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	for _, names := range []string{``, `"user_id":"user-1",`, `"job_id":"job-1",`} {
		postJSON(t, client, s.URL+"/v1/id_verification", `{"partner_id":"085","partner_params":{`+names+`"job_type":5}}`)
		a := postJSON(t, client, s.URL+"/v1/job_status", `{`+names+`"partner_id":"085"}`)
		assert.Equal(t, false, a.body["job_complete"], names)
	}
}

func TestNodeVerifiesABusiness(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	a := postJSON(t, newClient(t, s.URL), s.URL+"/v1/business_verification", fromPartner)
	for _, name := range []string{"Actions", "documents", "proprietors", "beneficial_owners", "fiduciaries", "directors", "company_information"} {
		assert.Contains(t, a.body, name)
	}
	assert.Equal(t, true, a.body["success"])
}

// The mobile SDKs read the result from the answer.
func TestAndroidEnrollsASelfie(t *testing.T) {
	t.Parallel()
	url, bodies := newPartner(t, ok)
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	c := &v3Client{t: t, s: s, Client: client}
	for sandboxResult, want := range map[string][]string{"": {"approved", "0840"}, "1": {"rejected", "0841"}, "841": {"rejected", "0841"}, "844": {"pending", "0844"}} {
		parts := map[string]string{"user_id": "user-1", "partner_params": `{"mine":"1","job_id":"selfie-1"}`, "callback_url": url}
		if sandboxResult != "" {
			parts["sandbox_result"] = sandboxResult
		}
		a := c.post("/v2/smart-selfie-enroll", parts)
		assert.Equal(t, want, []string{a.body["status"].(string), a.body["code"].(string)})
		text, err := json.Marshal(a.body)
		require.NoError(t, err)
		read, err := result.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, map[string]result.Outcome{"approved": result.Approved, "rejected": result.Rejected, "pending": result.Review}[want[0]], read.Outcome)
		assert.Equal(t, "smart_selfie_enrollment", a.body["job_type"])
		assert.Equal(t, "user-1", a.body["user_id"])
		assert.Equal(t, "085", a.body["partner_id"])
		assert.Equal(t, "1", a.body["partner_params"].(map[string]any)["mine"])
		s.Wait()
		assert.Contains(t, <-bodies, `"SmileJobID":"`+a.body["job_id"].(string)+`"`)
	}
	assert.Equal(t, http.StatusBadRequest, c.post("/v2/smart-selfie-enroll", map[string]string{"partner_params": `{"a":1}`}).status)
	assert.Equal(t, http.StatusBadRequest, c.post("/v2/smart-selfie-authentication", map[string]string{"callback_url": "/path"}).status)
}

// SDK 13 asks for a token for each job, bound to product and user.
func TestSDK13AsksForATokenForEachJob(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, withDefaultCallback)
	for _, product := range []string{"biometric_kyc", "enhanced_kyc", "document_verification"} {
		c.token = c.newToken(map[string]string{"product": product, "user_id": "user-" + product})
		a := c.post("/v3/"+product, nil)
		assert.Equal(t, http.StatusAccepted, a.status)
		assert.Equal(t, "user-"+product, a.body["user_id"], "the user of the token")
		assert.Equal(t, "accepted", last(t, c.s).Verdict)
	}
	assert.Equal(t, http.StatusAccepted, c.post("/v3/biometric_kyc", nil).status)
	assert.Equal(t, "accepted; the token is for another product; what Smile ID says to that is not known", last(t, c.s).Verdict)
	assert.Equal(t, http.StatusOK, c.get("/v3/services/id_status?country=NG&id_type=BVN").status)
	assert.Equal(t, "accepted", last(t, c.s).Verdict, "not a call for a job")
}

func withDefaultCallback(s *standin.Server) { s.CallbackURL = "https://127.0.0.1:1/" }

func TestPHPMakesALink(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	created := postJSON(t, client, s.URL+"/v1/smile_links", `{"partner_id":"085","name":"Onboarding"}`)
	require.Equal(t, http.StatusOK, created.status)
	require.Len(t, created.body, 2)
	ref := created.body["ref_id"].(string)
	assert.Contains(t, created.body["link"], ref)
	show := func(ref string) answer {
		return do(t, client, newRequest(t, http.MethodGet, s.URL+"/v1/smile_links/"+ref, "", ""))
	}
	assert.Equal(t, "Onboarding", show(ref).body["name"])
	changed := do(t, client, newRequest(t, http.MethodPut, s.URL+"/v1/smile_links/"+ref, "application/json", `{"partner_id":"085","name":"Other"}`))
	assert.Equal(t, created.body, changed.body)
	assert.Equal(t, "Other", show(ref).body["name"])
	assert.Equal(t, http.StatusNotFound, show("unknown").status)
	large := `{"partner_id":"085","name":"` + strings.Repeat("x", 30_000) + `"}`
	assert.Equal(t, http.StatusBadRequest, postJSON(t, client, s.URL+"/v1/smile_links", large).status)
}

func TestWebhooksOfTheOtherFormOfTheID(t *testing.T) {
	t.Parallel()
	url, received := newV3Partner(t)
	for _, by := range []smilesig.Credential{
		{PartnerID: "85", APIKey: credential.APIKey},
		{PartnerID: credential.PartnerID, APIKey: "second-key"},
	} {
		c := newV3Client(t, func(s *standin.Server) { s.CallbackCredential = by })
		c.post("/v3/enhanced_kyc", map[string]string{"callback_url": url})
		c.s.Wait()
		assert.Equal(t, []int{401, 401, 401, 401}, c.s.Deliveries()[0].Statuses, "085 and its first key are accepted only")

		signer, err := smilesig.NewSigner(credential, by)
		require.NoError(t, err)
		verifier := &smilesig.Verifier{Signer: signer}
		cb := c.s.Deliveries()[0].Callback
		header, body, err := cb.Signed()
		require.NoError(t, err)
		_, err = verifier.Verify(t.Context(), "/callbacks", header, body)
		assert.NoError(t, err)

		plain := &http.Client{Transport: c.Client.Transport.(*smilesig.Transport).Base}
		response, err := plain.Do(c.request("/v3/aml/sync", nil))
		require.NoError(t, err)
		response.Body.Close()
		assert.False(t, newSigner(t).Confirm(response.Header.Get("Response-Timestamp"), response.Header.Get("Response-Signature")))
		assert.True(t, signer.Confirm(response.Header.Get("Response-Timestamp"), response.Header.Get("Response-Signature")))
	}
	assert.Empty(t, received)
}

// A v1 job's times are not shown; v3's are the start and the end of one job.
func TestTheTimesOfAJobStay(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 20, 12, 0, 0, 0, time.UTC)
	c := newV3Client(t, func(s *standin.Server) {
		s.Outcomes = smilesigtest.Always()
		withDefaultCallback(s)
		s.Now = func() time.Time { return at }
	})
	job := c.post("/v3/biometric_kyc", nil)
	assert.Equal(t, "2026-07-20T12:00:00.000Z", job.body["created_at"])
	at = at.Add(time.Second)
	require.NoError(t, c.s.Conclude(job.body["job_id"].(string), smilesigtest.Approved))
	c.s.Wait()
	at = at.Add(time.Minute)
	assert.Equal(t, http.StatusAccepted, c.post("/v3/replay/"+job.body["job_id"].(string), nil).status)
	c.s.Wait()
	require.Len(t, c.s.Deliveries(), 2)
	first, again := c.s.Deliveries()[0].Callback, c.s.Deliveries()[1].Callback
	assert.Equal(t, string(first.Body), string(again.Body))
	assert.Contains(t, string(first.Body), `"created_at":"2026-07-20T12:00:00.000Z"`)
	assert.Contains(t, string(first.Body), `"completed_at":"2026-07-20T12:00:01.000Z"`)
	assert.True(t, again.Time.After(first.Time), "signed afresh")
}

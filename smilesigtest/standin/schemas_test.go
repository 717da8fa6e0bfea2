package standin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A schema says what members an object must have. It is written by us after Smile
// ID's published description of v3. A member whose name ends in ? may be missing.
// Its rule is a list of alternatives: "text", "number", "bool", "list", "object",
// "null", "=literal" and "~pattern" of a text.
type schema map[string]string

const (
	atTime = `~^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`
	aJob   = `~^job_[0-9a-hjkmnp-tv-z]{26}$`
)

var (
	errorSchema    = schema{"status": "text", "message": "text"}
	acceptedSchema = schema{"status": "=accepted", "message": "=Job submitted successfully", "job_id": aJob, "user_id": "text", "created_at": atTime}
	statusSchema   = schema{
		"status": "=clear|=block|=attention|=error|=processing|=not_found", "job_id": aJob, "user_id": "text", "message": "text", "created_at": atTime,
	}
	amlSchema = schema{
		"status": "=clear|=block|=attention|=error", "message": "text",
		"reason":     "null|=aml_match_found|=news_media_match|=service_unavailable|=high_risk",
		"created_at": atTime, "completed_at?": atTime, "product": "=one_time_aml", "partner_params": "null|object", "kyc_receipt": "null|text",
		"strict_match": "bool", "no_of_persons_found": "number", "people": "list", "user_provided_info": "object", "consent": "object",
		"antifraud": "null|object", "device_signals": "null|object",
	}
	personSchema = schema{
		"name": "text", "addresses": "list", "news_summary?": "list", "aliases": "list", "associations": "list", "dates_of_birth": "list",
		"enforcement_actions": "list", "nationalities": "list", "sanctions": "list", "pep": "object",
	}
	residencySchema = schema{"status": "=clear|=block|=attention|=error", "product": "=residency_document_verification", "additional_documents": "list"}
	visaSchema      = schema{
		"image_link?": "null|text", "full_name?": "null|text", "id_number?": "null|text", "issued_at?": "null|text", "issuance_date?": `null|~^\d{4}-\d\d-\d\d$`,
		"expiry?": "object", "conditions?": "null|text", "no_of_entries?": "null|=single|=multiple|=other", "document_primary_id?": "null|text",
	}
	resultSchema = schema{ // what is common to the products whose bodies are not published
		"status": "=clear|=block|=attention|=error", "message": "text", "reason": "null|text", "created_at": atTime, "completed_at": atTime,
		"product": "text", "partner_params": "null|object",
	}
	linkCreatedSchema = schema{"link": "text", "message": "text", "ref_id": `~^[0-9a-f-]{36}$`, "user_id": "null|text"}
	linkSchema        = schema{
		"ref_id": `~^[0-9a-f-]{36}$`, "link": "text", "name": "text", "description?": "null|text", "id_types?": "list", "is_single_use?": "bool",
		"callback_url?": "text", "notice_privacy_policy_url?": "text", "user_id?": "null|text", "partner_params?": "null|object",
	}
	newsSchema     = schema{"job_id": "text", "product": "=aml_monitoring_news", "user_id": "text", "meta": "object", "news": "list"}
	articleSchema  = schema{"body": "text", "published_date": "text", "publisher": "text", "publisher_country_code": "text", "title": "text", "url": "text"}
	fraudSchema    = schema{"status": "=accepted", "message?": "text", "user_id": "text"}
	replaySchema   = schema{"status": "=accepted", "job_id": aJob, "user_id": "text", "message": "text"}
	tokenSchema    = schema{"token": "text"}
	bankSchema     = schema{"code": "text", "country": `~^[A-Z]{2}$`, "name": "text"}
	idTypeSchema   = schema{"country": `~^[A-Z]{2}$`, "type": "text", "label": "text", "regex": "text", "required_fields?": "list", "bank_code?": "text"}
	documentSchema = schema{"country": "object", "id_types": "list"}
	idStatusSchema = schema{
		"last_checked": atTime, "last_check_status": "=success|=failure", "last_hour_success_rate": `~^\d+%$`, "last_known_status": "text",
		"last_check_success_rate": `~^\d+%$`,
	}
)

func (s schema) check(t *testing.T, what string, object map[string]any) {
	t.Helper()
	for name, rule := range s {
		value, isThere := object[strings.TrimSuffix(name, "?")]
		if !isThere && strings.HasSuffix(name, "?") {
			continue
		}
		fits := isThere && slices.ContainsFunc(strings.Split(rule, "|"), func(alternative string) bool { return fits(alternative, value) })
		assert.True(t, fits, "%s: %s is %v, must be %s", what, name, value, rule)
	}
}

func (s schema) checkAll(t *testing.T, what string, list any) {
	t.Helper()
	for _, element := range list.([]any) {
		s.check(t, what, element.(map[string]any))
	}
}

func fits(rule string, value any) bool {
	text, isText := value.(string)
	switch {
	case strings.HasPrefix(rule, "="):
		return isText && text == rule[1:]
	case strings.HasPrefix(rule, "~"):
		return isText && regexp.MustCompile(rule[1:]).MatchString(text)
	}
	kind := map[string]string{"text": "string", "number": "float64", "bool": "bool", "list": "[]interface {}", "object": "map[string]interface {}", "null": "<nil>"}
	return kind[rule] == fmt.Sprintf("%T", value)
}

// A schema that finds nothing would be of no use.
func TestSchemasFindFaults(t *testing.T) {
	t.Parallel()
	for rule, values := range map[string]struct{ good, bad any }{
		"text": {"", nil}, "number": {1., "1"}, "bool": {true, "true"}, "list": {[]any{}, map[string]any{}}, "object": {map[string]any{}, nil},
		"null": {nil, "null"}, "=a": {"a", "b"}, atTime: {"2026-07-20T12:00:00.000Z", "2026-07-20T12:00:00Z"},
	} {
		assert.True(t, fits(rule, values.good), rule)
		assert.False(t, fits(rule, values.bad), rule)
	}
}

func checkWebhook(t *testing.T, product string, body map[string]any) {
	t.Helper()
	failed := body["status"] == "block" || body["status"] == "error"
	what := fmt.Sprint(product, " ", body["status"])
	resultSchema.check(t, what, body)
	assert.Equal(t, product, body["product"])
	assert.Equal(t, body["status"] == "clear", body["reason"] == nil, what)
	assert.False(t, failed && body["id_fields"] != nil, what)
	if body["partner_params"] != nil {
		for name, value := range body["partner_params"].(map[string]any) {
			assert.IsType(t, "", value, what)
			assert.NotEqual(t, "sandbox_result", name, what)
		}
	}
	switch product {
	case "one_time_aml":
		amlSchema.check(t, what, body)
		personSchema.checkAll(t, what, body["people"])
		assert.EqualValues(t, len(body["people"].([]any)), body["no_of_persons_found"], what)
		assert.Equal(t, body["status"] == "block" || body["status"] == "attention", len(body["people"].([]any)) > 0, what)
		assert.Equal(t, body["status"] == "error", body["kyc_receipt"] == nil, what)
	case "residency_document_verification":
		residencySchema.check(t, what, body)
		visaSchema.checkAll(t, what, body["additional_documents"])
		assert.Equal(t, failed, len(body["additional_documents"].([]any)) == 0, what)
	default:
		assert.NotContains(t, body, "additional_documents", what)
	}
}

// No new product or outcome drifts from what is published.
func TestEveryV3AnswerAndWebhookKeepsToItsSchema(t *testing.T) {
	t.Parallel()
	url, received := newV3Partner(t)
	for o := smilesigtest.Approved; o <= smilesigtest.Failed; o++ {
		c := newV3Client(t, func(s *standin.Server) { s.Outcomes = smilesigtest.Always(o) })
		for _, r := range standin.Routes() {
			if !strings.HasPrefix(r.Path, "/v3/") || r.Product == "" {
				continue
			}
			response, err := c.Do(c.request(r.Path, map[string]string{"callback_url": url, "partner_params": `{"mine":"1","sandbox_result":"0"}`}))
			require.NoError(t, err)
			body := decoded(t, response.Body)
			response.Body.Close()
			switch {
			case !r.IsSync:
				assert.Equal(t, http.StatusAccepted, response.StatusCode, r.Path)
				acceptedSchema.check(t, r.Path, body)
				c.s.Wait()
				webhook := <-received
				checkWebhook(t, r.Product, decoded(t, strings.NewReader(webhook.PostForm.Get("body"))))
				assert.Equal(t, body["job_id"], webhook.Header.Get("Job-ID"))
				checkStatusAndReplay(t, c, body["job_id"].(string))
				<-received
			case o == smilesigtest.Failed:
				want := map[string]int{"/v3/aml/sync": http.StatusRequestTimeout, "/v3/enhanced_kyc/sync": http.StatusFailedDependency}
				assert.Equal(t, want[r.Path], response.StatusCode)
				errorSchema.check(t, r.Path, body)
				assert.Empty(t, response.Header.Values("Response-Signature"))
				id := response.Header.Get("SmileID-Job-ID")
				assert.Equal(t, "error", c.get("/v3/status/" + id).body["status"], "the job is recorded")
			default:
				checkWebhook(t, r.Product, body)
				assert.Regexp(t, aJob[1:], response.Header.Get("SmileID-Job-ID"))
				assert.NotEmpty(t, response.Header.Get("User-ID"))
			}
		}
	}
}

func decoded(t *testing.T, r io.Reader) (object map[string]any) {
	t.Helper()
	require.NoError(t, json.NewDecoder(r).Decode(&object))
	return object
}

func checkStatusAndReplay(t *testing.T, c *v3Client, id string) {
	t.Helper()
	req := newRequest(t, http.MethodGet, c.s.URL+"/v3/status/"+id, "", "")
	req.Header.Set("SmileID-Token", c.token)
	response, err := c.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	status := decoded(t, response.Body)
	statusSchema.check(t, "status", status)
	assert.Equal(t, []string{id}, response.Header["Job_id"])
	assert.Equal(t, []string{status["user_id"].(string)}, response.Header["User_id"])
	assert.Len(t, response.Header["Api_version"], 1)
	replay := c.post("/v3/replay/"+id, nil)
	assert.Equal(t, http.StatusAccepted, replay.status)
	replaySchema.check(t, "replay", replay.body)
	c.s.Wait()
}

func TestOtherV3AnswersKeepToTheirSchemas(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, func(s *standin.Server) { withDefaultCallback(s); s.Outcomes = smilesigtest.Always() })
	monitored := c.post("/v3/aml/monitoring", map[string]string{"user_id": "user-1", "countries": `["NG"]`}).body["job_id"].(string)
	nobody := "job_" + strings.Repeat("0", 26)
	created := c.post("/v3/smile_links", linkFields)
	link := created.body["ref_id"].(string)
	news := "/v3/aml/monitoring/" + monitored + "/news/"
	fraud := map[string]string{"is_fraud": "true", "reason": "MULE_ACCOUNT", "reported_by": "risk@partner.example"}
	for _, test := range []struct {
		path   string
		parts  map[string]string // nil means GET
		status int
		schema schema
	}{
		{"/v3/status/" + monitored, nil, 202, statusSchema},
		{"/v3/status/" + nobody, nil, 404, statusSchema},
		{"/v3/status/job_1", nil, 400, errorSchema},
		{"/v3/status/job_" + strings.Repeat("i", 26), nil, 400, errorSchema},
		{"/v3/replay/" + monitored, map[string]string{}, 409, errorSchema},
		{"/v3/replay/" + nobody, map[string]string{}, 404, errorSchema},
		{"/v3/replay/job_1", map[string]string{}, 400, errorSchema},
		{"/v3/users/user-1/report_fraud", fraud, 202, fraudSchema},
		{"/v3/users/nobody/report_fraud", fraud, 404, errorSchema},
		{"/v3/users/user-1/report_fraud", map[string]string{}, 400, errorSchema},
		{news + "ref_001?news_category=financial_crime", nil, 200, newsSchema},
		{news + "ref_002?news_category=financial_crime", nil, 404, errorSchema},
		{"/v3/aml/monitoring/" + nobody + "/news/ref_001?news_category=terrorism", nil, 404, errorSchema},
		{news + "ref_001", nil, 400, errorSchema},
		{news + "ref_001?news_category=sports", nil, 400, errorSchema},
		{"/v3/smile_links/" + link, nil, 200, linkSchema},
		{"/v3/smile_links/" + strings.Replace(link, link[:8], "00000000", 1), nil, 404, errorSchema},
		{"/v3/smile_links/1", nil, 400, errorSchema},
		{"/v3/services/id_status?country=NG&id_type=BVN", nil, 200, idStatusSchema},
		{"/v3/services/id_status?id_type=BVN", nil, 400, errorSchema},
		{"/v3/services/id_status?country=NG", nil, 400, errorSchema},
	} {
		var a answer
		if test.parts == nil {
			a = c.get(test.path)
		} else {
			a = c.post(test.path, test.parts)
		}
		assert.Equal(t, test.status, a.status, test.path)
		test.schema.check(t, test.path, a.body)
	}
	assert.Equal(t, http.StatusCreated, created.status)
	linkCreatedSchema.check(t, "link", created.body)
	assert.Nil(t, created.body["user_id"], "each opener of a reusable link gets a user ID of their own")
	articleSchema.checkAll(t, "news", c.get(news + "ref_001?news_category=terrorism").body["news"])
	bankSchema.checkAll(t, "bank", c.get("/v3/services/bank_codes").body["bank_codes"])
	idTypeSchema.checkAll(t, "ID type", c.get("/v3/services/supported_id_types").body["id_types"])
	documentSchema.checkAll(t, "document", c.get("/v3/services/supported_documents").body["valid_documents"])
	tokenSchema.check(t, "token", map[string]any{"token": c.newToken(nil)})
}

func TestSmileLinksOfV3(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	with := func(name, value string) map[string]string {
		fields := map[string]string{name: value}
		for n, v := range linkFields {
			if n != name {
				fields[n] = v
			}
		}
		return fields
	}
	for name, value := range map[string]string{"id_types": "[]", "name": "", "notice_privacy_policy_url": "", "is_single_use": "maybe"} {
		a := c.post("/v3/smile_links", with(name, value))
		assert.Equal(t, http.StatusBadRequest, a.status, name)
		assert.Contains(t, a.body["message"], "'"+name+"'")
	}
	single := c.post("/v3/smile_links", with("is_single_use", "true"))
	assert.Regexp(t, "^user_", single.body["user_id"])
	mine := with("is_single_use", "true")
	mine["user_id"] = "user-1"
	assert.Equal(t, "user-1", c.post("/v3/smile_links", mine).body["user_id"])
	assert.Equal(t, http.StatusConflict, c.post("/v3/smile_links", mine).status)
	assert.Equal(t, http.StatusBadRequest, c.post("/v3/smile_links", with("name", strings.Repeat("x", 30_000))).status)

	given := with("link", "https://evil.example")
	given["ref_id"] = "theirs"
	made := c.post("/v3/smile_links", given).body
	assert.NotEqual(t, "theirs", made["ref_id"])
	assert.Equal(t, "https://links.example.com/"+made["ref_id"].(string), made["link"], "the stand-in makes it up")
}

// What v3 refuses, found in answers that were held against the description.
func TestV3RefusesFieldsOfTheWrongForm(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	const whole = `{"granted":true,"granted_at":"2026-01-01T09:00:00.000Z","notice_language":"EN","notice_privacy_policy_url":"https://example.com/privacy"}`
	for _, test := range []struct{ name, value, missing string }{
		{"callback_url", "http://127.0.0.1:1/", "callback_url"},
		{"callback_url", "HTTP://127.0.0.1:1/", "callback_url"},
		{"callback_url", "", "callback_url"},
		{"partner_params", `{"a":1}`, "partner_params"},
		{"partner_params", `{"a":null}`, "partner_params"},
		{"partner_params", `null`, "partner_params"},
		{"country", "Nigeria", "country"},
		{"country", "ng", "country"},
		{"countries", `["NG","x"]`, "countries"},
		{"countries", "NG", "countries"},
		{"sandbox_result", "12345", "sandbox_result"},
		{"sandbox_result", "0830", "sandbox_result"},
		{"consent", "{}", "consent.granted"},
		{"consent", "true", "consent.granted"},
		{"consent", strings.Replace(whole, "true", "false", 1), "consent.granted"},
		{"consent", strings.Replace(whole, "granted_at", "at", 1), "consent.granted_at"},
		{"consent", strings.Replace(whole, "EN", "ENG", 1), "consent.notice_language"},
		{"consent", strings.Replace(whole, "https", "ftp", 1), "consent.notice_privacy_policy_url"},
	} {
		parts := map[string]string{"callback_url": "https://127.0.0.1:1/", test.name: test.value}
		a := c.post("/v3/enhanced_kyc", parts)
		assert.Equal(t, http.StatusBadRequest, a.status, "%+v", test)
		assert.Contains(t, a.body["message"], "'"+test.missing+"'", "%+v", test)
	}
	good := map[string]string{"callback_url": "https://127.0.0.1:1/", "consent": whole, "country": "NG", "sandbox_result": "1013", "partner_params": `{"a":"1"}`}
	assert.Equal(t, http.StatusAccepted, c.post("/v3/enhanced_kyc", good).status)
	assert.Equal(t, http.StatusOK, c.post("/v3/enhanced_kyc/sync", nil).status, "it needs no callback_url")

	for _, payload := range []string{`{"country":"Nigeria"}`, `{"consent":{"granted":true}}`, `{"callback_url":"http://127.0.0.1:1/"}`} {
		req := c.request("/v3/token", map[string]string{"payload": payload})
		req.Header.Set("smileid-partner-id", "85")
		req.Header.Set("smileid-api-key", credential.APIKey)
		assert.Equal(t, http.StatusBadRequest, do(t, c.Client, req).status, payload)
	}
}

// sandbox_result of v3 is a code, and the table of package result says its outcome.
func TestV3OutcomesByCode(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, withDefaultCallback)
	for _, test := range []struct{ product, code, status string }{
		{"registration", "840", "clear"}, {"registration", "0841", "block"}, {"registration", "844", "attention"},
		{"biometric_kyc", "1220", "clear"}, {"biometric_kyc", "811", "block"}, {"biometric_kyc", "814", "attention"}, {"biometric_kyc", "908", "error"},
		{"enhanced_kyc", "1012", "clear"}, {"enhanced_kyc", "1013", "block"}, {"enhanced_kyc", "1015", "error"},
		{"document_verification", "0812", "block"}, {"residency_document_verification", "817", "attention"}, {"aml", "1030", "block"}, {"aml", "1017", "attention"},
		{"compare", "0810", "clear"}, {"compare", "1", "block"}, {"compare", "failed", "error"},
	} {
		job := c.post("/v3/"+test.product, map[string]string{"sandbox_result": test.code})
		require.Equal(t, http.StatusAccepted, job.status, "%+v", test)
		assert.Equal(t, test.status, c.get("/v3/status/" + job.body["job_id"].(string)).body["status"], "%+v", test)
	}
	assert.Equal(t, http.StatusBadRequest, c.post("/v3/biometric_kyc", map[string]string{"sandbox_result": "1012"}).status, "half a result")
}

// The default of the portal takes what no request asks for, and may be http.
func TestV3FallsBackToTheDefaultCallbackURL(t *testing.T) {
	t.Parallel()
	url, bodies := newPartner(t, ok)
	c := newV3Client(t, func(s *standin.Server) { s.CallbackURL = url })
	assert.Equal(t, http.StatusAccepted, c.post("/v3/enhanced_kyc", nil).status)
	c.s.Wait()
	assert.Contains(t, <-bodies, `"product":"enhanced_kyc"`)
	assert.Equal(t, http.StatusOK, c.post("/v3/aml/sync", nil).status)
	c.s.Wait()
	assert.Empty(t, bodies)
}

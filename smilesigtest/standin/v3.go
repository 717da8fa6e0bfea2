package standin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

func v3Time(t time.Time) string { return t.UTC().Format(smilesig.TimestampLayout) }

// v3CallbackURL is like callbackURL, but takes https only [spec]. The text may also
// be the name of a URL that is bound into a token.
func (s *Server) v3CallbackURL(c *call, text string) (url string, refusal *reply) {
	if bound, ok := s.boundURL(text); ok {
		return bound, nil
	}
	url, fault := s.callbackURL(c, text)
	if strings.HasPrefix(strings.ToLower(text), "http:") {
		fault = "v3 takes https only for callback_url; the Server's CallbackURL may be http"
	}
	if fault != "" {
		return "", missing("callback_url").because(fault)
	}
	return url, nil
}

// v3Job reads the job that a request asks for, or refuses the request.
func (s *Server) v3Job(c *call) (*job, *reply) {
	if refusal := c.judgeFields(); refusal != nil {
		return nil, refusal
	}
	callbackURL, wanted := cmp.Or(c.issued.callbackURL, s.CallbackURL), c.form["callback_url"]
	if c.issued.callbackURL == "" && wanted != "" { // what is bound takes precedence
		var refusal *reply
		if callbackURL, refusal = s.v3CallbackURL(c, wanted); refusal != nil {
			return nil, refusal
		}
	}
	if callbackURL == "" && wanted == "" && !c.route.isSync {
		return nil, missing("callback_url").because("no callback_url, and the Server has no CallbackURL")
	}
	params, ok := c.form.partnerParams()
	if !ok {
		return nil, v3Refused(http.StatusBadRequest, "Field 'partner_params' is invalid.")
	}
	userID, ok := c.userID()
	if !ok {
		return nil, v3Refused(http.StatusForbidden, "Token is not authorized for this user ID.")
	}
	key := c.Header.Get("SmileID-Idempotency-Key")
	if key != "" && c.path != "/v3/aml/sync" { // the only one that has it [spec]
		c.remark("SmileID-Idempotency-Key is for /v3/aml/sync only")
		key = ""
	}
	return &job{idempotencyKey: key, Job: smilesigtest.Job{
		UserID: userID, Product: c.route.product, PartnerParams: params, CallbackURL: callbackURL, Placement: smilesig.InHeader,
	}}, nil
}

// userID returns the user that token, header and form agree on, or a new one.
func (c *call) userID() (userID string, ok bool) {
	for _, given := range []string{c.issued.userID, c.Header.Get("User-ID"), c.form["user_id"]} {
		switch {
		case given == "" || given == userID:
		case userID != "" || len(given) > largestName:
			return "", false
		default:
			userID = given
		}
	}
	if userID == "" {
		userID = smileid.NewTypeID("user")
	}
	return userID, true
}

// v3Result answers a synchronous call, signed in its headers. A job without a
// result is no 200 [spec].
func (s *Server) v3Result(c *call, j smilesigtest.Job) *reply {
	a := accepted(http.StatusOK, newestBody(j))
	if newestOf(j) == smilesigtest.Failed {
		a = v3Refused(http.StatusFailedDependency, "Unable to verify ID: the ID authority is unavailable.").because("accepted; the job has failed")
		if j.Product == "one_time_aml" {
			a = v3Refused(http.StatusRequestTimeout, "The screening provider did not respond in time.").because(a.verdict)
		}
	}
	a.header = http.Header{}
	a.header.Set("SmileID-Job-ID", j.ID)
	a.header.Set("User-ID", j.UserID)
	if pair := s.pair(s.callbackCredential(), s.Answers); pair != nil && a.status == http.StatusOK {
		a.header.Set("Response-Timestamp", pair.Timestamp)
		a.header.Set("Response-Signature", pair.Signature)
	}
	return a
}

var jobID = regexp.MustCompile(`^job_[0-9a-hjkmnp-tv-z]{26}$`) // [spec]

// v3JobOf returns a copy of the job in the path, or refuses the request. param is
// Smile ID's name for it.
func (s *Server) v3JobOf(c *call, param string) (*job, *reply) {
	id := c.segment(2)
	if !jobID.MatchString(id) {
		return nil, v3Refused(http.StatusBadRequest, `"`+param+`" must be a valid TypeID with prefix 'job_'`)
	}
	j, now := s.find(func(j *job) bool { return j.ID == id && j.Placement == smilesig.InHeader })
	if j == nil {
		return nil, v3Refused(http.StatusNotFound, "Job not found")
	}
	return &now, nil
}

// v3Status answers with the state of a job. created_at is the time of the answer.
func (s *Server) v3Status(c *call) *reply {
	j, refusal := s.v3JobOf(c, "jobId")
	if refusal != nil && refusal.status != http.StatusNotFound {
		return refusal
	}
	id, userID, message := c.segment(2), "unknown", "Job completed"
	var said struct{ Status string }
	a := accepted(http.StatusOK, nil)
	if refusal != nil {
		a, said.Status, message = refusal, "not_found", "Job not found"
	} else if userID = j.UserID; !j.isDecided() {
		a.status, said.Status, message = http.StatusAccepted, "processing", "Job is still processing"
	} else {
		json.Unmarshal(newestBody(j.Job), &said) // made by us
	}
	a.header = http.Header{"api_version": {smileid.APIVersion}, "job_id": {id}, "user_id": {userID}}
	a.body = map[string]string{
		"status": said.Status, "job_id": id, "user_id": userID, "message": message, "created_at": v3Time(s.now()),
	}
	return a
}

// v3Replay sends the webhook of a decided job again.
func (s *Server) v3Replay(c *call) *reply {
	j, refusal := s.v3JobOf(c, "job_id")
	if refusal != nil {
		return refusal
	}
	if !j.isDecided() {
		return v3Refused(http.StatusConflict, "Job is still processing. Callbacks can only be replayed for completed jobs.")
	}
	if wanted := c.form["callback_url"]; wanted != "" {
		if j.CallbackURL, refusal = s.v3CallbackURL(c, wanted); refusal != nil {
			return refusal
		}
	}
	if j.CallbackURL == "" {
		return v3Refused(http.StatusBadRequest, "No valid callback URL available")
	}
	a := accepted(http.StatusAccepted, map[string]string{
		"status": "accepted", "job_id": j.ID, "user_id": j.UserID, "message": "Callback replay queued successfully.",
	})
	a.then = func() { s.deliverLater(j.CallbackURL, s.callback(j.Job)) }
	return a
}

var fraudReasons = strings.Fields(`FIRST_PARTY_FRAUD SECOND_PARTY_FRAUD THIRD_PARTY_FRAUD SYNTHETIC_IDENTITY
	ACCOUNT_TAKEOVER DOCUMENT_FORGERY IDENTITY_FARMING MULE_ACCOUNT OTHER`) // [spec]

// reportFraud accepts a report about a user who had a job [spec].
func (s *Server) reportFraud(c *call) *reply {
	userID, f := c.segment(2), c.form
	isFraud := f["is_fraud"] == "true"
	_, noEmail := mail.ParseAddress(f["reported_by"])
	known, _ := s.find(func(j *job) bool { return j.UserID == userID })
	refusal := firstMissing(
		field{"is_fraud", isFraud || f["is_fraud"] == "false"},
		field{"reason", !isFraud || slices.Contains(fraudReasons, f["reason"])},
		field{"notes", len(f["notes"]) <= 500 && (f["notes"] != "" || isFraud && f["reason"] != "OTHER")},
		field{"reported_by", noEmail == nil},
	)
	switch {
	case refusal != nil:
		return refusal
	case known == nil:
		return v3Refused(http.StatusNotFound, "User not found")
	}
	return accepted(http.StatusAccepted, map[string]string{"status": "accepted", "message": "Fraud report accepted", "user_id": userID})
}

// idStatus says that every authority is online [spec].
func (s *Server) idStatus(c *call) *reply {
	for _, name := range []string{"country", "id_type"} {
		if c.URL.Query().Get(name) == "" {
			return v3Refused(http.StatusBadRequest, `"`+name+`" is required`)
		}
	}
	return accepted(http.StatusOK, map[string]string{
		"last_checked": v3Time(s.now()), "last_check_status": "success", "last_known_status": "online",
		"last_hour_success_rate": "95%", "last_check_success_rate": "90%",
	})
}

var newsCategories = strings.Fields(`arms_trafficking credit_update environmental_crime financial_crime
	human_rights_violation leadership_change legal_risk location_change narcotics other other_crime
	ownership_change product_change regulatory sexual_crime technology_event terrorism violent_crime`) // [spec]

// news answers about a person of a monitored job. There is one person, ref_001.
func (s *Server) news(c *call) *reply {
	id, category := c.segment(3), c.URL.Query().Get("news_category")
	j, _ := s.find(func(j *job) bool { return j.ID == id && j.Product == "aml" })
	switch {
	case category == "":
		return v3Refused(http.StatusBadRequest, "news_category is required")
	case !slices.Contains(newsCategories, category):
		return v3Refused(http.StatusBadRequest, "news_category must be one of: "+strings.Join(newsCategories, ", "))
	case j == nil:
		return v3Refused(http.StatusNotFound, "No AML job found for this partner")
	case c.segment(5) != "ref_001":
		return v3Refused(http.StatusNotFound, "REF not found for this AML job")
	}
	return accepted(http.StatusOK, map[string]any{
		"job_id": id, "product": "aml_monitoring_news", "user_id": j.UserID, "news": madeUp("news"),
		"meta": map[string]int{"current_page": 1, "limit": 25, "total_count": 1},
	})
}

// A form has the parts of a multipart body that are not files.
type form map[string]string

// readForm reads a multipart body, if it is one. v3 takes no other kind [spec].
func (c *call) readForm() *reply {
	isOptional := c.path == "/v3/token" || strings.HasPrefix(c.path, "/v3/replay/")
	mediaType, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	isMultipart := err == nil && mediaType == "multipart/form-data"
	switch {
	case !isMultipart && !c.isV3(), len(c.body) == 0 && isOptional:
		return nil
	case !isMultipart:
		return v3Refused(http.StatusUnsupportedMediaType, "Unsupported Media Type. Required Content-Type is multipart/form-data")
	}
	parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
	c.form = form{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			c.holds("the body is multipart/form-data")
			return nil
		}
		var value []byte
		if err == nil && part.FileName() == "" {
			value, err = io.ReadAll(part)
			c.form[part.FormName()] = string(value)
		}
		if err != nil { // it may quote the body
			return v3Refused(http.StatusBadRequest, "Invalid request.").because("the multipart body cannot be read")
		}
	}
}

// partnerParams returns partner_params with the sandbox_result that some requests
// have beside it [sdk, spec]. Its values must be texts [spec].
func (f form) partnerParams() (params json.RawMessage, ok bool) {
	text, asked := f["partner_params"], f["sandbox_result"]
	if text == "" && asked == "" {
		return nil, true
	}
	values := members{}
	if text != "" && (len(text) > largestParams || json.Unmarshal([]byte(text), &values) != nil || values == nil) {
		return nil, false
	}
	for _, value := range values {
		if value[0] != '"' {
			return nil, false
		}
	}
	if asked != "" && values["sandbox_result"] == nil {
		values["sandbox_result"], _ = json.Marshal(asked)
	}
	params, _ = json.Marshal(values)
	return params, true
}

var (
	countryCode    = regexp.MustCompile(`^[A-Z]{2}$`)
	countryCodes   = regexp.MustCompile(`^\[("[A-Z]{2}",? *)+\]$`)
	idempotencyKey = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)
)

// judgeFields refuses what v3 refuses in the fields that a request has [spec]. It
// does not ask for what is not there, so that a test can be short.
func (c *call) judgeFields() *reply {
	country, countries, consent := c.form["country"], c.form["countries"], c.form["consent"]
	_, isSandboxResult := outcomesFor(c.form["sandbox_result"], c.route.product)
	key := c.Header.Get("SmileID-Idempotency-Key")
	switch {
	case !isSandboxResult:
		return v3Refused(http.StatusBadRequest, "Field 'sandbox_result' is invalid.")
	case key != "" && !idempotencyKey.MatchString(key):
		return v3Refused(http.StatusBadRequest, "SmileID-Idempotency-Key is invalid.")
	}
	if refusal := judgeConsent([]byte(consent)); consent != "" && refusal != nil {
		return refusal
	}
	return firstMissing(
		field{"country", country == "" || countryCode.MatchString(country)},
		field{"countries", countries == "" || countryCodes.MatchString(countries)},
	)
}

// judgeConsent refuses a consent that is not whole [spec].
func judgeConsent(object []byte) *reply {
	var consent struct {
		Granted   bool      `json:"granted"`
		GrantedAt time.Time `json:"granted_at"`
		Language  string    `json:"notice_language"`
		PolicyURL string    `json:"notice_privacy_policy_url"`
	}
	json.Unmarshal(object, &consent) // what cannot be read is missing
	return firstMissing(
		field{"consent.granted", consent.Granted}, field{"consent.granted_at", !consent.GrantedAt.IsZero()},
		field{"consent.notice_language", len(consent.Language) == 2},
		field{"consent.notice_privacy_policy_url", strings.HasPrefix(consent.PolicyURL, "http")},
	)
}

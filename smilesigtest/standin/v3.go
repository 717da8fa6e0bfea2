package standin

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// What v3 answers is from its published OpenAPI description, unless it says
// otherwise.

// v3Refused returns an answer in v3's error envelope.
func v3Refused(status int, message string) reply {
	return reply{status: status, body: map[string]string{"status": http.StatusText(status), "message": message}, verdict: message}
}

func v3Unauthorized(why string) reply {
	a := v3Refused(http.StatusUnauthorized, "Invalid authentication credentials.")
	a.verdict = why
	return a
}

// A form has the parts of a multipart body that are not files.
type form map[string]string

func (f form) text(name string) string { return f[name] }

// Whether an endpoint needs a body.
const (
	required = true
	optional = false
)

// v3Form reads a multipart body, the only kind that v3 takes.
func v3Form(c *call, isRequired bool) (form, *reply) {
	if len(c.body) == 0 && !isRequired {
		return form{}, nil
	}
	mediaType, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" {
		a := v3Refused(http.StatusUnsupportedMediaType, "Unsupported Media Type. Required Content-Type is multipart/form-data")
		return nil, &a
	}
	f, err := readForm(multipart.NewReader(bytes.NewReader(c.body), params["boundary"]))
	if err != nil {
		a := v3Refused(http.StatusBadRequest, "Invalid request.")
		a.verdict = "the multipart body cannot be read" // the error may quote it
		return nil, &a
	}
	c.holds("the body is multipart/form-data")
	return f, nil
}

func readForm(parts *multipart.Reader) (form, error) {
	f := form{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		f[part.FormName()] = string(value)
	}
}

// v3CallbackURL is like callbackURL, but text may also be the name of a bound
// URL.
func (s *Server) v3CallbackURL(text string) (url, remark, fault string) {
	if bound, ok := s.boundURL(text); ok {
		return bound, "", ""
	}
	url, remark, fault = s.callbackURL(text)
	if remark == "" && strings.HasPrefix(url, "http://") {
		remark = "Smile ID takes https only for callback_url"
	}
	return url, remark, fault
}

var idempotencyKey = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// v3Job reads the job that a request asks for, or refuses the request.
func (s *Server) v3Job(c *call, product string) (j *job, remark string, refusal *reply) {
	refuse := func(a reply) (*job, string, *reply) { return nil, "", &a }
	token, why := s.readToken(c)
	if why != "" {
		return refuse(v3Unauthorized(why))
	}
	f, refusal := v3Form(c, required)
	if refusal != nil {
		return nil, "", refusal
	}
	wanted := token.Payload["callback_url"] // a bound URL takes precedence
	if wanted == "" {
		wanted = f.text("callback_url")
	}
	callbackURL, remark, fault := s.v3CallbackURL(wanted)
	params, isObject := partnerParams(f)
	key := c.Header.Get("SmileID-Idempotency-Key")
	switch {
	case fault != "":
		return refuse(v3Refused(http.StatusBadRequest, "Required field 'callback_url' is missing or invalid.").remarking(fault))
	case !isObject:
		return refuse(v3Refused(http.StatusBadRequest, "Field 'partner_params' is invalid."))
	case key != "" && !idempotencyKey.MatchString(key):
		return refuse(v3Refused(http.StatusBadRequest, "SmileID-Idempotency-Key is invalid."))
	}
	userID := token.UserID
	for _, given := range []string{c.Header.Get("User-ID"), f.text("user_id")} {
		switch {
		case given == "" || given == userID:
		case userID != "" || len(given) > largestKept:
			return refuse(v3Refused(http.StatusForbidden, "Token is not authorized for this user ID."))
		default:
			userID = given
		}
	}
	if userID == "" {
		userID = smileid.NewTypeID("user")
	}
	return &job{idempotencyKey: key, Job: smilesigtest.Job{
		UserID: userID, Product: product, PartnerParams: params, CallbackURL: callbackURL, Placement: smilesig.InHeader, Created: s.now(),
	}}, remark, nil
}

// partnerParams returns partner_params with the sandbox_result that some requests
// have beside it [sdk].
func partnerParams(f form) (params json.RawMessage, isObject bool) {
	text := f.text("partner_params")
	asked := f.text("sandbox_result")
	if text == "" && asked == "" {
		return nil, true
	}
	m := members{}
	if text != "" && (json.Unmarshal([]byte(text), &m) != nil || m == nil || len(text) > largestKept) {
		return nil, false
	}
	if asked != "" && m["sandbox_result"] == nil {
		m["sandbox_result"], _ = json.Marshal(asked)
	}
	params, _ = json.Marshal(m) // made of JSON
	return params, true
}

// v3Later answers 202 and sends a webhook.
func v3Later(product string) func(*Server, *call) reply {
	return func(s *Server, c *call) reply {
		j, remark, refusal := s.v3Job(c, product)
		if refusal != nil {
			return *refusal
		}
		if j.CallbackURL == "" && remark == "" {
			remark = "no callback_url, so no webhook is sent: Smile ID sends it to the partner's default"
		}
		s.addJob(j)
		a := accepted(map[string]string{
			"status": "accepted", "message": "Job submitted successfully", "job_id": j.ID, "user_id": j.UserID,
			"created_at": v3Time(j.Created),
		}).remarking(remark)
		a.status = http.StatusAccepted
		a.then = func() { s.conclude(j, s.decide(j)) }
		return a
	}
}

// v3Now answers with the result, signed in the answer's headers. The same
// idempotency key gets the same job.
func v3Now(product string) func(*Server, *call) reply {
	return func(s *Server, c *call) reply {
		j, remark, refusal := s.v3Job(c, product)
		if refusal != nil {
			return *refusal
		}
		if key := j.idempotencyKey; key != "" {
			before := s.findJob(func(j *job) bool { return j.idempotencyKey == key && j.Product == product && j.isDecided() })
			if before != nil {
				return s.v3Result(before, before.outcome()).remarking("the job of this idempotency key")
			}
		}
		s.addJob(j)
		o := s.decideNow(j)
		a := s.v3Result(j, o).remarking(remark)
		a.then = func() { s.reach(j, o) }
		return a
	}
}

func (s *Server) v3Result(j *job, o smilesigtest.Outcome) reply {
	a := accepted(s.result(j, o))
	a.header = http.Header{}
	a.header.Set("SmileID-Job-ID", j.ID)
	a.header.Set("User-ID", j.UserID)
	if pair := s.pair(s.Answers); pair != nil {
		a.header.Set("Response-Timestamp", pair.Timestamp)
		a.header.Set("Response-Signature", pair.Signature)
	}
	return a
}

func v3Time(t time.Time) string { return t.UTC().Format(smilesig.TimestampLayout) }

// v3Status answers with the state of a job.
func (s *Server) v3Status(c *call) reply {
	if _, why := s.readToken(c); why != "" {
		return v3Unauthorized(why)
	}
	id := strings.TrimPrefix(c.path, "/v3/status/")
	status := map[string]string{"status": "not_found", "job_id": id, "user_id": "unknown", "message": "Job not found", "created_at": v3Time(s.now())}
	a := accepted(status)
	j := s.v3JobByID(id)
	switch {
	case j == nil:
		a.status, a.verdict = http.StatusNotFound, "no such job"
		return a
	case !j.isDecided():
		a.status = http.StatusAccepted
		status["status"], status["message"] = "processing", "Job is still processing"
	default:
		status["status"], status["message"] = s.v3StatusOf(j), "Job completed"
	}
	status["user_id"] = j.UserID
	return a
}

// v3StatusOf returns the status that the webhook of j reports.
func (s *Server) v3StatusOf(j *job) string {
	var result struct{ Status string }
	json.Unmarshal(s.result(j, j.outcome()), &result) // made by us
	return result.Status
}

func (s *Server) v3JobByID(id string) *job {
	return s.findJob(func(j *job) bool { return j.ID == id && j.Placement == smilesig.InHeader })
}

// v3Replay sends the webhook of a decided job again, signed afresh. Whether Smile
// ID signs it afresh is not known.
func (s *Server) v3Replay(c *call) reply {
	if _, why := s.readToken(c); why != "" {
		return v3Unauthorized(why)
	}
	f, refusal := v3Form(c, optional)
	if refusal != nil {
		return *refusal
	}
	j := s.v3JobByID(strings.TrimPrefix(c.path, "/v3/replay/"))
	switch {
	case j == nil:
		return v3Refused(http.StatusNotFound, "Job not found")
	case !j.isDecided():
		return v3Refused(http.StatusConflict, "Job is still processing. Callbacks can only be replayed for completed jobs.")
	}
	callbackURL, remark, fault := s.v3CallbackURL(f.text("callback_url"))
	if callbackURL == "" && fault == "" {
		callbackURL = j.CallbackURL
	}
	if callbackURL == "" {
		return v3Refused(http.StatusBadRequest, "No valid callback URL available").remarking(fault)
	}
	a := accepted(map[string]string{
		"status": "accepted", "job_id": j.ID, "user_id": j.UserID, "message": "Callback replay queued successfully.",
	}).remarking(remark)
	a.status = http.StatusAccepted
	a.then = func() { s.deliverLater(callbackURL, s.callback(j.Job, j.outcome())) }
	return a
}

func (s *Server) v3ReportFraud(c *call) reply {
	if _, why := s.readToken(c); why != "" {
		return v3Unauthorized(why)
	}
	userID, isReport := strings.CutSuffix(strings.TrimPrefix(c.path, "/v3/users/"), "/report_fraud")
	if !isReport {
		return c.refused(http.StatusNotFound, noEndpoint)
	}
	if _, refusal := v3Form(c, required); refusal != nil {
		return *refusal
	}
	return accepted(map[string]string{"status": "success", "message": "User updated", "user_id": userID})
}

// v3Services answers with short lists [sdk].
func (s *Server) v3Services(c *call) reply {
	switch strings.TrimPrefix(c.path, "/v3/services/") {
	case "bank_codes":
		return accepted(map[string]any{"bank_codes": []any{map[string]string{"code": "000", "country": "NG", "name": "A Made-Up Bank"}}})
	case "supported_id_types":
		return accepted(map[string]any{"id_types": []any{map[string]any{
			"country": "NG", "type": "NIN_V2", "label": "NIN", "regex": `^\d{11}$`, "required_fields": []string{"id_number"},
		}}})
	case "supported_documents":
		return accepted(map[string]any{"valid_documents": []any{map[string]any{
			"country":  map[string]string{"code": "KE", "name": "Kenya", "continent": "Africa"},
			"id_types": []any{map[string]any{"code": "PASSPORT", "name": "Passport", "example": []string{}, "has_back": false}},
		}}})
	case "id_status":
		if _, why := s.readToken(c); why != "" {
			return v3Unauthorized(why)
		}
		return accepted(map[string]string{"last_known_status": "online", "last_check_status": "online"})
	}
	return c.refused(http.StatusNotFound, noEndpoint)
}

package standin

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// v1Job reads the job that a v1 or v2 request asks for. The SDKs' AML requests have
// its names at the top level [sdk].
func (s *Server) v1Job(c *call) (*job, *reply) {
	var wanted string
	if text := c.object["callback_url"]; text != nil && json.Unmarshal(text, &wanted) != nil {
		return nil, denied(codeInvalid, "callback_url is not a string")
	}
	callbackURL, fault := s.callbackURL(c, wanted)
	if fault != "" {
		return nil, denied(codeInvalid, fault)
	}
	var params members
	json.Unmarshal(c.object["partner_params"], &params) // what cannot be read stays empty
	j := &job{Job: smilesigtest.Job{
		UserID: cmp.Or(params.text("user_id"), c.object.text("user_id")), JobID: cmp.Or(params.text("job_id"), c.object.text("job_id")),
		PartnerParams: c.object["partner_params"], Product: c.route.product, CallbackURL: callbackURL, Placement: smilesig.InBody,
	}}
	if len(j.PartnerParams) > largestParams || len(j.UserID) > largestName || len(j.JobID) > largestName {
		return nil, denied(codeInvalid, "partner_params is larger than the stand-in keeps")
	}
	if c.path == "/v1/upload" || c.path == "/v1/async_id_verification" { // the paths with several products
		j.Product = productOf(params["job_type"], c.route.product)
	}
	if c.route.isSync && c.route.proof == pairInBody && j.CallbackURL != "" {
		c.remark("the answer has the result, so callback_url is ignored")
		j.CallbackURL = ""
	}
	return j, nil
}

// productOf returns the product of a job_type, which is a number or its text. If
// there is none, it returns fallback.
func productOf(jobType json.RawMessage, fallback string) string {
	var number json.Number // takes both
	json.Unmarshal(jobType, &number)
	for _, product := range smilesigtest.Products(smilesig.InBody) {
		if product != "basic_kyc" && number.String() == fmt.Sprint(smileid.JobTypes[product]) {
			return product
		}
	}
	return fallback
}

// smartSelfie answers with the result at once, in a form of its own [sdk]. If the
// request has a callback_url, a callback follows.
func (s *Server) smartSelfie(c *call) *reply {
	params, ok := c.form.partnerParams()
	if !ok {
		return denied(codeInvalid, "partner_params is not an object of texts")
	}
	c.object = members{}
	for name, value := range c.form {
		c.object[name], _ = json.Marshal(value)
	}
	if c.object["partner_params"] = params; params == nil {
		delete(c.object, "partner_params")
	}
	j, refusal := s.v1Job(c)
	if refusal != nil {
		return refusal
	}
	s.addJob(j, func(*job) bool { return false })
	reached := s.reach(j, s.decideNow(j))
	a := accepted(http.StatusOK, s.smartSelfieResult(reached))
	a.then = func() {
		s.emit(Event{Job: &reached})
		if j.CallbackURL != "" {
			s.deliverLater(j.CallbackURL, s.callback(reached))
		}
	}
	return a
}

func (s *Server) smartSelfieResult(j smilesigtest.Job) map[string]any {
	var said struct{ ResultCode, ResultText string }
	json.Unmarshal(newestBody(j), &said) // made by us
	params := members{}
	json.Unmarshal(j.PartnerParams, &params)
	return map[string]any{
		"code": said.ResultCode, "message": said.ResultText, "job_id": j.ID, "user_id": j.UserID, "partner_params": params,
		"status":     []string{"approved", "rejected", "pending", "rejected"}[newestOf(j)],
		"job_type":   strings.Replace(j.Product, "smartselfie", "smart_selfie", 1),
		"partner_id": s.credential.PartnerID, "created_at": v3Time(j.Created), "updated_at": v3Time(j.Completed),
	}
}

// prepareUpload answers with the URL for the zip. It has another origin, like a
// presigned URL of cloud storage.
func (s *Server) prepareUpload(c *call) *reply {
	j, refusal := s.v1Job(c)
	if refusal != nil {
		return refusal
	}
	j.uploadPath = "/" + rand.Text() + "/selfie.zip"
	isRetry := isTrue(c.object["retry"])
	same := s.addJob(j, func(other *job) bool {
		return !isRetry && j.JobID != "" && other.uploadPath != "" && other.JobID == j.JobID
	})
	if same != nil {
		return denied(codeJobExists, "another job has this job_id")
	}
	return accepted(http.StatusOK, map[string]any{
		"code": "2202", "smile_job_id": j.ID, "ref_id": "ref-" + j.ID, "upload_url": s.uploadURL + j.uploadPath,
	})
}

func isTrue(member json.RawMessage) bool {
	return string(member) == "true" || string(member) == `"true"`
}

// judgeUpload looks at the head of a request to the upload origin. That origin
// wants no signature.
func (s *Server) judgeUpload(c *call) *reply {
	for name := range c.Header {
		if strings.HasPrefix(name, "Smileid-") {
			return c.refused(http.StatusForbidden, "a signature header has come to the upload URL")
		}
	}
	j, _ := s.find(func(j *job) bool { return j.uploadPath != "" && j.uploadPath == c.URL.Path })
	switch {
	case j == nil:
		return c.refused(http.StatusNotFound, "no such upload")
	case c.Method != http.MethodPut:
		return c.notAllowed(http.MethodPut)
	case c.Header.Get("Content-Type") != "application/zip":
		return c.refused(http.StatusForbidden, "the Content-Type is not application/zip")
	}
	c.route.answer = func(s *Server, _ *call) *reply { return s.takeZip(j) }
	return nil
}

// takeZip lets the first zip of a job decide it.
func (s *Server) takeZip(j *job) *reply {
	a := accepted(http.StatusOK, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !j.hasZip {
		j.hasZip = true
		a.then = func() { s.conclude(j, s.decide(j)) }
	}
	return a
}

// jobStatus answers with what is known of a job. A request without user_id or job_id
// finds no job.
func (s *Server) jobStatus(c *call) *reply {
	userID, jobID := c.object.text("user_id"), c.object.text("job_id")
	_, now := s.find(func(j *job) bool {
		return j.Placement == smilesig.InBody && userID != "" && jobID != "" && j.UserID == userID && j.JobID == jobID
	})
	isDecided := now.isDecided()
	answer := map[string]any{"code": "2302", "job_complete": isDecided, "job_success": false, "result": struct{}{}}
	switch {
	case isDecided:
		answer["job_success"] = newestOf(now.Job) == smilesigtest.Approved || newestOf(now.Job) == smilesigtest.Provisional
		answer["result"] = newestBody(now.Job)
	case now.uploadPath != "" && !now.hasZip:
		answer["code"], answer["result"] = "2314", "No zip file received" // [docs, sdk]
	}
	if isTrue(c.object["history"]) {
		answer["history"] = history(now.Job)
	}
	if isTrue(c.object["image_links"]) {
		answer["image_links"] = map[string]string{"selfie_image": "https://example.com/selfie.jpg"}
	}
	return accepted(http.StatusOK, s.signed(answer, s.Answers))
}

// history returns the results of j so far, the newest first, as in the SDKs'
// fixtures.
func history(j smilesigtest.Job) []json.RawMessage {
	all := []json.RawMessage{}
	for _, o := range slices.Backward(j.Outcomes) {
		all = append(all, j.Body(o))
	}
	return all
}

// authSmile wants the boolean member that asks for a pair.
func (s *Server) authSmile(c *call) *reply {
	var request struct{ Signature bool }
	if json.Unmarshal(c.body, &request) != nil || !request.Signature {
		return denied(codeInvalid, `no "signature": true`)
	}
	return accepted(http.StatusOK, s.signed(map[string]any{"success": true, "partner_id": s.credential.PartnerID}, Untampered))
}

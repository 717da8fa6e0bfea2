package standin

import (
	"encoding/json"
	"net/http"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// verify starts a job. A synchronous call answers with its result; otherwise the
// result goes to the callback_url.
func (s *Server) verify(c *call) *reply {
	newJob := s.v1Job
	if c.isV3() {
		newJob = s.v3Job
	}
	j, refusal := newJob(c)
	if refusal != nil {
		return refusal
	}
	same := s.addJob(j, func(other *job) bool { return j.idempotencyKey != "" && other.idempotencyKey == j.idempotencyKey })
	if same != nil {
		return s.verifyAgain(c, same)
	}
	if c.route.isSync {
		reached := s.reach(j, s.decideNow(j))
		a := s.resultNow(c, reached)
		a.then = func() { s.emit(Event{Job: &reached}) }
		return a
	}
	a := accepted(http.StatusOK, map[string]any{"success": true, "smile_job_id": j.ID})
	if c.isV3() {
		a = accepted(http.StatusAccepted, map[string]string{
			"status": "accepted", "message": "Job submitted successfully", "job_id": j.ID, "user_id": j.UserID,
			"created_at": v3Time(j.Created),
		})
	}
	a.then = func() { s.conclude(j, s.decide(j)) }
	return a
}

// verifyAgain answers with the result of the job that has the same idempotency key.
// That job may just be under way.
func (s *Server) verifyAgain(c *call, same *job) *reply {
	select {
	case <-same.decided:
	case <-s.ctx.Done():
		return c.refused(http.StatusServiceUnavailable, "the stand-in is closed")
	}
	c.remark("the job of this idempotency key")
	_, now := s.find(func(j *job) bool { return j == same })
	return s.resultNow(c, now.Job)
}

// resultNow answers with the newest outcome of j, signed.
func (s *Server) resultNow(c *call, j smilesigtest.Job) *reply {
	if c.isV3() {
		return s.v3Result(c, j)
	}
	return accepted(http.StatusOK, s.signed(s.result(j), Untampered))
}

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
	name := func(of string) string {
		if params[of] == nil {
			return c.object.text(of)
		}
		return params.text(of)
	}
	j := &job{Job: smilesigtest.Job{
		UserID: name("user_id"), JobID: name("job_id"), PartnerParams: c.object["partner_params"],
		Product: c.route.product, CallbackURL: callbackURL, Placement: smilesig.InBody,
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
	for _, p := range smileid.Products {
		if n, err := number.Int64(); err == nil && int(n) == p.JobType {
			return p.V1
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
	s.addJob(j, isNone)
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
	json.Unmarshal(s.result(j), &said) // made by us
	params := members{}
	json.Unmarshal(j.PartnerParams, &params)
	return map[string]any{
		"code": said.ResultCode, "message": said.ResultText, "job_id": j.ID, "user_id": j.UserID, "partner_params": params,
		"status":     []string{"approved", "rejected", "pending", "rejected"}[j.Outcomes[len(j.Outcomes)-1]],
		"job_type":   strings.Replace(j.Product, "smartselfie", "smart_selfie", 1),
		"partner_id": s.credential.PartnerID, "created_at": v3Time(j.Created), "updated_at": v3Time(j.Completed),
	}
}

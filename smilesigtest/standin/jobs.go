package standin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"example.com/smilesig"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// A job is a Job that a request asked for. The Server's lock guards what changes
// in it.
type job struct {
	smilesigtest.Job
	uploadPath     string // of the URL that takes its zip; "" if it has none
	hasZip         bool
	idempotencyKey string
	decided        chan struct{} // closed when there is a result
}

// addJob keeps j and gives it an ID. If a kept job isSame, it returns that job
// instead.
func (s *Server) addJob(j *job, isSame func(*job) bool) (same *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.jobs, isSame); i >= 0 {
		return s.jobs[i]
	}
	j.ID, j.Created, j.decided = smileid.NewJobID(j.Placement), s.now(), make(chan struct{})
	s.jobs = newest(append(s.jobs, j), s.Keep)
	return nil
}

// Jobs returns the jobs that the Server keeps, the oldest first.
func (s *Server) Jobs() []smilesigtest.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]smilesigtest.Job, len(s.jobs))
	for i, j := range s.jobs {
		all[i] = j.snapshot().Job
	}
	return all
}

// snapshot copies what changes.
func (j *job) snapshot() job {
	copied := *j
	copied.Outcomes = slices.Clone(j.Outcomes)
	return copied
}

func newestOf(j smilesigtest.Job) smilesigtest.Outcome { return j.Outcomes[len(j.Outcomes)-1] }
func newestBody(j smilesigtest.Job) json.RawMessage    { return j.Body(newestOf(j)) }

// isDecided reports whether there is a result, even a provisional one.
func (j *job) isDecided() bool {
	return slices.ContainsFunc(j.Outcomes, func(o smilesigtest.Outcome) bool { return o != smilesigtest.IDValidated })
}

// asItIs returns a copy of j.
func (s *Server) asItIs(j *job) job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.snapshot()
}

// find returns the newest job for which is returns true, and a copy of it as it is
// now. It returns nil if there is none.
func (s *Server) find(is func(*job) bool) (found *job, now job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range slices.Backward(s.jobs) {
		if is(j) {
			return j, j.snapshot()
		}
	}
	return nil, job{}
}

// Conclude decides the job with this ID, as if Smile ID had done so. job_status
// and /v3/status report the outcomes. For each outcome a callback goes to the
// job's CallbackURL, one after the other. You can conclude a job again. Conclude
// does not wait for the callbacks. It returns an error if there is no such job or
// no outcome, or if an outcome is invalid.
func (s *Server) Conclude(id string, outcomes ...smilesigtest.Outcome) error {
	j, _ := s.find(func(j *job) bool { return j.ID == id })
	switch {
	case j == nil:
		return fmt.Errorf("standin: no job %q", id)
	case len(outcomes) == 0:
		return errors.New("standin: no outcome")
	case slices.Min(outcomes) < smilesigtest.Approved, slices.Max(outcomes) > smilesigtest.IDValidated:
		return errors.New("standin: an outcome that is none of the constants")
	}
	s.conclude(j, outcomes)
	return nil
}

// decide returns what Outcomes decides.
func (s *Server) decide(j *job) []smilesigtest.Outcome {
	if s.Outcomes == nil {
		return bySandboxResult(s.asItIs(j).Job)
	}
	return s.Outcomes(s.asItIs(j).Job)
}

// decideNow returns the last outcome. Without an outcome it returns Approved,
// because an answer cannot wait.
func (s *Server) decideNow(j *job) smilesigtest.Outcome {
	outcomes := s.decide(j)
	if len(outcomes) == 0 {
		return smilesigtest.Approved
	}
	return outcomes[len(outcomes)-1]
}

// conclude makes the first outcome known at once; the others follow, each after
// the callback before it.
func (s *Server) conclude(j *job, outcomes []smilesigtest.Outcome) {
	if len(outcomes) == 0 || !s.begin() {
		return
	}
	reached := s.announce(j, outcomes[0])
	go func() {
		defer s.end()
		s.tell(reached)
		for _, o := range outcomes[1:] {
			s.tell(s.announce(j, o))
		}
	}()
}

func (s *Server) announce(j *job, o smilesigtest.Outcome) smilesigtest.Job {
	reached := s.reach(j, o)
	s.emit(Event{Job: &reached})
	return reached
}

// reach makes an outcome known, and returns the job as it is then.
func (s *Server) reach(j *job, o smilesigtest.Outcome) smilesigtest.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o == smilesigtest.IDValidated && !smileid.HasIDHalf(j.Product, j.Placement) {
		o = smilesigtest.Provisional // as Job.Callback reports it
	}
	wasDecided := j.isDecided()
	j.Outcomes, j.Completed = append(j.Outcomes, o), s.now()
	if j.isDecided() && !wasDecided {
		close(j.decided)
	}
	return j.snapshot().Job
}

// tell sends a callback with the newest outcome of j; how that went is in
// Deliveries.
func (s *Server) tell(j smilesigtest.Job) {
	if j.CallbackURL != "" {
		s.Deliver(s.ctx, j.CallbackURL, s.callback(j))
	}
}

// callback returns the callback with the newest outcome of j, signed for the
// Server's time.
func (s *Server) callback(j smilesigtest.Job) smilesigtest.Callback {
	cb := j.Callback(s.callbackCredential(), newestOf(j))
	cb.Time = s.timeToSign()
	return cb
}

func (s *Server) callbackCredential() smilesig.Credential {
	return cmp.Or(s.CallbackCredential, s.credential)
}

// bySandboxResult decides as Smile ID's sandbox does.
func bySandboxResult(j smilesigtest.Job) []smilesigtest.Outcome {
	var params struct {
		SandboxResult any `json:"sandbox_result"` // text or number
	}
	json.Unmarshal(j.PartnerParams, &params) // what cannot be read asks for nothing
	asked := ""
	if params.SandboxResult != nil {
		asked = fmt.Sprint(params.SandboxResult)
	}
	outcomes, ok := outcomesFor(asked, j.Product)
	if !ok {
		outcomes = []smilesigtest.Outcome{smilesigtest.Approved}
	}
	if smileid.HasIDHalf(j.Product, j.Placement) && outcomes[0] != smilesigtest.Failed {
		outcomes = append([]smilesigtest.Outcome{smilesigtest.IDValidated}, outcomes...)
	}
	return outcomes
}

// outcomesFor returns the outcomes of a sandbox_result. 0, 1 and 2 are v1's [docs],
// and we assume that a final result follows a provisional one. "failed" is our own,
// because v1 has nothing for it. v3 has result codes [spec].
func outcomesFor(asked, product string) (outcomes []smilesigtest.Outcome, ok bool) {
	switch asked {
	case "", "0":
		return []smilesigtest.Outcome{smilesigtest.Approved}, true
	case "1":
		return []smilesigtest.Outcome{smilesigtest.Declined}, true
	case "2":
		return []smilesigtest.Outcome{smilesigtest.Provisional, smilesigtest.Approved}, true
	case "failed":
		return []smilesigtest.Outcome{smilesigtest.Failed}, true
	}
	o, ok := byCode[codeOutcome(asked, product)]
	return []smilesigtest.Outcome{o}, ok
}

var byCode = map[result.Outcome]smilesigtest.Outcome{
	result.Approved: smilesigtest.Approved, result.Rejected: smilesigtest.Declined,
	result.Review: smilesigtest.Provisional, result.NoVerdict: smilesigtest.Failed,
}

var resultCode = regexp.MustCompile(`^\d{1,4}$`)

// codeOutcome returns what a code means for the product. If the product does not
// have the code, its meaning elsewhere counts, if there is only one. Smile ID's
// example needs that: it asks biometric KYC for a code of authentication.
func codeOutcome(code, product string) result.Outcome {
	if !resultCode.MatchString(code) {
		return result.Unknown
	}
	ofAny, _ := result.Parse(fmt.Appendf(nil, `{"ResultCode":"%04s"}`, code))
	ofProduct, _ := result.Parse(fmt.Appendf(nil, `{"ResultCode":"%04s","PartnerParams":{"job_type":%d}}`, code, smileid.JobTypes[product]))
	return cmp.Or(ofProduct.Outcome, ofAny.Outcome) // Unknown is 0
}

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
	return s.resultNow(c, s.asItIs(same).Job)
}

// resultNow answers with the newest outcome of j, signed.
func (s *Server) resultNow(c *call, j smilesigtest.Job) *reply {
	if c.isV3() {
		return s.v3Result(c, j)
	}
	return accepted(http.StatusOK, s.signed(newestBody(j), Untampered))
}

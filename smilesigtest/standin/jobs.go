package standin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// productOf returns the product of a job_type, which is a number or its text. If
// there is none, it returns fallback.
func productOf(jobType any, fallback string) string {
	for product, number := range smileid.JobTypes {
		if product != "basic_kyc" && fmt.Sprint(jobType) == fmt.Sprint(number) {
			return product
		}
	}
	return fallback
}

// A job is a Job that a request asked for. The Server's lock guards what changes
// in it.
type job struct {
	smilesigtest.Job
	uploadPath     string // of the URL that takes its zip; "" if it has none
	hasZip         bool
	idempotencyKey string
}

// newJob reads the job that the members of a v1 or v2 request ask for. It returns
// a fault if callback_url is not a URL, or if members are too large to be kept.
func (s *Server) newJob(m members, fallback string) (j *job, remark, fault string) {
	if len(m["partner_params"]) > largestKept {
		return nil, "", "partner_params is larger than the stand-in keeps"
	}
	var wanted string
	if m["callback_url"] != nil && json.Unmarshal(m["callback_url"], &wanted) != nil {
		return nil, "", "callback_url is not a string"
	}
	callbackURL, remark, fault := s.callbackURL(wanted)
	if fault != "" {
		return nil, "", fault
	}
	var params struct {
		UserID  string `json:"user_id"`
		JobID   string `json:"job_id"`
		JobType any    `json:"job_type"`
	}
	json.Unmarshal(m["partner_params"], &params) // what cannot be read stays empty
	j = &job{Job: smilesigtest.Job{
		UserID: params.UserID, JobID: params.JobID, PartnerParams: m["partner_params"],
		Product: productOf(params.JobType, fallback), CallbackURL: callbackURL, Placement: smilesig.InBody, Created: s.now(),
	}}
	return j, remark, ""
}

// largestKept limits what is kept of one request with its job.
const largestKept = 64 << 10

// addJob gives j its ID.
func (s *Server) addJob(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.ID = smileid.NewJobID(j.Placement)
	s.jobs = newest(append(s.jobs, j), s.Keep)
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
func (j *job) snapshot() *job {
	copied := *j
	copied.Outcomes = slices.Clone(j.Outcomes)
	return &copied
}

// isDecided reports whether there is a result, even a provisional one.
func (j *job) isDecided() bool { return len(j.Outcomes) > 0 }

func (j *job) outcome() smilesigtest.Outcome { return j.Outcomes[len(j.Outcomes)-1] }

// findJob is like find, but returns a copy of the job as it is now.
func (s *Server) findJob(is func(*job) bool) *job {
	j := s.find(is)
	if j == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.snapshot()
}

// find returns the newest job for which is returns true, or nil.
func (s *Server) find(is func(*job) bool) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range slices.Backward(s.jobs) {
		if is(j) {
			return j
		}
	}
	return nil
}

func (s *Server) jobByID(id string) *job {
	return s.find(func(j *job) bool { return j.ID == id })
}

// Conclude decides the job with this ID, as if Smile ID had done so. job_status
// and /v3/status report the outcomes. For each outcome a callback goes to the
// job's CallbackURL, one after the other. You can conclude a job again. Conclude
// does not wait for the callbacks. It returns an error if there is no such job or
// no outcome, or if an outcome is invalid.
func (s *Server) Conclude(id string, outcomes ...smilesigtest.Outcome) error {
	j := s.jobByID(id)
	switch {
	case j == nil:
		return fmt.Errorf("standin: no job %q", id)
	case len(outcomes) == 0:
		return errors.New("standin: no outcome")
	case slices.Min(outcomes) < smilesigtest.Approved, slices.Max(outcomes) > smilesigtest.Failed:
		return errors.New("standin: an outcome that is none of the constants")
	}
	s.conclude(j, outcomes)
	return nil
}

// decide returns what Outcomes decides.
func (s *Server) decide(j *job) []smilesigtest.Outcome {
	s.mu.Lock()
	asked := j.snapshot().Job
	s.mu.Unlock()
	if s.Outcomes == nil {
		return bySandboxResult(asked)
	}
	return s.Outcomes(asked)
}

// conclude makes the first outcome known at once; the others follow, each after
// the callback before it.
func (s *Server) conclude(j *job, outcomes []smilesigtest.Outcome) {
	if len(outcomes) == 0 || !s.begin() {
		return
	}
	cb := s.reach(j, outcomes[0])
	go func() {
		defer s.end()
		s.tell(j, cb)
		for _, o := range outcomes[1:] {
			s.tell(j, s.reach(j, o))
		}
	}()
}

// reach makes an outcome known, and returns the callback for it.
func (s *Server) reach(j *job, o smilesigtest.Outcome) smilesigtest.Callback {
	s.mu.Lock()
	j.Outcomes, j.Completed = append(j.Outcomes, o), s.now()
	reached := j.snapshot().Job
	s.mu.Unlock()
	s.emit(Event{Job: &reached})
	return s.callback(reached, o)
}

// callback returns the callback for o, signed for the Server's time.
func (s *Server) callback(j smilesigtest.Job, o smilesigtest.Outcome) smilesigtest.Callback {
	cb := j.Callback(s.credential, o)
	cb.Time = s.timeToSign()
	return cb
}

// tell sends a callback of j; how that went is in Deliveries.
func (s *Server) tell(j *job, cb smilesigtest.Callback) {
	if j.CallbackURL != "" {
		s.Deliver(s.ctx, j.CallbackURL, cb)
	}
}

// prepareUpload answers with the URL for the zip. It has another origin, like a
// presigned URL of cloud storage.
func (s *Server) prepareUpload(c *call, m members) reply {
	j, remark, fault := s.newJob(m, "biometric_kyc")
	if fault != "" {
		return denied(codeInvalid, fault)
	}
	j.uploadPath = "/" + rand.Text() + "/selfie.zip"
	s.addJob(j)
	a := accepted(map[string]any{
		"code": "2202", "smile_job_id": j.ID, "ref_id": "ref-" + j.ID, "upload_url": s.uploadURL + j.uploadPath,
	})
	return a.remarking(remark)
}

// takeZip answers a request to the upload origin. That origin wants no signature.
func (s *Server) takeZip(c *call) reply {
	for name := range c.Header {
		if strings.HasPrefix(name, "Smileid-") {
			return c.refused(http.StatusForbidden, "a signature header has come to the upload URL")
		}
	}
	j := s.find(func(j *job) bool { return j.uploadPath != "" && j.uploadPath == c.URL.Path })
	switch {
	case j == nil:
		return c.refused(http.StatusNotFound, "no such upload")
	case c.Method != http.MethodPut:
		return c.notAllowed(http.MethodPut)
	case c.Header.Get("Content-Type") != "application/zip":
		return c.refused(http.StatusForbidden, "the Content-Type is not application/zip")
	}
	a := accepted(nil)
	if s.isFirstZip(j) {
		a.then = func() { s.conclude(j, s.decide(j)) }
	}
	return a
}

func (s *Server) isFirstZip(j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	isFirst := !j.hasZip
	j.hasZip = true
	return isFirst
}

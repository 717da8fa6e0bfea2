package smilesigtest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
)

// A Job is Smile ID's word for one verification. A request asks for a job, and
// callbacks report its result.
type Job struct {
	// ID is Smile ID's name for the job: SmileJobID in v1 and v2, job_id in v3.
	ID string

	// UserID is the partner's name for the person, JobID its name for the job. v3
	// has no such name for the job.
	UserID, JobID string

	// Product is one of [Products], or v3's name for it.
	Product string

	// PartnerParams is the JSON object partner_params of the request, if any.
	PartnerParams json.RawMessage

	// CallbackURL is where results go. "" means nowhere.
	CallbackURL string

	// Placement is where the pair of a callback goes: InHeader in v3, else InBody.
	Placement smilesig.Placement

	// Outcomes has the outcomes so far, the newest last.
	Outcomes []Outcome
}

// Callback returns the callback that reports the outcome o of j, signed for now.
// If j has no ID, the callback has a new one. If the product is not one of
// [Products], the body is short. Callback panics if o is not one of the
// constants.
func (j Job) Callback(credential smilesig.Credential, o Outcome) Callback {
	if j.ID == "" {
		j.ID = newJobID(j.Placement)
	}
	cb := NewCallback(credential, encoded(j.result(o, time.Now())))
	if j.Placement == smilesig.InHeader {
		cb.Placement = smilesig.InHeader
		cb.Header = http.Header{"Job-Id": {j.ID}, "User-Id": {j.UserID}, "Api-Version": {apiVersion}}
	}
	return cb
}

// result returns the body that reports the outcome o.
func (j Job) result(o Outcome, at time.Time) map[string]json.RawMessage {
	if j.Placement == smilesig.InHeader {
		return j.webhook(o, at)
	}
	result := map[string]json.RawMessage{}
	if sample, ok := Sample(j.Product, smilesig.InBody); ok {
		json.Unmarshal(sample, &result) // a sample of ours
	}
	return j.members(result, o)
}

// params returns PartnerParams, or what a request of this job would have there.
func (j Job) params() json.RawMessage {
	if j.PartnerParams != nil {
		return j.PartnerParams
	}
	return encoded(map[string]any{"job_id": j.JobID, "user_id": j.UserID, "job_type": jobTypeOf(j.Product)})
}

// isDecided reports whether there is a result, even a provisional one.
func (j Job) isDecided() bool { return len(j.Outcomes) > 0 }

func (j Job) outcome() Outcome { return j.Outcomes[len(j.Outcomes)-1] }

// jobTypes has the job_type of each product [docs].
var jobTypes = map[string]int{
	"biometric_kyc": 1, "smartselfie_authentication": 2, "smartselfie_enrollment": 4,
	"enhanced_kyc": 5, "basic_kyc": 5, "document_verification": 6, "business_verification": 7,
	"aml_check": 10, "enhanced_document_verification": 11,
}

func jobTypeOf(product string) int { return jobTypes[product] }

// productOf returns the product of a job_type, which is a number or its text. If
// there is none, it returns fallback.
func productOf(jobType any, fallback string) string {
	for product, number := range jobTypes {
		if product != "basic_kyc" && fmt.Sprint(jobType) == fmt.Sprint(number) {
			return product
		}
	}
	return fallback
}

// newJobID returns an ID that no job had, not even before a restart.
func newJobID(placement smilesig.Placement) string {
	if placement == smilesig.InHeader {
		return newTypeID("job")
	}
	n, _ := rand.Int(rand.Reader, big.NewInt(9e9)) // crypto/rand never fails
	return fmt.Sprint(1e9 + n.Int64())
}

// newTypeID returns an ID as v3 writes them, in an alphabet without i, l, o and
// u.
func newTypeID(prefix string) string {
	return prefix + "_0" + inTypeIDs.Replace(strings.ToLower(rand.Text()[:25]))
}

var inTypeIDs = strings.NewReplacer("i", "0", "l", "1", "o", "8", "u", "9")

// A job is a Job that a request asked for. The Server's lock guards what changes
// in it.
type job struct {
	Job
	uploadPath     string // of the URL that takes its zip; "" if it has none
	hasZip         bool
	idempotencyKey string
	created        time.Time
}

// newJob reads the job that the members of a v1 or v2 request ask for. It returns
// a fault if callback_url is not a URL, or if members are too large to be kept.
func (s *Server) newJob(m members, fallback string) (j *job, remark, fault string) {
	if len(m["partner_params"]) > largestKept {
		return nil, "", "partner_params is larger than the stand-in keeps"
	}
	callbackURL, remark, fault := s.callbackURL(m["callback_url"])
	if fault != "" {
		return nil, "", fault
	}
	var params struct {
		UserID  string `json:"user_id"`
		JobID   string `json:"job_id"`
		JobType any    `json:"job_type"`
	}
	json.Unmarshal(m["partner_params"], &params) // what cannot be read stays empty
	j = &job{created: s.now(), Job: Job{
		UserID: params.UserID, JobID: params.JobID, PartnerParams: m["partner_params"],
		Product: productOf(params.JobType, fallback), CallbackURL: callbackURL, Placement: smilesig.InBody,
	}}
	return j, remark, ""
}

// largestKept limits what is kept of one request with its job.
const largestKept = 64 << 10

// addJob gives j its ID.
func (s *Server) addJob(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.ID = newJobID(j.Placement)
	s.jobs = newest(append(s.jobs, j), s.Keep)
}

// Jobs returns the jobs that the Server keeps, the oldest first.
func (s *Server) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Job, len(s.jobs))
	for i, j := range s.jobs {
		all[i] = j.snapshot()
	}
	return all
}

// snapshot copies what changes.
func (j *job) snapshot() Job {
	copied := j.Job
	copied.Outcomes = slices.Clone(j.Outcomes)
	return copied
}

// findJob is like find, but returns a copy of the job as it is now.
func (s *Server) findJob(is func(*job) bool) *Job {
	j := s.find(is)
	if j == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := j.snapshot()
	return &found
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
func (s *Server) Conclude(id string, outcomes ...Outcome) error {
	j := s.jobByID(id)
	switch {
	case j == nil:
		return fmt.Errorf("smilesigtest: no job %q", id)
	case len(outcomes) == 0:
		return errors.New("smilesigtest: no outcome")
	case slices.Min(outcomes) < Approved, slices.Max(outcomes) > Failed:
		return errors.New("smilesigtest: an outcome that is none of the constants")
	}
	s.conclude(j, outcomes)
	return nil
}

// decide returns what Outcomes decides.
func (s *Server) decide(j *job) []Outcome {
	s.mu.Lock()
	asked := j.snapshot()
	s.mu.Unlock()
	if s.Outcomes == nil {
		return bySandboxResult(asked)
	}
	return s.Outcomes(asked)
}

// conclude makes the first outcome known at once; the others follow, each after
// the callback before it.
func (s *Server) conclude(j *job, outcomes []Outcome) {
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
func (s *Server) reach(j *job, o Outcome) Callback {
	s.mu.Lock()
	j.Outcomes = append(j.Outcomes, o)
	reached := j.snapshot()
	s.mu.Unlock()
	s.emit(Event{Job: &reached})
	return s.callback(reached, o)
}

// callback returns the callback for o, signed for the Server's time.
func (s *Server) callback(j Job, o Outcome) Callback {
	cb := j.Callback(s.credential, o)
	cb.Time = s.timeToSign()
	return cb
}

// tell sends a callback of j; how that went is in Deliveries.
func (s *Server) tell(j *job, cb Callback) {
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

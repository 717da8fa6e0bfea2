package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"example.com/smilesig"
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

// addJob gives j its ID, unless there is already a job that is the same. Then it
// returns that one.
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

func isNone(*job) bool { return false }

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

// outcome returns the newest outcome, and whether it is a result, even a
// provisional one.
func (j *job) outcome() (newest smilesigtest.Outcome, isDecided bool) {
	if len(j.Outcomes) == 0 {
		return 0, false
	}
	newest = j.Outcomes[len(j.Outcomes)-1]
	return newest, newest != smilesigtest.IDValidated
}

func (j *job) isDecided() bool {
	_, is := j.outcome()
	return is
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
	s.mu.Lock()
	asked := j.snapshot().Job
	s.mu.Unlock()
	if s.Outcomes == nil {
		return bySandboxResult(asked)
	}
	return s.Outcomes(asked)
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
	reached := s.reach(j, outcomes[0])
	s.emit(Event{Job: &reached})
	go func() {
		defer s.end()
		s.tell(reached)
		for _, o := range outcomes[1:] {
			reached := s.reach(j, o)
			s.emit(Event{Job: &reached})
			s.tell(reached)
		}
	}()
}

// reach makes an outcome known, and returns the job as it is then.
func (s *Server) reach(j *job, o smilesigtest.Outcome) smilesigtest.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o == smilesigtest.IDValidated && !smileid.HasIDHalf(j.Product, j.Placement) {
		o = smilesigtest.Provisional // as Job.Callback reports it
	}
	_, wasDecided := j.outcome()
	j.Outcomes, j.Completed = append(j.Outcomes, o), s.now()
	if _, isDecided := j.outcome(); isDecided && !wasDecided {
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
	cb := j.Callback(s.callbackCredential(), j.Outcomes[len(j.Outcomes)-1])
	cb.Time = s.timeToSign()
	return cb
}

// callbackCredential returns the credential that signs callbacks.
func (s *Server) callbackCredential() smilesig.Credential {
	if s.CallbackCredential == (smilesig.Credential{}) {
		return s.credential
	}
	return s.CallbackCredential
}

// result returns the body with the newest outcome of j.
func (s *Server) result(j smilesigtest.Job) json.RawMessage {
	return j.Callback(s.credential, j.Outcomes[len(j.Outcomes)-1]).Body
}

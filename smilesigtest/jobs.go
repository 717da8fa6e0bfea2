package smilesigtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"example.com/smilesig"
)

// A job is one that a request asked for. complete changes under the Server's lock.
type job struct {
	id            string // what Smile ID calls it, a number of ten digits
	params        json.RawMessage
	userID, jobID string // what the partner calls it
	product       string
	callbackURL   string
	uploadPath    string // of the URL that takes its zip; "" if it has none
	complete      bool
}

func newJob(m members) *job {
	var params struct {
		UserID  string `json:"user_id"`
		JobID   string `json:"job_id"`
		JobType any    `json:"job_type"` // a number, or a number as text
	}
	json.Unmarshal(m["partner_params"], &params) // what cannot be read stays empty
	return &job{
		params: m["partner_params"], userID: params.UserID, jobID: params.JobID,
		product:     productOf(fmt.Sprint(params.JobType)),
		callbackURL: m.text("callback_url"),
	}
}

// productOf returns the product with a job_type [docs].
func productOf(jobType string) string {
	switch jobType {
	case "2":
		return "smartselfie_authentication"
	case "4":
		return "smartselfie_enrollment"
	case "5":
		return "enhanced_kyc"
	case "6":
		return "document_verification"
	case "7":
		return "business_verification"
	case "10":
		return "aml_check"
	case "11":
		return "enhanced_document_verification"
	}
	return "biometric_kyc"
}

// addJob returns the ID that it gives to j.
func (s *Server) addJob(j *job) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, j)
	j.id = fmt.Sprintf("%010d", len(s.jobs))
	return j.id
}

// addUpload returns the path that takes the zip of j.
func (s *Server) addUpload(j *job) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.uploadPath = "/" + j.id + "/selfie.zip"
	return j.uploadPath
}

// completeJob returns the complete job that the partner calls so; nil if there is
// none.
func (s *Server) completeJob(userID, jobID string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.complete && j.userID == userID && j.jobID == jobID {
			return j
		}
	}
	return nil
}

// complete sends the callback of a job that was not complete yet.
func (s *Server) complete(j *job) {
	s.mu.Lock()
	again := j.complete
	j.complete = true
	s.mu.Unlock()
	if !again && j.callbackURL != "" {
		s.deliverLater(j.callbackURL, s.callback(j))
	}
}

// result is the product's sample, with what is known of the job.
func (j *job) result() map[string]json.RawMessage {
	sample, _ := Sample(j.product, smilesig.InBody)
	var result map[string]json.RawMessage
	json.Unmarshal(sample, &result) // a sample of ours
	result["SmileJobID"] = json.RawMessage(strconv.Quote(j.id))
	if j.params != nil {
		result["PartnerParams"] = j.params
	}
	return result
}

func (s *Server) callback(j *job) Callback {
	text, _ := json.Marshal(j.result()) // made of JSON
	cb := NewCallback(s.credential, text)
	cb.Time = s.timeToSign()
	return cb
}

// prepareUpload answers with where to put the zip: another origin, as with a
// presigned URL of a cloud's storage.
func (s *Server) prepareUpload(m members) reply {
	j := newJob(m)
	id := s.addJob(j)
	return accepted(map[string]any{
		"code": "2202", "smile_job_id": id, "ref_id": "ref-" + id,
		"upload_url": s.uploadURL + s.addUpload(j),
	})
}

// takeZip answers a request to the upload origin, which wants no signature.
func (s *Server) takeZip(r *http.Request, body []byte) reply {
	for name := range r.Header {
		if strings.HasPrefix(name, "Smileid-") {
			return refused(http.StatusForbidden, "a signature header has come to the upload URL")
		}
	}
	j := s.jobByUploadPath(r.URL.Path)
	switch {
	case r.Method != http.MethodPut:
		return refused(http.StatusMethodNotAllowed, "not a PUT")
	case r.Header.Get("Content-Type") != "application/zip":
		return refused(http.StatusForbidden, "the Content-Type is not application/zip")
	case j == nil:
		return refused(http.StatusNotFound, "no such upload")
	}
	a := accepted(nil)
	a.then = func() { s.complete(j) }
	return a
}

func (s *Server) jobByUploadPath(path string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.uploadPath == path {
			return j
		}
	}
	return nil
}

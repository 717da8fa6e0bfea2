package standin

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

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
	case c.Method != put:
		return c.notAllowed(put)
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

// jobStatus answers with what is known of a job. A job without names is none.
func (s *Server) jobStatus(c *call) *reply {
	userID, jobID := c.object.text("user_id"), c.object.text("job_id")
	_, now := s.find(func(j *job) bool {
		return j.Placement == smilesig.InBody && userID != "" && jobID != "" && j.UserID == userID && j.JobID == jobID
	})
	o, isDecided := now.outcome()
	answer := map[string]any{"code": "2302", "job_complete": isDecided, "job_success": false, "result": struct{}{}}
	switch {
	case isDecided:
		answer["job_success"] = o == smilesigtest.Approved || o == smilesigtest.Provisional
		answer["result"] = s.result(now.Job)
	case now.uploadPath != "" && !now.hasZip:
		answer["code"], answer["result"] = "2314", "No zip file received" // [docs, sdk]
	}
	if isTrue(c.object["history"]) {
		answer["history"] = s.history(now.Job)
	}
	if isTrue(c.object["image_links"]) {
		answer["image_links"] = map[string]string{"selfie_image": "https://example.com/selfie.jpg"}
	}
	return accepted(http.StatusOK, s.signed(answer, s.Answers))
}

// history returns the results of j so far, the newest first, as in the SDKs'
// fixtures.
func (s *Server) history(j smilesigtest.Job) []json.RawMessage {
	all := []json.RawMessage{}
	for n := range j.Outcomes {
		then := j
		then.Outcomes = j.Outcomes[:n+1]
		all = append(all, s.result(then))
	}
	slices.Reverse(all)
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

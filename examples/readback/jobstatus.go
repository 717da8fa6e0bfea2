package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/smilesig"
)

// newClient returns the client for Smile ID. It takes no answer of job_status
// that lacks a genuine pair.
func newClient(signer *smilesig.Signer, origin string) *http.Client {
	return &http.Client{
		Transport: &smilesig.Transport{Signer: signer, Origins: []string{origin}, ConfirmResponses: true},
		Timeout:   20 * time.Second, // Smile ID waits about 35 for our own answer
		// A redirect can turn the POST into a GET, which is not signed and whose
		// answer nobody confirms.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask returns what Smile ID says of a job: approved, declined or pending. Any
// doubt is an error, and means that nothing is known.
//
// What makes the answer worth acting on is TLS to Smile ID's own host, and that we
// asked. Its pair covers its body no more than a callback's does, and our request
// has just shown a pair to whoever answers. Confirming it catches an answer that
// somebody else's server or a proxy made up without one.
func (p *partner) ask(ctx context.Context, j job) (state, error) {
	question, err := json.Marshal(map[string]any{
		"partner_id": p.signer.PartnerID(), "user_id": j.userID, "job_id": j.jobID,
		"image_links": false, "history": false,
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.smileID+"/v1/job_status", bytes.NewReader(question))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(req)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("job_status: status %d", response.StatusCode)
	}
	var answer jobStatus
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("job_status: %w", err)
	}
	return answer.stateOf(j)
}

type jobStatus struct {
	JobComplete bool            `json:"job_complete"`
	JobSuccess  bool            `json:"job_success"`
	Result      json.RawMessage `json:"result"` // while the job is not complete, of any shape
}

type result struct {
	ResultCode    string
	IsFinalResult any // "true" or true; some products leave it out
	PartnerParams struct {
		UserID string `json:"user_id"`
		JobID  string `json:"job_id"`
	}
}

// approvals are the result codes that we approve on, of a biometric KYC job. The
// list is yours to make. Provisional codes are not on it: Smile ID counts them as
// a success, too.
var approvals = map[string]bool{"1210": true}

func (a jobStatus) stateOf(j job) (state, error) {
	if !a.JobComplete {
		return pending, nil
	}
	var r result
	if err := json.Unmarshal(a.Result, &r); err != nil {
		return "", fmt.Errorf("job_status: the result: %w", err)
	}
	if r.PartnerParams.UserID != j.userID || r.PartnerParams.JobID != j.jobID {
		return "", errors.New("job_status: the answer is about another job")
	}
	isFinal := r.IsFinalResult == nil || fmt.Sprint(r.IsFinalResult) == "true"
	switch {
	case isFinal && !a.JobSuccess:
		return declined, nil
	case isFinal && approvals[r.ResultCode]:
		return approved, nil
	}
	return pending, nil
}

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/smilesig"
)

// A smileID asks Smile ID about jobs. It is safe for concurrent use.
//
// What makes its answers worth acting on is TLS to Smile ID's own host, and that we
// asked. v3's answers have no signature. That of v1 covers its body no more than
// a callback's does, and our request has just shown a pair to whoever answers.
// Confirming it catches an answer that somebody else's server or a proxy made up.
type smileID struct {
	origin     string // https://api.smileidentity.com, or the sandbox's
	signer     *smilesig.Signer
	credential smilesig.Credential // for v3, without leading zeros
	client     *http.Client

	mu    sync.Mutex
	token string
	renew time.Time // when to get another token
}

func newSmileID(signer *smilesig.Signer, credential smilesig.Credential, origin string) *smileID {
	client := &http.Client{
		Transport: &smilesig.Transport{Signer: signer, Origins: []string{origin}, ConfirmResponses: true},
		Timeout:   20 * time.Second, // Smile ID waits about 35 for our own answer
		// A redirect would take the token or the API key along, and can turn v1's
		// POST into a GET, which is not signed and whose answer nobody confirms.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &smileID{origin: origin, signer: signer, credential: credential, client: client}
}

// ask returns what Smile ID says of a job: approved, declined, or open. Any doubt
// is an error, and means that nothing is known.
func (s *smileID) ask(ctx context.Context, j job) (state, error) {
	if j.api == v3 {
		return s.askV3(ctx, j)
	}
	return s.askV1(ctx, j)
}

func (s *smileID) askV1(ctx context.Context, j job) (state, error) {
	question, err := json.Marshal(map[string]any{
		"partner_id": s.signer.PartnerID(), "user_id": j.userID, "job_id": j.id,
		"image_links": false, "history": false,
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.origin+"/v1/job_status", bytes.NewReader(question))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	var answer jobStatus
	if _, err := s.do(req, &answer, http.StatusOK); err != nil {
		return "", err
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

// approvals are the result codes that we approve on, of an enhanced KYC job. The
// list is yours to make. Provisional codes are not on it: Smile ID counts them as
// a success, too.
var approvals = map[string]bool{"1012": true}

func (a jobStatus) stateOf(j job) (state, error) {
	if !a.JobComplete {
		return open, nil
	}
	var r result
	if err := json.Unmarshal(a.Result, &r); err != nil {
		return "", fmt.Errorf("job_status: the result: %w", err)
	}
	if r.PartnerParams.UserID != j.userID || r.PartnerParams.JobID != j.id {
		return "", errAnotherJob
	}
	isFinal := r.IsFinalResult == nil || fmt.Sprint(r.IsFinalResult) == "true"
	switch {
	case isFinal && !a.JobSuccess:
		return declined, nil
	case isFinal && approvals[r.ResultCode]:
		return approved, nil
	}
	return open, nil
}

var errAnotherJob = errors.New("the answer is about another job or user")

// askV3 reads the status of a job. v3 tells no more when it is asked: neither the
// product nor a field of the result, such as the ID number that was checked or the
// persons that were found. Those are in the webhook only, whose body nobody signs.
// If you decide by them, make a synchronous call (/v3/aml/sync, /v3/enhanced_kyc/sync):
// its answer has the result, and no webhook comes.
//
// If only a callback has told Smile ID's name for the job, any clear job of the same
// user passes for ours, and the holder of a token can start one. The store takes a
// name for one job only. Where apps start the jobs, bind the user and the product
// into their tokens.
func (s *smileID) askV3(ctx context.Context, j job) (state, error) {
	if j.smileJob == "" {
		return "", errors.New("the job's name at Smile ID is not known yet")
	}
	token, err := s.currentToken(ctx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin+"/v3/status/"+url.PathEscape(j.smileJob), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("SmileID-Token", token)
	var answer struct {
		Status string `json:"status"`
		JobID  string `json:"job_id"`
		UserID string `json:"user_id"`
	}
	status, err := s.do(req, &answer, http.StatusOK, http.StatusAccepted)
	switch {
	case status == http.StatusUnauthorized:
		s.dropToken()
		return "", err
	case err != nil:
		return "", err
	case answer.JobID != j.smileJob || answer.UserID != j.userID:
		return "", errAnotherJob
	case status == http.StatusAccepted: // processing
		return open, nil
	case answer.Status == "clear":
		return approved, nil
	case answer.Status == "block":
		return declined, nil
	}
	return open, nil // attention and error: a person of yours has to look
}

// currentToken returns a token for v3. It keeps one until a minute before its end.
func (s *smileID) currentToken(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.renew) {
		return s.token, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.origin+"/v3/token", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("smileid-partner-id", s.credential.PartnerID)
	req.Header.Set("smileid-api-key", s.credential.APIKey)
	var answer struct {
		Token string `json:"token"`
	}
	if _, err := s.do(req, &answer, http.StatusOK); err != nil {
		return "", err
	}
	s.token, s.renew = answer.Token, endOf(answer.Token).Add(-time.Minute)
	return s.token, nil
}

// dropToken forgets the token, which was refused.
func (s *smileID) dropToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew = time.Time{}
}

// endOf returns when a token expires; long ago if it does not say. The token is not
// verified: Smile ID does that, and nothing here depends on it.
func endOf(token string) time.Time {
	var claims struct {
		Expires float64 `json:"exp"` // in seconds
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(payload, &claims) // what cannot be read says nothing
	}
	return time.Unix(int64(claims.Expires), 0)
}

// do sends a request and decodes the answer if it has one of the statuses.
func (s *smileID) do(req *http.Request, into any, statuses ...int) (status int, err error) {
	response, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if !slices.Contains(statuses, response.StatusCode) {
		return response.StatusCode, fmt.Errorf("%s: status %d", req.URL.Path, response.StatusCode)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return response.StatusCode, fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	return response.StatusCode, nil
}

package readback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/smilesig"
	"example.com/smilesig/result"
)

// A Reader asks Smile ID about jobs. It is safe for concurrent use once its fields
// are set, and must not be copied after its first use. Printing a *Reader shows its
// Origin only.
//
// Its errors quote only the status and a code of up to four digits from the answer. A
// faulty field or argument is smilesig.ErrConfig. An answer of job_status that is not
// signed is smilesig.ErrMissing or smilesig.ErrSignature.
type Reader struct {
	// Signer signs the questions and confirms the answers. Use the one that verifies
	// callbacks. Its current credential also gets the tokens of v3. Required.
	Signer *smilesig.Signer

	// Origin is where Smile ID is, as "scheme://host[:port]":
	// "https://api.smileidentity.com" is production. Required, because a key of the
	// sandbox must not go to production. It must be https, or http to this machine.
	Origin string

	// Base sends the requests. nil means http.DefaultTransport. The Reader puts a
	// smilesig.Transport round it. Base must not follow redirects.
	Base http.RoundTripper

	// Now is the clock for signing, and for the end of tokens. nil means time.Now.
	Now func() time.Time

	tokens tokens
}

// Format implements [fmt.Formatter].
func (r *Reader) Format(f fmt.State, _ rune) {
	// What is in front of an @ may be a password.
	fmt.Fprintf(f, "readback.Reader{Origin:%s}", r.Origin[strings.LastIndexByte(r.Origin, '@')+1:])
}

var (
	ErrPending  = errors.New("readback: no result yet")                           // ask again later; v1 also says so of a job that it does not know
	ErrNotFound = errors.New("readback: no such job")                             // v3 does not know the job
	ErrOther    = errors.New("readback: the answer is about another job or user") // or does not say which
)

// A RefusedError reports that Smile ID refused the question, or refused the Reader a
// token.
type RefusedError struct {
	Status int    // of HTTP
	Code   string // Smile ID's own, such as "2205"; "" if it gave none of one to four digits
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("readback: refused with status %d, code %q", e.Status, e.Code)
}

// Temporary reports whether asking again may help. It is true for the statuses 408,
// 425, 429 and 5xx.
func (e *RefusedError) Temporary() bool {
	return e.Status/100 == 5 || slices.Contains([]int{408, 425, 429}, e.Status)
}

// JobStatus returns the result of a job of v1 or v2. userID and jobID are the names
// that you gave in the request for the job: user_id and job_id. An ID that is empty
// or not valid UTF-8 is smilesig.ErrConfig. Compare JobType of the result with the job
// type of your request: somebody else may have started a job of a weaker product.
//
// It returns [ErrPending] until the job is complete. A job that is complete without
// a result, or with a text in its place, is NoVerdict. Such an answer names no job, so
// UserID and JobID are those that you asked for. An Approved becomes Review if the
// member job_success of the answer is there and not true.
func (r *Reader) JobStatus(ctx context.Context, userID, jobID string) (result.Result, error) {
	if userID == "" || jobID == "" || !utf8.ValidString(userID) || !utf8.ValidString(jobID) { // JSON would change the latter
		return result.Result{}, fmt.Errorf("readback: %w: a user ID and a job ID are not empty, and in UTF-8", smilesig.ErrConfig)
	}
	question, _ := json.Marshal(map[string]any{ // texts and booleans always have a JSON form
		"partner_id": r.Signer.PartnerID(), "user_id": userID, "job_id": jobID, "image_links": false, "history": false,
	})
	answer, err := r.ask(ctx, http.MethodPost, "/v1/job_status", question, http.Header{"Content-Type": {"application/json"}}, http.StatusOK)
	if err != nil {
		return result.Result{}, err
	}
	complete, success := answer.members["job_complete"], answer.members["job_success"]
	switch {
	case complete.Is("false"): // whatever result shows
		return result.Result{}, ErrPending
	case !complete.Is("true"):
		return result.Result{}, unreadable("job_complete is no boolean")
	}
	value := answer.members["result"]
	text, isText := value.Text()
	members, _ := value.Object()
	if isText || members != nil && len(members) == 0 {
		return result.Result{Outcome: result.NoVerdict, Version: 1, Text: text, UserID: userID, JobID: jobID}, nil
	}
	found, err := result.Parse(value.Raw)
	switch {
	case err != nil || value.Count != 1:
		return result.Result{}, unreadable("result is neither an object nor a text")
	case found.UserID != userID || found.JobID != jobID:
		return result.Result{}, ErrOther
	case found.Outcome == result.Approved && success.Count > 0 && !success.Is("true"):
		found.Outcome = result.Review
	}
	return found, nil
}

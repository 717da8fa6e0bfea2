package readback

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/result"
)

var (
	jobIDForm = regexp.MustCompile(`^[0-9A-Za-z_]+$`)
	tokenForm = regexp.MustCompile(`^[0-9A-Za-z_.-]+$`) // a JWT
)

// Status returns the status of a job of v3 as a result. Take smileJobID from the
// answer to your request for the job (status 202, job_id), never from the header
// Job-ID of a webhook, which nobody signs. v3's status does not name the product: use
// only the job id of your own 202 answer, because somebody else may have started a job
// of a weaker product. Compare UserID of the result with the user of the job: Status
// does not know who that is.
//
// It returns [ErrPending] while the job is accepted or processing, and [ErrNotFound]
// if Smile ID says that there is no such job. An answer whose status is none of v3 is
// an error.
//
// Status gets a token with the API key. It keeps the token until a minute before it
// expires, or until the Signer has another partner ID. If a token is refused with 401,
// Status asks once more, with another.
func (r *Reader) Status(ctx context.Context, smileJobID string) (result.Result, error) {
	if !jobIDForm.MatchString(smileJobID) {
		return result.Result{}, fmt.Errorf("readback: %w: a job ID of v3 has letters, digits and underscores only", smilesig.ErrConfig)
	}
	var a answer
	var token string // after the first attempt, the one that was refused
	var err error
	for range 2 {
		if token, err = r.token(ctx, token); err != nil {
			return result.Result{}, err
		}
		a, err = r.ask(ctx, http.MethodGet, "/v3/status/"+smileJobID, nil, http.Header{"Smileid-Token": {token}},
			http.StatusOK, http.StatusAccepted, http.StatusNotFound)
		if refusal, ok := errors.AsType[*RefusedError](err); !ok || refusal.Status != http.StatusUnauthorized {
			break
		}
	}
	if err != nil {
		return result.Result{}, err
	}
	found, _ := result.Parse(a.body) // an object, as ask has seen
	// No id is taken from partner_params: whoever starts a job chooses what is there.
	found.SmileJobID, found.UserID = a.members["job_id"].Word(), a.members["user_id"].Word()
	isNotFound := found.Code == "not_found"
	switch {
	case a.status == http.StatusNotFound && !isNotFound: // the Origin may be wrong
		return result.Result{}, a.refusal()
	case found.SmileJobID != smileJobID && !(isNotFound && a.members["job_id"].IsAbsent()):
		return result.Result{}, ErrOther
	case isNotFound:
		return result.Result{}, ErrNotFound
	case found.Code == "processing", found.Code == "accepted":
		return result.Result{}, ErrPending
	case a.status != http.StatusOK:
		return result.Result{}, a.refusal()
	case found.Version != 3:
		return result.Result{}, unreadable("it has no status of v3")
	}
	return found, nil
}

// tokens keeps a token. Only the caller who has the turn may look at the fields
// below.
type tokens struct {
	once sync.Once
	turn chan struct{} // holds an element while a caller has the turn
	kept func() string // a closure, so that nothing that prints a Reader can read the token
	end  time.Time     // when it is not used any more

	partnerID string // whose it is
}

// token returns the token that is kept. It gets another if that is the refused one, or
// another partner's. One caller gets it for all, in its own context. If that fails, the
// next caller tries for itself.
func (r *Reader) token(ctx context.Context, refused string) (string, error) {
	t, now := &r.tokens, time.Now
	t.once.Do(func() { t.turn = make(chan struct{}, 1) })
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", failed(ctx.Err())
	}
	if r.Now != nil {
		now = r.Now
	}
	partnerID := r.Signer.PartnerID() // before the question: Rotate may come meanwhile
	if t.kept != nil && t.kept() != refused && t.partnerID == partnerID && now().Before(t.end) {
		return t.kept(), nil
	}
	answer, err := r.ask(ctx, http.MethodPost, "/v3/token", nil, http.Header{}, http.StatusOK)
	if err != nil {
		return "", err
	}
	token, _ := answer.members["token"].Text()
	if !tokenForm.MatchString(token) {
		return "", unreadable("it has no token")
	}
	t.kept, t.end, t.partnerID = func() string { return token }, expiry(token).Add(-time.Minute), partnerID
	return token, nil
}

// expiry returns when a token says that it expires; long ago if it does not say.
// Nothing rests on that: Smile ID checks the token when it is used.
func expiry(token string) time.Time {
	var claims struct{ Exp int64 }
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token+".", ".")[1])
	json.Unmarshal(payload, &claims) // what cannot be read says nothing
	return time.Unix(claims.Exp, 0)
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

// A partner of Smile ID decides by what Smile ID says when asked, never by what a
// callback says. It is safe for concurrent use.
type partner struct {
	signer *smilesig.Signer
	urls   *joburl.URLs // of the callbacks
	*smileID
	*store
	act action
}

// newPartner opens the database and takes on nothing yet.
//
// Credential is as the portal shows it, with leading zeros. Callbacks are confirmed
// without them, too, because v3 wants the partner ID so, and Smile ID does not say
// how it signs a webhook then.
func newPartner(database string, credential smilesig.Credential, origin string, urls *joburl.URLs, act action) (*partner, error) {
	withoutZeros := credential
	withoutZeros.PartnerID = strings.TrimLeft(credential.PartnerID, "0")
	signer, err := smilesig.NewSigner(credential, withoutZeros)
	if err != nil {
		return nil, err
	}
	store, err := openStore(database)
	if err != nil {
		return nil, err
	}
	return &partner{signer, urls, newSmileID(signer, withoutZeros, origin), store, act}, nil
}

// A submission asks Smile ID for a job, whose callbacks go to a URL, and returns
// Smile ID's name for the job.
type submission func(ctx context.Context, j job, callbackURL string) (smileJob string, err error)

// start records a job before Smile ID hears of it, so that no callback finds none.
// Smile ID's name for it is known from the answer. If that is lost, the first
// callback has to tell the name.
func (p *partner) start(ctx context.Context, j job, submit submission) error {
	if err := p.addJob(ctx, j); err != nil {
		return err
	}
	smileJob, err := submit(ctx, j, p.urls.For(j.id))
	if err != nil {
		return err
	}
	return p.setSmileJob(ctx, j.id, smileJob)
}

// handler takes Smile ID's callbacks. The URL tells which job a callback is for.
//
// The Verifier has no replay guard. A false body decides nothing here: it can only
// make us ask Smile ID about the job of the URL. A guard would do harm: a false body
// that comes first would keep the genuine one with the same pair out.
func (p *partner) handler() http.Handler {
	verifier := &smilesig.Verifier{Signer: p.signer}
	return p.urls.Handler(verifier.Handler(http.HandlerFunc(p.takeCallback)))
}

func (p *partner) takeCallback(w http.ResponseWriter, r *http.Request) {
	id, isForJob := joburl.FromContext(r.Context())
	_, isVerified := smilesig.FromContext(r.Context())
	body, err := io.ReadAll(r.Body)
	if !isForJob || !isVerified || err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	status, err := p.process(r.Context(), id, r.Header, body)
	if err != nil {
		slog.WarnContext(r.Context(), "readback: a callback was not taken", "job", id, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	w.WriteHeader(status)
}

// process returns the status to answer a callback with, and why if it is not 200.
// The program may crash between any two of its lines, and the same callback may
// come twice at the same time.
func (p *partner) process(ctx context.Context, id string, header http.Header, body []byte) (status int, err error) {
	j, err := p.job(ctx, id)
	if err != nil { // no job either: we made the URL, so we have lost the job
		return http.StatusServiceUnavailable, err
	}
	if j.state != open {
		return http.StatusOK, nil
	}
	if j, err = j.claimed(header, body); err != nil {
		return http.StatusUnprocessableEntity, err
	}
	if err := p.resolve(ctx, j); err != nil {
		return http.StatusServiceUnavailable, err
	}
	return http.StatusOK, nil
}

// resolve asks Smile ID about a job, and acts if there is a final result.
func (p *partner) resolve(ctx context.Context, j job) error {
	answer, err := p.ask(ctx, j)
	if err != nil {
		return err
	}
	if j.api == v3 { // only now is the name more than a claim
		if err := p.setSmileJob(ctx, j.id, j.smileJob); err != nil {
			return err
		}
	}
	if answer == open {
		return nil
	}
	return p.decide(ctx, j, answer, p.act)
}

// sweep resolves all open jobs that Smile ID can be asked about: those that a crash
// cut short, those whose callbacks were lost or answered 503 too often, and those
// under review. Call it at the start and every few minutes; if your jobs are many,
// ask about older ones less often. It returns the errors of all jobs.
func (p *partner) sweep(ctx context.Context) error {
	jobs, err := p.openJobs(ctx)
	for _, j := range jobs {
		err = errors.Join(err, p.resolve(ctx, j))
	}
	return err
}

// claimed compares what a callback claims with what is known of the job of its
// URL. All claims have to agree, but there need not be any: in v3 some products have
// the IDs in the body's partner_params, some at the top, and some in headers only.
//
// It returns j with Smile ID's name for it. If j had none, that is a mere claim: it
// says which job to ask about.
func (j job) claimed(header http.Header, body []byte) (job, error) {
	type ids struct {
		UserID string `json:"user_id"`
		JobID  string `json:"job_id"`
	}
	var c struct {
		ids
		V1 ids `json:"PartnerParams"` // as in our request
		V3 ids `json:"partner_params"`
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return j, err
	}
	_, isUser := agreed(j.userID, header.Get("User-ID"), c.UserID, c.V1.UserID, c.V3.UserID)
	_, isJob := agreed(j.id, c.V1.JobID)
	smileJob, isSmileJob := agreed(j.smileJob, header.Get("Job-ID"), c.JobID, c.V3.JobID)
	if !isUser || !isJob || !isSmileJob {
		return j, errors.New("the callback is about another job or user than its URL")
	}
	j.smileJob = smileJob
	return j, nil
}

// agreed returns what all texts say that are not empty, and whether they agree.
func agreed(texts ...string) (text string, ok bool) {
	for _, t := range texts {
		text = cmp.Or(text, t)
		if t != "" && t != text {
			return "", false
		}
	}
	return text, true
}

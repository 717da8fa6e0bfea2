package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"example.com/smilesig"
)

// A partner of Smile ID decides by what Smile ID says when asked, never by what a
// callback says. It is safe for concurrent use.
type partner struct {
	signer  *smilesig.Signer
	client  *http.Client // of newClient
	smileID string       // the origin to ask
	store   *store
	act     action
}

// newPartner opens the database and takes on nothing yet. The origin of Smile ID
// is https://api.smileidentity.com, or the sandbox's.
func newPartner(database string, credential smilesig.Credential, origin string, act action) (*partner, error) {
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		return nil, err
	}
	store, err := openStore(database)
	if err != nil {
		return nil, err
	}
	return &partner{signer, newClient(signer, origin), origin, store, act}, nil
}

// handler takes Smile ID's callbacks.
//
// The Verifier has no replay guard, because a false body under a genuine pair
// decides nothing here: all it can do is make us ask. A guard would let a false
// body that comes first keep the genuine one out.
func (p *partner) handler() http.Handler {
	verifier := &smilesig.Verifier{Signer: p.signer}
	return verifier.Handler(http.HandlerFunc(p.takeCallback))
}

func (p *partner) takeCallback(w http.ResponseWriter, r *http.Request) {
	cb, isVerified := smilesig.FromContext(r.Context())
	body, err := io.ReadAll(r.Body)
	if !isVerified || err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	j, ok := jobIn(body)
	if !ok {
		slog.WarnContext(r.Context(), "readback: a verified callback names no job")
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	status, err := p.process(r.Context(), deliveryOf(cb, body), j)
	if err != nil {
		slog.WarnContext(r.Context(), "readback: a callback has to come again", "error", err)
		w.Header().Set("Retry-After", "30")
	}
	w.WriteHeader(status)
}

// process returns the status to answer a delivery with, and the cause of a 503. A
// crash may come between any two of its lines, the same delivery at the same time.
func (p *partner) process(ctx context.Context, d delivery, j job) (status int, err error) {
	isDone, err := p.store.keep(ctx, d, j)
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	if isDone {
		return http.StatusOK, nil
	}
	isOurs, err := p.store.isOurs(ctx, j)
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	if !isOurs {
		// Not asked about and not acted on, but in the inbox, so that it need not
		// come again: should the job turn up after all, sweep finds it.
		slog.WarnContext(ctx, "readback: a callback for a job that we did not start")
		return http.StatusAccepted, nil
	}
	if err := p.resolve(ctx, j); err != nil {
		return http.StatusServiceUnavailable, err
	}
	return http.StatusOK, nil
}

// resolve asks Smile ID about a job of ours and acts if there is a final result.
func (p *partner) resolve(ctx context.Context, j job) error {
	answer, err := p.ask(ctx, j)
	if err != nil {
		return err
	}
	if answer == pending {
		return p.store.markPending(ctx, j)
	}
	return p.store.decide(ctx, j, answer, p.act)
}

// sweep resolves all jobs with open deliveries: those that a crash cut short, or
// Smile ID gave up on after a few 503s, and those that were pending. Call it at
// the start and every few minutes. It returns the errors of all jobs.
//
// A job has no delivery if none of its callbacks got in, because we were down until
// they were stale: resolve those that stay started for long in the same way.
func (p *partner) sweep(ctx context.Context) error {
	open, err := p.store.openJobs(ctx)
	for _, j := range open {
		err = errors.Join(err, p.resolve(ctx, j))
	}
	return err
}

// longestID bounds what a sender can make us keep.
const longestID = 256

// jobIn returns the job that a callback's body names: a hint, which job to ask
// about, and all that is ever taken from the body.
func jobIn(body []byte) (job, bool) {
	type params struct {
		UserID string `json:"user_id"`
		JobID  string `json:"job_id"`
	}
	var named struct {
		V1 params `json:"PartnerParams"`
		V3 params `json:"partner_params"`
	}
	if json.Unmarshal(body, &named) != nil {
		return job{}, false
	}
	p := cmp.Or(named.V1, named.V3)
	ok := p.UserID != "" && p.JobID != "" && max(len(p.UserID), len(p.JobID)) <= longestID
	return job{p.UserID, p.JobID}, ok
}

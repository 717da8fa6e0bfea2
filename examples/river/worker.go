package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
)

// resolveArgs are the arguments of a job in the queue. The job ends when its row is
// decided or with a person.
type resolveArgs struct {
	ID string `json:"id"`
}

func (resolveArgs) Kind() string { return "resolve" }

// InsertOpts lets a row have one unfinished job. While there is one, River drops further
// inserts. No result gets lost by that: wake ends the job's wait, and a job that runs
// decides, asks again later, or notices the callback in handOver. A finished job keeps
// no other one out.
//
// River discards a job after eight failures in about 80 minutes. The next callback or the
// sweep makes another one.
func (resolveArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 8, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

var unfinished = []rivertype.JobState{"available", "pending", "retryable", "running", "scheduled"}

// A row that is open so long after its deadline goes to a person.
const patience = 7 * 24 * time.Hour

var errProvisional = errors.New("the result is provisional")

// resolve asks Smile ID and decides by the answer. It may run twice at the same time, and
// its machine may die between any two of its lines.
func (s *service) resolve(ctx context.Context, job *river.Job[resolveArgs]) error {
	v, err := s.load(ctx, job.Args.ID)
	if err != nil || v.isDecided {
		return err
	}
	answer, err := s.ask(ctx, v)
	mayPass := isTemporary(err)
	isRefused := !mayPass && (errors.As(err, new(*readback.RefusedError)) || errors.Is(err, smilesig.ErrConfig))
	if isRefused { // most likely every question is: open rows wait until that is mended
		slog.ErrorContext(ctx, "river: Smile ID refuses our question: look at the key and the origin", "verification", v.id, "error", err)
	}
	isOpen := isRefused || mayPass || errors.Is(err, readback.ErrPending) || err == nil && answer.Provisional
	switch {
	case isOpen && time.Since(v.deadline) > patience:
		return s.handOver(ctx, job, v, fmt.Sprintf("there is no final result, long after the deadline (%v)", cmp.Or(err, errProvisional)))
	case mayPass:
		return err // River tries again
	case isOpen:
		// Smile ID's reviews can take days, so an old job asks less often. A callback
		// ends the wait.
		return river.JobSnooze(min(max(time.Since(job.CreatedAt)/10, s.pace.again), time.Hour))
	case err != nil:
		return s.handOver(ctx, job, v, err.Error())
	case answer.Outcome == result.Approved || answer.Outcome == result.Rejected:
		return s.decide(ctx, v.id, answer.Outcome)
	default:
		return s.handOver(ctx, job, v, fmt.Sprintf("%v: %q, %q", answer.Outcome, answer.Code, answer.Text))
	}
}

func (s *service) load(ctx context.Context, id string) (v verification, err error) {
	err = s.db.QueryRow(ctx, `SELECT id, version, user_id, smile_job, deadline, callbacks, decision IS NOT NULL FROM verifications WHERE id = $1`, id).
		Scan(&v.id, &v.version, &v.userID, &v.smileJob, &v.deadline, &v.callbacks, &v.isDecided)
	return v, err
}

// ask reads the result back from Smile ID, by the names that were stored when the job
// was started. No callback can change what is asked.
func (s *service) ask(ctx context.Context, v verification) (result.Result, error) {
	switch {
	case v.version == 1:
		return s.reader.JobStatus(ctx, v.userID, v.id)
	case v.smileJob == "" && time.Now().Before(v.deadline):
		return result.Result{}, readback.ErrPending // a callback can be faster than verify
	case v.smileJob == "":
		return result.Result{}, errors.New("the answer to our request was lost, so we do not know Smile ID's name for the job")
	}
	answer, err := s.reader.Status(ctx, v.smileJob)
	if err == nil && answer.UserID != v.userID {
		err = readback.ErrOther
	}
	return answer, err
}

// isTemporary says whether the same question can have an answer later.
func isTemporary(err error) bool {
	temporary, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && temporary.Temporary()
}

// decide records a decision and acts on it, in one transaction: both happen or
// neither, and once, however often it is called. The first decision stands. Call it
// with a person's decision, too.
func (s *service) decide(ctx context.Context, id string, decision result.Outcome) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE verifications SET decision = $2, decided_at = now() WHERE id = $1 AND decision IS NULL`, id, decision.String())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM people WHERE verification = $1`, id); err != nil {
			return err
		}
		return s.act(ctx, tx, id, decision)
	})
}

// handOver gives a row to a person and finishes the job in the queue, in one
// transaction, unless a callback has come since v was loaded. Then the job asks again:
// the callback may be for a result that decides, and its insert was dropped.
func (s *service) handOver(ctx context.Context, job *river.Job[resolveArgs], v verification, reason string) error {
	isCurrent := false
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO people (verification, reason)
			SELECT id, $3 FROM verifications WHERE id = $1 AND callbacks = $2 AND decision IS NULL FOR UPDATE
			ON CONFLICT (verification) DO UPDATE SET reason = excluded.reason`, v.id, v.callbacks, reason)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		isCurrent = true
		_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if err == nil && !isCurrent {
		return river.JobSnooze(0)
	}
	return err
}

package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

// handler takes Smile ID's callbacks. The URL tells which job a callback is for. The
// body decides nothing, so nobody reads it.
func (s *service) handler() http.Handler {
	verifier := &smilesig.Verifier{Signer: s.signer, Guard: s.guard}
	return s.urls.Handler(verifier.Handler(http.HandlerFunc(s.takeCallback)))
}

// takeCallback answers 200 when the question to Smile ID is in the queue, or when there
// is nothing left to ask. With any other answer, Smile ID may send the callback again.
func (s *service) takeCallback(w http.ResponseWriter, r *http.Request) {
	id, _ := joburl.FromContext(r.Context())
	if err := s.wake(r.Context(), id); err != nil {
		slog.ErrorContext(r.Context(), "river: a callback was not taken", "verification", id, "error", err)
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// wake has a worker ask about an open row now. If the row has a job in the queue, the job
// waits no longer.
//
// The update locks the row. So handOver either sees the new count, or has finished its
// job before wake inserts another one.
func (s *service) wake(ctx context.Context, id string) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var isOpen bool
		err := tx.QueryRow(ctx, `UPDATE verifications SET callbacks = callbacks + 1 WHERE id = $1 RETURNING decision IS NULL`, id).Scan(&isOpen)
		if err != nil || !isOpen {
			return err
		}
		inserted, err := s.queue.InsertTx(ctx, tx, resolveArgs{ID: id}, nil)
		if err == nil && inserted.UniqueSkippedAsDuplicate {
			_, err = s.queue.JobRetryTx(ctx, tx, inserted.Job.ID) // ends a snooze, and leaves a run alone
		}
		return err
	})
}

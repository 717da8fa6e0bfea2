package main

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

type sweepArgs struct{}

func (sweepArgs) Kind() string { return "sweep" }

// InsertOpts lets there be one sweep at a time. A sweep that fails is not tried again,
// because the next one is due soon.
func (sweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: unfinished}}
}

// sweep puts every row into the queue that is open after its deadline and not with a
// person. A row that has a job there keeps that one. It also deletes bindings of the
// guard that have expired.
func (s *service) sweep(ctx context.Context, _ *river.Job[sweepArgs]) error {
	_, guardErr := s.guard.Sweep(ctx)
	rows, _ := s.db.Query(ctx, `
		SELECT id FROM verifications WHERE decision IS NULL AND deadline <= now()
		AND NOT EXISTS (SELECT FROM people WHERE verification = id)`)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string]) // has the error of Query
	for some := range slices.Chunk(ids, 1000) {
		var jobs []river.InsertManyParams
		for _, id := range some {
			jobs = append(jobs, river.InsertManyParams{Args: resolveArgs{ID: id}})
		}
		_, insertErr := s.queue.InsertMany(ctx, jobs)
		err = errors.Join(err, insertErr)
	}
	return errors.Join(guardErr, err)
}

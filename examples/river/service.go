package main

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/sqlguard"
)

//go:embed schema.sql
var schema string

// migrate creates the tables of River, of this program and of the guard, unless they are
// there. Run it before the first instance starts.
func migrate(ctx context.Context, db *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(db), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = db.Exec(ctx, schema+sqlguard.PostgreSQLSchema)
	return err
}

// A service is one instance. Start as many as you like on one database. It is safe for
// concurrent use.
type service struct {
	db     *pgxpool.Pool
	guard  *sqlguard.Guard  // one table for all instances
	signer *smilesig.Signer // confirms callbacks
	urls   *joburl.URLs     // of the callbacks
	reader *readback.Reader
	pace   pace

	// act does what follows from a decision, all of it through tx. What cannot be done
	// there, such as a payment, it puts into the queue by InsertTx.
	act func(ctx context.Context, tx pgx.Tx, id string, decision result.Outcome) error

	queue *river.Client[pgx.Tx] // start sets it
}

// newService returns an instance that start starts. Credential is as the portal shows
// it, with leading zeros. Smile ID does not say whether it signs the webhooks of v3 with
// them, so callbacks are confirmed with and without.
func newService(db *pgxpool.Pool, credential smilesig.Credential, origin, callbacks string, secret []byte, act func(context.Context, pgx.Tx, string, result.Outcome) error) (*service, error) {
	withoutZeros := credential
	withoutZeros.PartnerID = strings.TrimLeft(credential.PartnerID, "0")
	signer, signerErr := smilesig.NewSigner(credential, withoutZeros)
	urls, urlsErr := joburl.New(callbacks, secret)
	guard, guardErr := sqlguard.New(stdlib.OpenDBFromPool(db), sqlguard.Options{Dialect: sqlguard.PostgreSQL, Timeout: 10 * time.Second})
	reader := &readback.Reader{Signer: signer, Origin: origin}
	usual := pace{run: 30 * time.Second, again: 30 * time.Second, sweep: time.Minute}
	return &service{db: db, guard: guard, signer: signer, urls: urls, reader: reader, pace: usual, act: act},
		errors.Join(signerErr, urlsErr, guardErr)
}

// A pace says how long things take.
type pace struct {
	run   time.Duration // one run of a worker at most; after twice that, another machine takes its job
	again time.Duration // until an open job is asked about again, at least
	sweep time.Duration // from one sweep to the next
}

// start starts the workers, and has one of all instances put the sweeps into the queue.
// Call s.queue.Stop in the end.
func (s *service) start(ctx context.Context) (err error) {
	if err := s.guard.Check(ctx); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(s.resolve))
	river.AddWorker(workers, river.WorkFunc(s.sweep))
	newSweep := func() (river.JobArgs, *river.InsertOpts) { return sweepArgs{}, nil }
	s.queue, err = river.NewClient(riverpgxv5.New(s.db), &river.Config{
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 20}},
		Workers:              workers,
		PeriodicJobs:         []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(s.pace.sweep), newSweep, &river.PeriodicJobOpts{RunOnStart: true})},
		JobTimeout:           s.pace.run,
		RescueStuckJobsAfter: 2 * s.pace.run,
		Logger:               slog.Default(),
	})
	if err != nil {
		return err
	}
	return s.queue.Start(ctx)
}

// A verification is a row of the table.
type verification struct {
	id, userID, smileJob string
	version              int // 1 for v1 and v2, or 3
	deadline             time.Time
	callbacks            int64
	isDecided            bool
}

// verify records a job and then has submit ask Smile ID for it, so that no callback
// finds no row. submit returns Smile ID's name for the job.
//
// After an error, the row stays, because Smile ID may have the job. The sweep asks at
// the deadline. Set that soon after the last callback should have come.
func (s *service) verify(ctx context.Context, v verification, submit func(ctx context.Context, callbackURL string) (smileJob string, err error)) error {
	_, err := s.db.Exec(ctx, `INSERT INTO verifications (id, version, user_id, deadline) VALUES ($1, $2, $3, $4)`, v.id, v.version, v.userID, v.deadline)
	if err != nil {
		return err
	}
	smileJob, err := submit(ctx, s.urls.For(v.id))
	if err != nil {
		return err
	}
	// The name comes only once. It is kept even if nobody waits for it any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.pace.run)
	defer cancel()
	_, err = s.db.Exec(ctx, `UPDATE verifications SET smile_job = $2 WHERE id = $1`, v.id, smileJob)
	return err
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite"
)

// A job is a verification that we want from Smile ID, once: a resubmission is
// another job.
type job struct {
	id       string // ours, in the job's callback URL; in v1 also the job_id
	userID   string // ours, for the person
	api      api
	smileJob string // Smile ID's name for the job; "" as long as it is not known
	state    state
}

// An api is where to ask about a job.
type api string

const (
	v1 api = "v1"
	v3 api = "v3"
)

// A state is what we know of a job.
type state string

const (
	open     state = "open"
	approved state = "approved"
	declined state = "declined"
)

// actions has no UNIQUE, so that an action taken twice would show.
const schema = `
CREATE TABLE IF NOT EXISTS jobs (
	id        TEXT NOT NULL PRIMARY KEY,
	user_id   TEXT NOT NULL,
	api       TEXT NOT NULL CHECK (api IN ('v1', 'v3')),
	smile_job TEXT NOT NULL DEFAULT '',
	state     TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'declined'))
) STRICT;
CREATE INDEX IF NOT EXISTS open_jobs ON jobs (id) WHERE state = 'open';

-- One result does not decide two jobs.
CREATE UNIQUE INDEX IF NOT EXISTS smile_jobs ON jobs (smile_job) WHERE smile_job <> '';

CREATE TABLE IF NOT EXISTS actions ( -- stands for what you do with a decision
	job      TEXT NOT NULL,
	decision TEXT NOT NULL
) STRICT;`

// A store is safe for concurrent use, also by several processes. It keeps no
// callbacks: an open job is a job to ask about, whatever has come for it.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	options := url.Values{
		"_busy_timeout": {"5000"}, // milliseconds to wait for another process
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"}, // a decision survives a power cut
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer anyway
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, err
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// addJob records an open job. It refuses one whose id is taken.
func (s *store) addJob(ctx context.Context, j job) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO jobs (id, user_id, api) VALUES (?, ?, ?)`, j.id, j.userID, j.api)
	return err
}

const selectJobs = `SELECT id, user_id, api, smile_job, state FROM jobs `

func (s *store) job(ctx context.Context, id string) (job, error) {
	return scanJob(s.db.QueryRowContext(ctx, selectJobs+`WHERE id = ?`, id))
}

// openJobs returns the jobs that Smile ID can be asked about. v3 knows a job by
// Smile ID's name only. Look after the others yourself: their submission failed, or
// its answer was lost and no callback has come.
func (s *store) openJobs(ctx context.Context) ([]job, error) {
	rows, err := s.db.QueryContext(ctx, selectJobs+`WHERE state = 'open' AND (api = 'v1' OR smile_job <> '') ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var jobs []job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

func scanJob(row interface{ Scan(...any) error }) (j job, err error) {
	err = row.Scan(&j.id, &j.userID, &j.api, &j.smileJob, &j.state)
	return j, err
}

// setSmileJob records Smile ID's name for a job. It refuses a second name for the
// job, and the name of another job.
func (s *store) setSmileJob(ctx context.Context, id, smileJob string) error {
	result, err := s.db.ExecContext(ctx, `UPDATE jobs SET smile_job = ? WHERE id = ? AND smile_job IN ('', ?)`, smileJob, id, smileJob)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("job %s has another name at Smile ID", id), err)
	}
	return nil
}

// An action does what follows from a decision, all of it through tx. What cannot
// be done there, such as a payment, it writes down there for a worker, who does it
// under an idempotency key.
type action func(ctx context.Context, tx *sql.Tx, j job, decision state) error

// decide takes the final result of a job. In one transaction it records the
// decision and acts on it: both happen or neither, and once, however often and
// from wherever it is called. The first decision stands.
func (s *store) decide(ctx context.Context, j job, decision state, act action) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit

	result, err := tx.ExecContext(ctx, `UPDATE jobs SET state = ? WHERE id = ? AND state = 'open'`, decision, j.id)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if err := act(ctx, tx, j, decision); err != nil {
		return err
	}
	return tx.Commit()
}

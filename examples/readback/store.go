package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/url"

	"example.com/smilesig"
	_ "modernc.org/sqlite"
)

// A job is known by the two IDs that we gave it.
type job struct{ userID, jobID string }

// A state is what we know of a job of ours.
type state string

const (
	started  state = "started"
	pending  state = "pending" // Smile ID was asked; nothing final yet
	approved state = "approved"
	declined state = "declined"
)

// actions has no UNIQUE, so that an action taken twice would show.
const schema = `
CREATE TABLE IF NOT EXISTS jobs ( -- that we started
	user_id TEXT NOT NULL,
	job_id  TEXT NOT NULL,
	state   TEXT NOT NULL CHECK (state IN ('started', 'pending', 'approved', 'declined')),
	PRIMARY KEY (user_id, job_id)
) STRICT;

-- Verified callbacks, without their bodies. A row that is done may be deleted a day
-- later: its callback is stale by then, and refused before it gets here. So may an
-- open row of a job that is none of ours: with one pair anybody can make many.
CREATE TABLE IF NOT EXISTS inbox (
	delivery    BLOB NOT NULL PRIMARY KEY,
	user_id     TEXT NOT NULL,
	job_id      TEXT NOT NULL,
	received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
	done        INTEGER NOT NULL DEFAULT 0 -- 1 when the job was decided
) STRICT;
CREATE INDEX IF NOT EXISTS inbox_open ON inbox (user_id, job_id) WHERE done = 0;

CREATE TABLE IF NOT EXISTS actions ( -- stands for what you do with a decision
	user_id  TEXT NOT NULL,
	job_id   TEXT NOT NULL,
	decision TEXT NOT NULL
) STRICT;`

// A store is safe for concurrent use, also by several processes.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	options := url.Values{
		"_busy_timeout": {"5000"}, // milliseconds to wait for another process
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},      // what was answered 200 survives a power cut
		"_txlock":       {"immediate"}, // whoever reads a state to change it is alone
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

// addJob records a job. Call it before Smile ID hears of the job, so that no
// callback overtakes it. It refuses a job that is recorded already.
func (s *store) addJob(ctx context.Context, j job) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO jobs (user_id, job_id, state) VALUES (?, ?, ?)`, j.userID, j.jobID, started)
	return err
}

func (s *store) isOurs(ctx context.Context, j job) (ours bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE user_id = ? AND job_id = ?)`,
		j.userID, j.jobID).Scan(&ours)
	return ours, err
}

// A delivery identifies a callback: the same bytes that come again are the same
// delivery. A job would not do, because several callbacks per job are normal.
type delivery [sha256.Size]byte

// deliveryOf covers the timestamp, too, which may be outside the body.
func deliveryOf(cb smilesig.Callback, body []byte) delivery {
	return sha256.Sum256(append([]byte(cb.Timestamp+"\n"), body...))
}

// keep puts a delivery into the inbox, unless it is there, and reports whether
// it is done. When it has returned, a crash no longer loses the callback. A guard's
// SeenBefore would not do: it does not say whether a handler has finished.
func (s *store) keep(ctx context.Context, d delivery, j job) (done bool, err error) {
	_, err = s.db.ExecContext(ctx, `INSERT INTO inbox (delivery, user_id, job_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		d[:], j.userID, j.jobID)
	if err != nil {
		return false, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT done FROM inbox WHERE delivery = ?`, d[:]).Scan(&done)
	return done, err
}

// openJobs returns the jobs of ours with a delivery that is not done.
func (s *store) openJobs(ctx context.Context) ([]job, error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT DISTINCT user_id, job_id FROM inbox JOIN jobs USING (user_id, job_id) WHERE done = 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var open []job
	for rows.Next() {
		var j job
		if err := rows.Scan(&j.userID, &j.jobID); err != nil {
			return nil, err
		}
		open = append(open, j)
	}
	return open, rows.Err()
}

// markPending records that a job has no final result. It leaves a decision alone,
// and the deliveries open.
func (s *store) markPending(ctx context.Context, j job) error {
	_, err := s.db.ExecContext(ctx, `UPDATE jobs SET state = ? WHERE user_id = ? AND job_id = ? AND state = ?`,
		pending, j.userID, j.jobID, started)
	return err
}

// An action does what follows from a decision, all of it through tx. What cannot
// be done there, such as a payment, it writes down there for a worker, who does it
// under an idempotency key.
type action func(ctx context.Context, tx *sql.Tx, j job, decision state) error

// decide takes the final result of a job. In one transaction it records the
// decision, acts on it and marks the job's deliveries as done: all of it happens
// or nothing, however often and from wherever it is called. It refuses a
// decision that differs from an earlier one, and leaves the delivery open.
func (s *store) decide(ctx context.Context, j job, decision state, act action) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit

	var before state
	err = tx.QueryRowContext(ctx, `SELECT state FROM jobs WHERE user_id = ? AND job_id = ?`, j.userID, j.jobID).Scan(&before)
	if err != nil {
		return err
	}
	switch before {
	case started, pending:
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET state = ? WHERE user_id = ? AND job_id = ?`, decision, j.userID, j.jobID)
		if err != nil {
			return err
		}
		if err := act(ctx, tx, j, decision); err != nil {
			return err
		}
	case decision: // and acted on
	default:
		return fmt.Errorf("job %s was %s and is %s now: a person has to look", j.jobID, before, decision)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE inbox SET done = 1 WHERE user_id = ? AND job_id = ?`, j.userID, j.jobID); err != nil {
		return err
	}
	return tx.Commit()
}

package sqlguard

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"example.com/smilesig"
)

// Check reports what is wrong with the table and the database. Call it when the
// program starts, and stop if it returns an error. It joins all findings (see
// [errors.Join]):
//
//   - A Bind fails, for example because there is no table or the database is
//     read-only. Check binds a random pair for a millisecond.
//   - A column is missing or has another type than in the schema. With a timestamp
//     without time zone, bindings end early or late.
//   - pair is not the primary key.
//   - No index begins with expires. Bind works without it, and Sweep is slow.
//   - The user lacks a privilege that Bind or Sweep needs, or row-level security is
//     active for the user and no policy opens all rows. The isolation is REPEATABLE
//     READ or SERIALIZABLE. (PostgreSQL)
//   - The database forgets bindings after a crash: the table is unlogged, or
//     synchronous_commit or fsync is off. (PostgreSQL) synchronous is below FULL, or
//     the database has no file. (SQLite)
//   - The version is older than 3.42. (SQLite)
//
// If the database does not answer within the Timeout, this is the only finding.
// Check looks at the settings of one connection. It does not look at partitions and
// triggers, or at SQLite's journal_mode. It does not see that a pooler makes Binds fail
// that run at the same time. Neon shows fsync = off, although it keeps commits
// elsewhere: there, that finding is false.
func (g *Guard) Check(ctx context.Context) error {
	findings, err := g.inspect(ctx)
	if err != nil {
		return err
	}
	var pair smilesig.Digest
	rand.Read(pair[:])
	_, _, err = g.Bind(ctx, pair, pair, time.Millisecond)
	return errors.Join(append(findings, err)...)
}

func (g *Guard) inspect(ctx context.Context) (findings []error, err error) {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	rows, err := g.db.QueryContext(ctx, g.sql.check)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for err == nil && rows.Next() {
		var finding string
		err = rows.Scan(&finding)
		findings = append(findings, errors.New("sqlguard: "+finding))
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, failure(ctx, err)
	}
	return findings, nil
}

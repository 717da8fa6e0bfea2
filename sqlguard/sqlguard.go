// Package sqlguard is a [smilesig.ReplayGuard] on PostgreSQL or SQLite, for receivers
// that have a database and no Redis. It needs database/sql and a driver.
//
// A binding is one row. Each statement that decides about it is atomic, and most binds
// take one statement. So the database decides which of several binds is first. The row holds the digest of the pair and the
// digest that the pair is bound to, 32 bytes each. Whoever reads the row learns no
// pair and no body.
//
// # The table
//
// The package creates no table. Run [PostgreSQLSchema] or [SQLiteSchema], for
// example in a migration, and call [Guard.Check] when the program starts. A binding
// takes about 220 bytes on PostgreSQL and 150 on SQLite, indexes included. Expired
// bindings stay until [Guard.Sweep] deletes them.
//
// The database's user needs SELECT, INSERT and UPDATE on the table, and DELETE
// for Sweep. Any other user who may write the table can delete bindings.
// Connections with different search_paths may find different tables: name the
// schema in [Options.Table].
//
// # What the database must be
//
// The database must be PostgreSQL 9.5 or later, or SQLite 3.42 or later. The
// tests run on PostgreSQL 15. Before you use another product that speaks the same
// SQL, run package guardtest against it.
//
// A guard is as good as the memory of its database. If the database forgets a
// binding before its time, an attacker with that pair can bind it to another
// body. This is what each database forgets:
//
//   - PostgreSQL with its default settings forgets no binding that Bind has
//     returned, not even when it is killed. A crash empties a table that is
//     UNLOGGED. With synchronous_commit = off, a crash forgets the last second or
//     so. With fsync = off, a crash of the machine can forget everything.
//   - Replication is asynchronous by default. A failover forgets the bindings
//     that the standby had not received yet, unless synchronous_standby_names is
//     set.
//   - SQLite forgets nothing with synchronous = FULL, its default. With a lower
//     setting, a crash of the machine forgets the last commits. A database in
//     memory ends with its connection.
//   - A restored backup lacks the bindings that were made after it.
//   - Bindings expire by the clock of the database's machine. Do not let it jump ahead.
//
// Leave PostgreSQL at READ COMMITTED, its default isolation. At REPEATABLE READ
// and SERIALIZABLE, concurrent binds of one pair fail with SQLSTATE 40001. The
// Verifier then answers 503, as for every error of a guard.
//
// # The connections
//
// If all connections of the pool are busy, Bind waits for one until its Timeout
// is over. Give the guard a pool of its own, so that slow queries do not hold up
// callbacks.
//
// On PostgreSQL, set lock_timeout below Timeout. If the table is locked, the
// error then says so, and not only that no answer came.
//
// On SQLite, set busy_timeout. Without it, a Bind fails if another connection
// writes at that moment. Also call SetMaxOpenConns(1). Binds then queue in the
// pool and do not poll for SQLite's lock. journal_mode = WAL makes commits
// faster.
//
// A redelivery reads one row and writes nothing.
//
// # Poolers
//
// A pooler in transaction mode, such as pgbouncer, may give each message of a
// driver to another connection. The driver must therefore send a statement and its
// parameters together. The tests run these settings behind pgbouncer 1.18:
//
//	pgx     default_query_exec_mode=exec             works
//	pgx     default_query_exec_mode=simple_protocol  works
//	pgx     default_query_exec_mode=cache_describe   works
//	lib/pq  binary_parameters=yes                    works, but a server that hangs also hangs Bind
//	pgx     default_query_exec_mode=cache_statement  fails (the default of pgx)
//	pgx     default_query_exec_mode=describe_exec    unsafe
//	lib/pq  binary_parameters=no                     unsafe (the default of lib/pq)
//
// With cache_statement, a Bind fails, because a prepared statement "already exists"
// or "does not exist". pgbouncer 1.21 can keep prepared statements
// (max_prepared_statements), but the tests have no such version. The unsafe settings
// prepare a statement and execute it in two steps. In between, another client may
// prepare its own statement on the same connection, and a Bind executes that one.
// Most often this is an error, but lib/pq has also panicked.
//
// Set lock_timeout for the role, which works with and without a pooler:
//
//	ALTER ROLE callbacks SET lock_timeout = '500ms'
//
// In the connection string, it works only without a pooler. pgbouncer refuses every
// connection that asks for it. If ignore_startup_parameters names it, pgbouncer
// accepts the connection and does not set it.
package sqlguard

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"example.com/smilesig"
)

// A Dialect is the SQL that a database speaks.
type Dialect int

// The dialects.
const (
	PostgreSQL Dialect = iota + 1 // 9.5 or later
	SQLite                        // 3.42 or later
)

// Zero fields of [Options] mean these.
const (
	DefaultTable   = "smilesig_bindings"
	DefaultTimeout = time.Second
)

// Options of a [Guard].
type Options struct {
	// Dialect is required.
	Dialect Dialect

	// Table is the name of the table, as "name" or "schema.name", of ASCII
	// letters, digits and underscores. It is not quoted. "" means DefaultTable. On
	// SQLite, give the schema of an attached database: Check takes main without it.
	// Guards on one table act as one guard. Receivers that accept the same
	// credentials need that.
	Table string

	// Timeout limits one Bind, from the wait for a connection to the answer. 0
	// means DefaultTimeout.
	Timeout time.Duration
}

// A Guard is a [smilesig.ReplayGuard] on an SQL database. It is safe for concurrent use.
type Guard struct {
	db       *sql.DB
	sql      statements
	prepared sync.Map // *sql.Stmt by statement
	timeout  time.Duration
}

// New returns a guard on a table of db. The table must exist when the guard is
// used: New neither creates it nor talks to the database. [Guard.Check] does. The
// caller closes db.
//
// New refuses a nil db, an unknown Dialect, a Table that is no plain name, and a
// negative Timeout. Its error names every fault.
func New(db *sql.DB, options Options) (*Guard, error) {
	table := cmp.Or(options.Table, DefaultTable)
	dialect, known := dialects[options.Dialect]
	err := errors.Join(
		fault(db == nil, "no db"),
		fault(!known, "Dialect is neither PostgreSQL nor SQLite"),
		fault(!plainName.MatchString(table), fmt.Sprintf("Table %q is no plain name", table)),
		fault(options.Timeout < 0, "Timeout is negative"),
	)
	if err != nil {
		return nil, err
	}
	return &Guard{db: db, sql: dialect.of(table), timeout: cmp.Or(options.Timeout, DefaultTimeout)}, nil
}

var plainName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$`)

func fault(found bool, text string) error {
	if found {
		return errors.New("sqlguard: " + text)
	}
	return nil
}

// Bind implements [smilesig.ReplayGuard]. The ttl is rounded up to whole milliseconds,
// and to one at least. It counts from the start of the statement that binds.
//
// Bind returns an error if ctx ends or the Timeout is over. It returns at once if
// the driver heeds its context, as pgx does. With lib/pq, a server that hangs also
// hangs Bind. With a SQLite driver that does not heed it, Bind returns when
// busy_timeout is over. The error wraps the context's cause and
// the driver's error. Bind also wraps every other error of the driver, and
// returns an error if the row is not a binding. After an error, the pair may be
// bound to content already, may become bound a little later, or may stay unbound.
// Bind does not recover a panic of the driver.
func (g *Guard) Bind(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (bound smilesig.Digest, seen bool, err error) {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	args := []any{pair[:], content[:], wholeMilliseconds(ttl)}
	stored, seen, err := g.bind(ctx, g.sql.quick, args...)
	if err == nil && stored == nil {
		stored, seen, err = g.bind(ctx, g.sql.bind, args...)
	}
	if err == nil && len(stored) != len(bound) { // 0 also where a trigger swallows the row
		err = fmt.Errorf("%d bytes came back, which are no binding", len(stored))
	}
	if err != nil {
		return smilesig.Digest{}, false, failure(ctx, err)
	}
	return smilesig.Digest(stored), seen, nil
}

func (g *Guard) bind(ctx context.Context, statement string, args ...any) (stored []byte, seen bool, err error) {
	rows, err := g.query(ctx, statement, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	// There is one row at most. The loop calls Next once more, because the commit
	// can still fail after the row has come. Err then has that error.
	for rows.Next() {
		if err := rows.Scan(&stored, &seen); err != nil {
			return nil, false, err
		}
	}
	return stored, seen, rows.Err()
}

// query prepares a statement of SQLite once, because to parse it takes longer than to
// run it. If two binds at once prepare it, both statements last until db is closed.
func (g *Guard) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if !g.sql.prepare {
		return g.db.QueryContext(ctx, statement, args...)
	}
	prepared, ok := g.prepared.Load(statement)
	if !ok {
		stmt, err := g.db.PrepareContext(ctx, statement)
		if err != nil {
			return nil, err
		}
		prepared, _ = g.prepared.LoadOrStore(statement, stmt)
	}
	return prepared.(*sql.Stmt).QueryContext(ctx, args...)
}

func (g *Guard) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, g.timeout, noAnswer(g.timeout))
}

// A noAnswer is the cause when the Timeout is over. Its text leaves it to the
// driver's error to say that a deadline is exceeded.
type noAnswer time.Duration

func (n noAnswer) Error() string { return "no answer within " + time.Duration(n).String() }
func (noAnswer) Unwrap() error   { return context.DeadlineExceeded }

// failure returns the error of a call whose context is ctx.
func failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("sqlguard: %w (%w)", cause, err)
	}
	return fmt.Errorf("sqlguard: %w", err)
}

// wholeMilliseconds rounds up, so that no binding ends before its ttl.
func wholeMilliseconds(ttl time.Duration) int64 {
	ms := ttl.Milliseconds()
	if ttl > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return max(ms, 1)
}

// sweepAtOnce is how many rows one statement of Sweep deletes at most. On SQLite,
// every Bind waits for the statement to end.
const sweepAtOnce = 1000

// Sweep deletes the bindings that have expired, 1000 with each statement, and
// returns how many it deleted. Bind and other Sweeps may run meanwhile. The
// Timeout does not limit Sweep. If ctx ends or a statement fails, Sweep returns
// how many it had deleted before, and an error that wraps the driver's.
//
// Nothing else deletes bindings: call Sweep about once a minute, on one machine
// or on all. An expired row does no harm, but it takes room.
func (g *Guard) Sweep(ctx context.Context) (deleted int64, err error) {
	for {
		result, err := g.db.ExecContext(ctx, g.sql.sweep, sweepAtOnce)
		if err != nil {
			return deleted, fmt.Errorf("sqlguard: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return deleted, fmt.Errorf("sqlguard: %w", err)
		}
		deleted += n
		if n < sweepAtOnce {
			return deleted, nil
		}
	}
}

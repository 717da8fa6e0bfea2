package sqlguard_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/guardtest"
	"example.com/smilesig/sqlguard"
)

func digest() (d smilesig.Digest) {
	rand.Read(d[:])
	return d
}

func assertFirst(t *testing.T, guard smilesig.ReplayGuard, pair, body smilesig.Digest) {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, body, time.Hour)
	assert.NoError(t, err)
	assert.False(t, seen)
	assert.Equal(t, body, bound)
}

func assertBound(t *testing.T, guard smilesig.ReplayGuard, pair, want smilesig.Digest) {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, digest(), time.Hour)
	assert.NoError(t, err)
	assert.True(t, seen)
	assert.Equal(t, want, bound)
}

func assertFails(t *testing.T, guard smilesig.ReplayGuard, pair smilesig.Digest) error {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, digest(), time.Hour)
	require.ErrorContains(t, err, "sqlguard: ")
	assert.False(t, seen)
	assert.Zero(t, bound)
	return err
}

// bindExpired binds pair for a millisecond and waits for its end.
func bindExpired(t *testing.T, guard smilesig.ReplayGuard, pair smilesig.Digest) {
	t.Helper()
	_, _, err := guard.Bind(t.Context(), pair, digest(), time.Millisecond)
	require.NoError(t, err)
	time.Sleep(3 * time.Millisecond)
}

// A store is a database of one dialect, for the tests that are the same on both.
type store struct {
	name    string
	dialect sqlguard.Dialect
	open    func(t testing.TB) *sql.DB
}

var stores = []store{
	{"PostgreSQL", sqlguard.PostgreSQL, func(t testing.TB) *sql.DB { return sharedServer(t).open(t) }},
	{"SQLite", sqlguard.SQLite, func(t testing.TB) *sql.DB { return openSQLite(t) }},
}

func onEach(t *testing.T, test func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect)) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s.open(t), s.dialect)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	for want, options := range map[string]sqlguard.Options{
		"sqlguard: Dialect is neither PostgreSQL nor SQLite": {},
		"sqlguard: Timeout is negative":                      {Dialect: sqlguard.SQLite, Timeout: -1},
		`sqlguard: Table "a b" is no plain name`:             {Dialect: sqlguard.SQLite, Table: "a b"},
		`sqlguard: Table "a.b.c" is no plain name`:           {Dialect: sqlguard.SQLite, Table: "a.b.c"},
		`sqlguard: Table "1a" is no plain name`:              {Dialect: sqlguard.SQLite, Table: "1a"},
		`sqlguard: Table ".a" is no plain name`:              {Dialect: sqlguard.SQLite, Table: ".a"},
		`sqlguard: Table "a;" is no plain name`:              {Dialect: sqlguard.SQLite, Table: "a;"},
		`sqlguard: Table "a\n" is no plain name`:             {Dialect: sqlguard.SQLite, Table: "a\n"},
		`sqlguard: Table "ä" is no plain name`:               {Dialect: sqlguard.SQLite, Table: "ä"},
	} {
		_, err := sqlguard.New(db, options)
		assert.EqualError(t, err, want)
	}
	_, err := sqlguard.New(nil, sqlguard.Options{Dialect: 3, Table: "'", Timeout: -1})
	assert.EqualError(t, err, "sqlguard: no db\nsqlguard: Dialect is neither PostgreSQL nor SQLite\n"+
		"sqlguard: Table \"'\" is no plain name\nsqlguard: Timeout is negative")
}

func TestGuardKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	type variant struct {
		dialect sqlguard.Dialect
		open    func(t *testing.T) *sql.DB
	}
	postgreSQL := func(settings ...string) variant {
		return variant{sqlguard.PostgreSQL, func(t *testing.T) *sql.DB { return sharedServer(t).open(t, settings...) }}
	}
	for name, v := range map[string]variant{
		"PostgreSQL":                       postgreSQL(),
		"PostgreSQL, nothing prepared":     postgreSQL("default_query_exec_mode=exec"),
		"PostgreSQL, the simple protocol":  postgreSQL("default_query_exec_mode=simple_protocol"),
		"PostgreSQL, in another time zone": postgreSQL("TimeZone=Africa/Nairobi"),
		"PostgreSQL, lib/pq": {sqlguard.PostgreSQL, func(t *testing.T) *sql.DB {
			return open(t, "postgres", sharedServer(t).dsn("sslmode=disable"))
		}},
		"SQLite": {sqlguard.SQLite, func(t *testing.T) *sql.DB { return openSQLite(t) }},
		"SQLite, several connections": {sqlguard.SQLite, func(t *testing.T) *sql.DB {
			db := openSQLite(t)
			db.SetMaxOpenConns(4)
			return db
		}},
		"SQLite, with a rollback journal": {sqlguard.SQLite, func(t *testing.T) *sql.DB { return openSQLite(t, "journal_mode(DELETE)") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := v.open(t)
			table := createTable(t, db, v.dialect)
			guardtest.Run(t, func(t *testing.T) smilesig.ReplayGuard {
				return newGuard(t, db, v.dialect, table)
			})
		})
	}
}

func TestGuardsOnOneTableAreOneGuard(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard, same := newGuard(t, db, dialect, table), newGuard(t, db, dialect, table)
		other := newGuard(t, db, dialect, createTable(t, db, dialect))
		pair, body, otherBody := digest(), digest(), digest()
		assertFirst(t, guard, pair, body)
		assertBound(t, same, pair, body)
		assertFirst(t, other, pair, otherBody)
		assertBound(t, guard, pair, body)
	})
}

func TestTheTablesNameMayHaveASchema(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			db := s.open(t)
			// Each dialect refuses the schema at one place, as the documentation says.
			schema, refusedAfter := "public.", "INDEX IF NOT EXISTS "
			if s.dialect == sqlguard.SQLite {
				schema, refusedAfter = "main.", "expires ON "
			}
			table := schema + newName()
			execute(t, db, strings.Replace(schemaOf(s.dialect, table), refusedAfter+schema, refusedAfter, 1))
			guard := newGuard(t, db, s.dialect, table)
			assert.NoError(t, guard.Check(t.Context()))
			pair, body := digest(), digest()
			assertFirst(t, guard, pair, body)
			assertBound(t, guard, pair, body)
			_, err := guard.Sweep(t.Context())
			assert.NoError(t, err)
		})
	}
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	execute(t, db, fmt.Sprintf("CREATE SCHEMA in_%[1]s; ALTER TABLE %[1]s SET SCHEMA in_%[1]s", table))
	assertFirst(t, newGuard(t, db, sqlguard.PostgreSQL, "In_"+table+"."+table), digest(), digest())
}

func TestTheDefaults(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	execute(t, db, sqlguard.SQLiteSchema)
	guard := newGuardWith(t, db, sqlguard.Options{Dialect: sqlguard.SQLite})
	assertFirst(t, guard, digest(), digest())

	conn, err := db.Conn(t.Context()) // the only one
	require.NoError(t, err)
	defer conn.Close()
	err = assertFails(t, guard, digest())
	assert.EqualError(t, err, "sqlguard: no answer within 1s (context deadline exceeded)")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAMissingTableIsAnErrorThatSaysSo(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		guard := newGuard(t, db, dialect, "nowhere")
		err := assertFails(t, guard, digest())
		assert.Regexp(t, `"nowhere" does not exist|no such table: nowhere`, err.Error())
		_, err = guard.Sweep(t.Context())
		assert.Regexp(t, `^sqlguard: .*("nowhere" does not exist|no such table: nowhere)`, err.Error())
	})
}

func TestALockedTableIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	db := server.open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	patient := newGuard(t, db, sqlguard.PostgreSQL, table)
	noticing := newGuard(t, server.open(t, "lock_timeout=50ms"), sqlguard.PostgreSQL, table)
	pair, body := digest(), digest()
	assertFirst(t, patient, pair, body)

	locking, err := db.Begin()
	require.NoError(t, err)
	defer locking.Rollback()
	_, err = locking.Exec("LOCK TABLE " + table)
	require.NoError(t, err)
	for _, driver := range []string{"pgx", "postgres"} {
		db := open(t, driver, server.dsn("sslmode=disable"))
		impatient := newGuardWith(t, db, sqlguard.Options{Dialect: sqlguard.PostgreSQL, Table: table, Timeout: 100 * time.Millisecond})
		err = assertFails(t, impatient, pair)
		assert.ErrorContains(t, err, "sqlguard: no answer within 100ms (")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, strings.Count(err.Error(), "deadline exceeded"), 1, err)
	}
	const lockTimeout = "sqlguard: ERROR: canceling statement due to lock timeout (SQLSTATE 55P03)"
	assert.EqualError(t, assertFails(t, noticing, pair), lockTimeout)
	_, err = noticing.Sweep(t.Context())
	assert.EqualError(t, err, lockTimeout)
	assertCancels(t, patient)

	require.NoError(t, locking.Rollback())
	assertBound(t, patient, pair, body)
	assertFirst(t, noticing, digest(), digest())
}

func TestADroppedConnectionIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	guard := newGuard(t, db, sqlguard.PostgreSQL, table)
	locking, err := db.Begin()
	require.NoError(t, err)
	defer locking.Rollback()
	_, err = locking.Exec("LOCK TABLE " + table)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, _, err := guard.Bind(t.Context(), digest(), digest(), time.Hour)
		failed <- err
	}()
	awaitLockWait(t, db, table)
	execute(t, db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1::text || '%'`, table)
	assert.EqualError(t, <-failed, "sqlguard: FATAL: terminating connection due to administrator command (SQLSTATE 57P01)")
	require.NoError(t, locking.Rollback())
	assertFirst(t, guard, digest(), digest())
}

func TestALockedFileIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	dsn := sqliteFile(t)
	owner, db, noticing := open(t, "sqlite", dsn), open(t, "sqlite", dsn), open(t, "sqlite", strings.ReplaceAll(dsn, "20000", "50"))
	table := createTable(t, owner, sqlguard.SQLite)
	impatient := newGuardWith(t, db, sqlguard.Options{Dialect: sqlguard.SQLite, Table: table, Timeout: 100 * time.Millisecond})
	patient := newGuard(t, db, sqlguard.SQLite, table)
	pair, body := digest(), digest()
	assertFirst(t, patient, pair, body)

	locking, err := owner.Conn(t.Context())
	require.NoError(t, err)
	defer locking.Close()
	_, err = locking.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	err = assertFails(t, impatient, digest())
	assert.ErrorContains(t, err, "sqlguard: no answer within 100ms (")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, assertFails(t, newGuard(t, noticing, sqlguard.SQLite, table), digest()), "database is locked")
	assertCancels(t, patient)
	assertBound(t, patient, pair, body) // only reads

	_, err = locking.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	assertFirst(t, patient, digest(), digest())
}

// assertCancels cancels a bind that waits.
func assertCancels(t *testing.T, guard smilesig.ReplayGuard) {
	t.Helper()
	gone := errors.New("the sender has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
	start := time.Now()
	_, _, err := guard.Bind(ctx, digest(), digest(), time.Hour)
	assert.ErrorIs(t, err, gone)
	assert.ErrorContains(t, err, "sqlguard: the sender has gone")
	assert.Less(t, time.Since(start), patience)
}

func TestAnEndedContextBindsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		guard := newGuard(t, db, dialect, createTable(t, db, dialect))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		pair := digest()
		_, _, err := guard.Bind(ctx, pair, digest(), time.Hour)
		assert.ErrorIs(t, err, context.Canceled)
		assert.EqualError(t, err, "sqlguard: context canceled")
		_, err = guard.Sweep(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		assertFirst(t, guard, pair, digest())
	})
}

func TestAFullDatabaseRefusesAndForgetsNothing(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	guard := newGuard(t, db, sqlguard.SQLite, createTable(t, db, sqlguard.SQLite))
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)

	execute(t, db, "PRAGMA max_page_count = 1") // that is, as many as there are
	assert.ErrorContains(t, bindUntilFull(t, guard), "database or disk is full")
	assertBound(t, guard, pair, body)

	execute(t, db, "PRAGMA max_page_count = 1000000")
	assertFirst(t, guard, digest(), digest())
}

func bindUntilFull(t *testing.T, guard smilesig.ReplayGuard) error {
	t.Helper()
	for range 1000 {
		if _, _, err := guard.Bind(t.Context(), digest(), digest(), time.Hour); err != nil {
			return err
		}
	}
	return nil
}

func TestAFullDiskRefusesAndForgetsNothing(t *testing.T) {
	t.Parallel()
	// The system lets no file grow beyond the size of the files of the log, and refuses
	// as it does when the disk is full.
	db := startServer(t, "prlimit", "--fsize=16777216").open(t)
	execute(t, db, sqlguard.PostgreSQLSchema)
	guard := newGuard(t, db, sqlguard.PostgreSQL, sqlguard.DefaultTable)
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)

	execute(t, db, "ALTER TABLE smilesig_bindings SET (autovacuum_enabled = false)") // it would make room
	_, err := db.Exec(`INSERT INTO smilesig_bindings
		SELECT lpad(i::text, 32, '0')::bytea, repeat('x', 32)::bytea, now(), false FROM generate_series(1, 300000) i`)
	require.ErrorContains(t, err, "could not extend file")
	assert.ErrorContains(t, bindUntilFull(t, guard), "could not extend file")
	assertBound(t, guard, pair, body)

	execute(t, db, "VACUUM smilesig_bindings")
	assertFirst(t, guard, digest(), digest())
}

func TestAServerOutOfReachIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, open(t, "pgx", "user=postgres dbname=postgres host="+t.TempDir()), sqlguard.PostgreSQL, "")
	err := assertFails(t, guard, digest())
	assert.ErrorContains(t, err, "no such file or directory") // of the socket
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

// These need a server of their own.
func TestAServerWithoutFsyncAndAStandby(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	db := server.open(t)
	execute(t, db, sqlguard.PostgreSQLSchema)
	guard := newGuard(t, db, sqlguard.PostgreSQL, "")
	pair := digest()
	assertFirst(t, guard, pair, digest())
	require.NoError(t, guard.Check(t.Context()))

	awaitFinding := func(want string) {
		execute(t, db, "SELECT pg_reload_conf()")
		require.Eventually(t, func() bool { return fmt.Sprint(guard.Check(context.Background())) == want }, patience, 10*time.Millisecond)
	}
	execute(t, db, "ALTER SYSTEM SET fsync = off")
	awaitFinding("sqlguard: with fsync = off a crash forgets bindings")
	execute(t, db, "ALTER SYSTEM RESET fsync")
	awaitFinding("<nil>")

	server.becomeStandby(t)
	const refused = "sqlguard: ERROR: cannot execute SELECT in a read-only transaction (SQLSTATE 25006)"
	guard = newGuard(t, server.open(t), sqlguard.PostgreSQL, "")
	assert.EqualError(t, assertFails(t, guard, digest()), refused)
	assert.EqualError(t, assertFails(t, guard, pair), refused)
	assert.EqualError(t, guard.Check(t.Context()), "sqlguard: transactions are read-only, as on a standby\n"+refused)
}

func TestAStricterIsolationRefusesRaces(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"repeatable\\ read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			server := sharedServer(t)
			db := server.open(t, "default_transaction_isolation="+isolation)
			table := createTable(t, db, sqlguard.PostgreSQL)
			strict := newGuard(t, db, sqlguard.PostgreSQL, table)
			pair, body := digest(), digest()

			// Whoever waits for the end of this transaction finds a row that is newer
			// than its snapshot.
			first, err := server.open(t).Begin()
			require.NoError(t, err)
			defer first.Rollback()
			_, err = first.Exec("INSERT INTO "+table+" VALUES ($1, $2, now() + interval '1 hour', false)", pair[:], body[:])
			require.NoError(t, err)
			failed := make(chan error, 1)
			go func() {
				_, _, err := strict.Bind(t.Context(), pair, digest(), time.Hour)
				failed <- err
			}()
			awaitLockWait(t, db, table)
			require.NoError(t, first.Commit())
			assert.ErrorContains(t, <-failed, "SQLSTATE 40001")
			assertBound(t, strict, pair, body)
		})
	}
}

// awaitLockWait returns when a statement on the table waits for a row.
func awaitLockWait(t *testing.T, db *sql.DB, table string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting bool
		err := db.QueryRow(`SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1::text || '%')`, table).Scan(&waiting)
		return err == nil && waiting
	}, patience, 5*time.Millisecond)
}

func TestBindWaitsForTheWinner(t *testing.T) {
	t.Parallel()
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	guard := newGuard(t, db, sqlguard.PostgreSQL, table)
	bindMeanwhile := func(pair, body smilesig.Digest, end func(*sql.Tx) error, check func()) {
		winner, err := db.Begin()
		require.NoError(t, err)
		defer winner.Rollback()
		_, err = winner.Exec("INSERT INTO "+table+" VALUES ($1, $2, now() + interval '1 minute', false)", pair[:], body[:])
		require.NoError(t, err)
		var bind sync.WaitGroup
		bind.Go(check)
		awaitLockWait(t, db, table)
		require.NoError(t, end(winner))
		bind.Wait()
	}
	pair, body, other := digest(), digest(), digest()
	bindMeanwhile(pair, body, (*sql.Tx).Commit, func() { assertBound(t, guard, pair, body) })
	var prolonged bool
	require.NoError(t, db.QueryRow("SELECT expires > now() + interval '1 minute' FROM "+table).Scan(&prolonged))
	assert.False(t, prolonged)
	pair = digest()
	bindMeanwhile(pair, body, (*sql.Tx).Rollback, func() { assertFirst(t, guard, pair, other) })
	assertBound(t, guard, pair, other)
}

// A commit that fails comes after the row that RETURNING sent.
func TestAFailingCommitIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard := newGuard(t, db, dialect, table)
		known, body := digest(), digest()
		assertFirst(t, guard, known, body)
		if dialect == sqlguard.PostgreSQL {
			execute(t, db, fmt.Sprintf(`CREATE TABLE %[1]s_none (pair bytea PRIMARY KEY);
				ALTER TABLE %[1]s ADD FOREIGN KEY (pair) REFERENCES %[1]s_none DEFERRABLE INITIALLY DEFERRED NOT VALID`, table))
		} else {
			execute(t, db, fmt.Sprintf(`PRAGMA foreign_keys = on; CREATE TABLE %[1]s_none (pair BLOB PRIMARY KEY);
				CREATE TABLE %[1]s_refers (pair BLOB REFERENCES %[1]s_none DEFERRABLE INITIALLY DEFERRED);
				CREATE TRIGGER %[1]s_fails AFTER INSERT ON %[1]s BEGIN INSERT INTO %[1]s_refers VALUES (NEW.pair); END`, table))
		}
		pair := digest()
		assert.Regexp(t, "(?i)foreign key constraint", assertFails(t, guard, pair).Error())
		var rows int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM "+table).Scan(&rows))
		assert.Equal(t, 1, rows)
		assertBound(t, guard, known, body)
	})
}

func TestAnythingButABindingIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard := newGuard(t, db, dialect, table)
		for name, stored := range map[string][]byte{
			"empty":       {},
			"short":       []byte("secret"),
			"31 bytes":    []byte(strings.Repeat("x", 31)),
			"33 bytes":    []byte(strings.Repeat("x", 33)),
			"hexadecimal": []byte(strings.Repeat("a", 64)),
		} {
			pair := digest()
			assertFirst(t, guard, pair, digest())
			execute(t, db, "UPDATE "+table+" SET body = $1 WHERE pair = $2", stored, pair[:])
			err := assertFails(t, guard, pair)
			assert.EqualError(t, err, fmt.Sprintf("sqlguard: %d bytes came back, which are no binding", len(stored)), name)
			assertFails(t, guard, pair)
		}
	})
}

func TestAnErrorHoldsNoDigest(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		execute(t, db, "CREATE TABLE "+table+"_wrong (pair integer)")
		pair := digest()
		for _, table := range []string{table + "_wrong", "nowhere"} {
			err := assertFails(t, newGuard(t, db, dialect, table), pair)
			assert.NotContains(t, err.Error(), hex.EncodeToString(pair[:]))
		}
	})
}

func TestTheUserNeedsFourPrivileges(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	admin := server.open(t)
	table := createTable(t, admin, sqlguard.PostgreSQL)
	user := "user_of_" + table
	execute(t, admin, fmt.Sprintf("CREATE ROLE %s LOGIN; GRANT SELECT, INSERT, UPDATE ON %s TO %[1]s", user, table))
	guard := newGuard(t, server.open(t, "user="+user), sqlguard.PostgreSQL, table)
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)
	assertBound(t, guard, pair, body)
	_, err := guard.Sweep(t.Context())
	assert.ErrorContains(t, err, "permission denied")

	execute(t, admin, "GRANT DELETE ON "+table+" TO "+user)
	_, err = guard.Sweep(t.Context())
	assert.NoError(t, err)
	execute(t, admin, "REVOKE INSERT ON "+table+" FROM "+user)
	assert.ErrorContains(t, assertFails(t, guard, digest()), "permission denied")
	assert.ErrorContains(t, assertFails(t, guard, pair), "permission denied")
}

func TestABindingLivesAsLongAsAsked(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard := newGuard(t, db, dialect, table)
		query := map[sqlguard.Dialect]string{
			sqlguard.PostgreSQL: "SELECT extract(epoch FROM expires - statement_timestamp()) FROM " + table + " WHERE pair = $1::bytea",
			sqlguard.SQLite:     "SELECT expires - unixepoch('subsec') FROM " + table + " WHERE pair = $1",
		}[dialect]
		const defaultLife = 32 * time.Minute // of a Verifier
		for _, ttl := range []time.Duration{defaultLife, 2*6*time.Hour + 2*time.Minute, 500 * 24 * time.Hour} {
			pair := digest()
			_, _, err := guard.Bind(t.Context(), pair, digest(), ttl)
			require.NoError(t, err)
			var seconds float64
			require.NoError(t, db.QueryRow(query, pair[:]).Scan(&seconds))
			assert.LessOrEqual(t, seconds, ttl.Seconds())
			assert.Greater(t, seconds, (ttl - patience).Seconds())
		}
	})
}

// The package's documentation says so.
func TestRedeliveriesWriteNothingOnPostgreSQL(t *testing.T) {
	t.Parallel()
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	guard := newGuard(t, db, sqlguard.PostgreSQL, table)
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)
	version := func() (v string) {
		require.NoError(t, db.QueryRow("SELECT ctid::text || ' ' || xmin::text || ' ' || xmax::text FROM "+table).Scan(&v))
		return v
	}
	before := version()
	assertBound(t, guard, pair, body)
	assert.Equal(t, before, version())
}

// The package's documentation says so.
func TestHowMuchRoomABindingTakes(t *testing.T) {
	t.Parallel()
	const rows = 10_000
	postgres, sqlite := sharedServer(t).open(t), openSQLite(t)
	table := createTable(t, postgres, sqlguard.PostgreSQL)
	execute(t, postgres, `INSERT INTO `+table+` SELECT sha256(i::text::bytea), sha256(i::text::bytea),
		now() + i * interval '1 millisecond', false FROM generate_series(1, $1::int) i`, rows)
	var size float64
	require.NoError(t, postgres.QueryRow("SELECT pg_total_relation_size($1::text::regclass)", table).Scan(&size))
	assert.InDelta(t, 220, size/rows, 50)

	table = createTable(t, sqlite, sqlguard.SQLite)
	execute(t, sqlite, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO `+table+` SELECT randomblob(32), randomblob(32), unixepoch('subsec') + i / 1000.0, 0 FROM n`, rows)
	require.NoError(t, sqlite.QueryRow("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size))
	assert.InDelta(t, 150, size/rows, 50)
}

type panickingDriver struct{}

func (d panickingDriver) Driver() driver.Driver                        { return nil }
func (d panickingDriver) Connect(context.Context) (driver.Conn, error) { panic("of the driver") }

func TestAPanicOfTheDriverGoesOn(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(panickingDriver{})
	guard := newGuard(t, db, sqlguard.SQLite, "")
	assert.PanicsWithValue(t, "of the driver", func() { guard.Bind(t.Context(), digest(), digest(), time.Hour) })
}

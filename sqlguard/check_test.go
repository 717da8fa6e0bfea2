package sqlguard_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/sqlguard"
)

func TestTheSchemaCanRunAgainAndForSeveralTables(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		one, other := createTable(t, db, dialect), createTable(t, db, dialect)
		pair, body := digest(), digest()
		assertFirst(t, newGuard(t, db, dialect, one), pair, body)
		for _, table := range []string{one, other} {
			execute(t, db, schemaOf(dialect, table))
			guard := newGuard(t, db, dialect, table)
			assert.NoError(t, guard.Check(t.Context()))
			time.Sleep(3 * time.Millisecond)
			deleted, err := guard.Sweep(t.Context())
			assert.NoError(t, err)
			assert.EqualValues(t, 1, deleted, "what Check bound")
		}
		assertBound(t, newGuard(t, db, dialect, one), pair, body)
		assertFirst(t, newGuard(t, db, dialect, other), pair, digest())
	})
}

// A finding of Check is made on a table by statements, with TABLE for its name and
// USER for a role that may write it, whose connection has the settings.
type finding struct {
	statements string
	settings   []string
	want       string
}

func (f finding) fill(text, table string) string {
	return strings.NewReplacer("TABLE_NAME", table, "USER", "user_of_"+table).Replace(text)
}

func TestCheckNamesWhatIsWrongOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	admin := server.open(t)
	for name, f := range map[string]finding{
		"no table": {
			statements: `DROP TABLE TABLE_NAME`,
			want:       `ERROR: relation "TABLE_NAME" does not exist (SQLSTATE 42P01)`,
		},
		"a timestamp without time zone": {
			statements: `ALTER TABLE TABLE_NAME ALTER expires TYPE timestamp`,
			want:       `column expires of TABLE_NAME is timestamp without time zone and must be timestamp with time zone`,
		},
		"whole seconds": {
			statements: `ALTER TABLE TABLE_NAME ALTER expires TYPE timestamptz(0)`,
			want:       `column expires of TABLE_NAME is timestamp(0) with time zone and must be timestamp with time zone`,
		},
		"no primary key": {
			statements: `ALTER TABLE TABLE_NAME DROP CONSTRAINT TABLE_NAME_pkey`,
			want: `pair is not the primary key of TABLE_NAME
ERROR: there is no unique or exclusion constraint matching the ON CONFLICT specification (SQLSTATE 42P10)`,
		},
		"another primary key": {
			statements: `ALTER TABLE TABLE_NAME DROP CONSTRAINT TABLE_NAME_pkey, ADD PRIMARY KEY (pair, body)`,
			want: `pair is not the primary key of TABLE_NAME
ERROR: there is no unique or exclusion constraint matching the ON CONFLICT specification (SQLSTATE 42P10)`,
		},
		"a unique pair": {
			statements: `ALTER TABLE TABLE_NAME DROP CONSTRAINT TABLE_NAME_pkey, ADD UNIQUE (pair)`,
		},
		"no index for Sweep": { // as where the index of a renamed table has its name
			statements: `DROP INDEX TABLE_NAME_expires; CREATE INDEX ON TABLE_NAME (body, expires)`,
			want:       `no index of TABLE_NAME begins with expires: Sweep is slow`,
		},
		"row-level security": {
			statements: `ALTER TABLE TABLE_NAME ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON TABLE_NAME USING (true)`,
		},
		"row-level security that hides rows from Sweep": {
			statements: `ALTER TABLE TABLE_NAME ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON TABLE_NAME FOR SELECT USING (true);
				CREATE POLICY b ON TABLE_NAME FOR INSERT WITH CHECK (true)`,
			want: `row-level security of TABLE_NAME is active for user USER`,
		},
		"an index of a part": {
			statements: `DROP INDEX TABLE_NAME_expires; CREATE INDEX ON TABLE_NAME (expires) WHERE again`,
			want:       `no index of TABLE_NAME begins with expires: Sweep is slow`,
		},
		"an isolation that is another one": {
			settings: []string{"default_transaction_isolation='read\\ uncommitted'"},
		},
		"another isolation": {
			settings: []string{"default_transaction_isolation=serializable"},
			want:     `isolation is serializable and must be read committed`,
		},
		"no sweeping": {
			statements: `REVOKE DELETE ON TABLE_NAME FROM USER`,
			want:       `user USER may not DELETE on TABLE_NAME`,
		},
		"an unlogged table": {
			statements: `ALTER TABLE TABLE_NAME SET UNLOGGED`,
			want:       `TABLE_NAME is not permanent: a crash empties it`,
		},
		"commits that do not wait": {
			settings: []string{"synchronous_commit=off"},
			want:     `with synchronous_commit = off a crash forgets bindings`,
		},
		"read-only": {
			settings: []string{"default_transaction_read_only=on"},
			want: `transactions are read-only, as on a standby
ERROR: cannot execute SELECT in a read-only transaction (SQLSTATE 25006)`,
		},
		"another column that wants a value": {
			statements: `ALTER TABLE TABLE_NAME ADD note text NOT NULL`,
			want:       `ERROR: null value in column "note" of relation "TABLE_NAME" violates not-null constraint (SQLSTATE 23502)`,
		},
		"everything at once": {
			statements: `ALTER TABLE TABLE_NAME DROP CONSTRAINT TABLE_NAME_pkey, DROP again, ALTER expires TYPE date;
				ALTER TABLE TABLE_NAME SET UNLOGGED; REVOKE ALL ON TABLE_NAME FROM USER`,
			settings: []string{"synchronous_commit=off"},
			want: `column expires of TABLE_NAME is date and must be timestamp with time zone
column again of TABLE_NAME is missing and must be boolean
pair is not the primary key of TABLE_NAME
user USER may not SELECT on TABLE_NAME
user USER may not INSERT on TABLE_NAME
user USER may not UPDATE on TABLE_NAME
user USER may not DELETE on TABLE_NAME
TABLE_NAME is not permanent: a crash empties it
with synchronous_commit = off a crash forgets bindings
ERROR: column "again" of relation "TABLE_NAME" does not exist (SQLSTATE 42703)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := createTable(t, admin, sqlguard.PostgreSQL)
			execute(t, admin, f.fill("CREATE ROLE USER LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE_NAME TO USER", table))
			execute(t, admin, f.fill(f.statements, table))
			db := server.open(t, append(f.settings, f.fill("user=USER", table))...)
			assertFindings(t, newGuard(t, db, sqlguard.PostgreSQL, table), f.fill(f.want, table))
		})
	}
}

func TestCheckNamesWhatIsWrongOnSQLite(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]finding{
		"no table": {
			statements: `DROP TABLE TABLE_NAME`,
			want: `database main has no table TABLE_NAME
SQL logic error: no such table: TABLE_NAME (1)`,
		},
		"made by hand": {
			statements: `DROP TABLE TABLE_NAME; CREATE TABLE TABLE_NAME (Pair blob PRIMARY KEY, body blob, Expires real, again integer);
				CREATE INDEX TABLE_NAME_other ON TABLE_NAME (Expires, body)`,
		},
		"whole seconds, in text": {
			statements: `DROP TABLE TABLE_NAME; CREATE TABLE TABLE_NAME (pair BLOB PRIMARY KEY, body BLOB, expires TEXT, again INTEGER)`,
			want: `column expires of TABLE_NAME is TEXT and must be REAL
no index of TABLE_NAME begins with expires: Sweep is slow`,
		},
		"everything at once": {
			statements: `DROP TABLE TABLE_NAME; CREATE TABLE TABLE_NAME (pair BLOB, body BLOB, expires DATETIME, PRIMARY KEY (pair, body))`,
			settings:   []string{"synchronous(NORMAL)"},
			want: `column expires of TABLE_NAME is DATETIME and must be REAL
column again of TABLE_NAME is missing and must be INTEGER
pair is not the primary key of TABLE_NAME
no index of TABLE_NAME begins with expires: Sweep is slow
with synchronous = 1 a crash forgets bindings; it must be 2 (FULL)
SQL logic error: table old has no column named again (1)`,
		},
		"read-only": {
			settings: []string{"query_only(1)"},
			want:     `attempt to write a readonly database (8)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := sqliteFile(t)
			admin := open(t, "sqlite", dsn)
			table := createTable(t, admin, sqlguard.SQLite)
			execute(t, admin, f.fill(f.statements, table))
			for _, setting := range f.settings {
				dsn += "&_pragma=" + setting
			}
			for _, name := range []string{table, "main." + table} {
				assertFindings(t, newGuard(t, open(t, "sqlite", dsn), sqlguard.SQLite, name), f.fill(f.want, name))
			}
		})
	}
}

// What counts is the database that the table is in.
func TestCheckOfSeveralDatabasesOfSQLite(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, "synchronous(NORMAL)")
	for name, f := range map[string]struct{ file, synchronous, want string }{
		"durable":   {filepath.Join(t.TempDir(), "durable.db"), "FULL", ""},
		"forgetful": {filepath.Join(t.TempDir(), "forgetful.db"), "OFF", `with synchronous = 0 a crash forgets bindings; it must be 2 (FULL)`},
		"fleeting":  {":memory:", "FULL", `database fleeting has no file: it ends with its connection`},
	} {
		execute(t, db, fmt.Sprintf("ATTACH '%s' AS %s; PRAGMA %[2]s.synchronous = %[3]s", f.file, name, f.synchronous))
		table := newName()
		schema := strings.NewReplacer("EXISTS "+table, "EXISTS "+name+"."+table).Replace(schemaOf(sqlguard.SQLite, table))
		execute(t, db, schema)
		assertFindings(t, newGuard(t, db, sqlguard.SQLite, name+"."+table), f.want)
		assert.ErrorContains(t, newGuard(t, db, sqlguard.SQLite, table).Check(t.Context()), "database main has no table "+table)
	}
}

// assertFindings compares what Check says with lines without their prefix.
func assertFindings(t *testing.T, guard *sqlguard.Guard, want string) {
	t.Helper()
	err := guard.Check(t.Context())
	if want == "" {
		assert.NoError(t, err)
		return
	}
	assert.EqualError(t, err, "sqlguard: "+strings.ReplaceAll(want, "\n", "\nsqlguard: "))
}

// This is why Check looks at the type.
func TestATimestampWithoutTimeZoneForgets(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	db := server.open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	execute(t, db, fmt.Sprintf("ALTER TABLE %s ALTER expires TYPE timestamp", table))
	utc := newGuard(t, server.open(t, "TimeZone=UTC"), sqlguard.PostgreSQL, table)
	nairobi := newGuard(t, server.open(t, "TimeZone=Africa/Nairobi"), sqlguard.PostgreSQL, table)
	pair := digest()
	assertFirst(t, utc, pair, digest())
	assertFirst(t, nairobi, pair, digest()) // the danger
	assert.ErrorContains(t, nairobi.Check(t.Context()), "expires")
}

func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	db := server.open(t)
	execute(t, db, sqlguard.PostgreSQLSchema)
	guard := newGuardWith(t, db, sqlguard.Options{Dialect: sqlguard.PostgreSQL, Timeout: 250 * time.Millisecond})
	var backend int
	require.NoError(t, db.QueryRow("SELECT pg_backend_pid()").Scan(&backend))
	for _, pid := range []int{backend, server.process.Pid} {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		t.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
	}
	_, _, err := guard.Bind(t.Context(), digest(), digest(), time.Hour)
	assert.ErrorContains(t, err, "sqlguard: no answer within 250ms")
	assert.ErrorContains(t, guard.Check(t.Context()), "sqlguard: no answer within 250ms")
}

func TestCheckOfAServerOutOfReach(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, open(t, "pgx", "user=postgres dbname=postgres host="+t.TempDir()), sqlguard.PostgreSQL, "")
	assert.ErrorContains(t, guard.Check(t.Context()), "no such file or directory")

	db := openSQLite(t)
	conn, err := db.Conn(t.Context()) // the only one
	require.NoError(t, err)
	defer conn.Close()
	guard = newGuardWith(t, db, sqlguard.Options{Dialect: sqlguard.SQLite, Timeout: 50 * time.Millisecond})
	assert.EqualError(t, guard.Check(t.Context()), "sqlguard: no answer within 50ms (context deadline exceeded)")
}

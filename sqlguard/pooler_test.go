package sqlguard_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/guardtest"
	"example.com/smilesig/sqlguard"
)

// startPooler starts a pgbouncer in transaction mode, with three connections to the
// server. It returns the connection string for a user who has no password.
func startPooler(t *testing.T, s *server, user string) (dsn string) {
	t.Helper()
	program := findPooler(t)
	dir, err := os.MkdirTemp(s.dir, "") // in a directory that the server's account can enter
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o777))
	config, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(users, fmt.Appendf(nil, "%q \"\"\n", user), 0o644))
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
[databases]
* = host=%s
[pgbouncer]
unix_socket_dir = %s
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 3
`, s.dir, dir, users), 0o644))
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd := s.command(program, config)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	dsn = fmt.Sprintf("host=%s port=6432 dbname=postgres sslmode=disable user=%s", dir, user)
	db := open(t, "postgres", dsn)
	require.Eventually(t, func() bool { return db.Ping() == nil }, patience, 10*time.Millisecond)
	return dsn
}

// findPooler returns the path of pgbouncer. Debian has it on nobody's PATH but
// root's.
func findPooler(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
		t.Fatal("pgbouncer is not installed")
	}
	t.Skip("pgbouncer is not installed")
	return ""
}

// The package's documentation has this table.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	const confused = "bind message supplies 3 parameters|unnamed prepared statement does not exist"
	for _, c := range []struct{ driver, setting, fails string }{
		{"pgx", "default_query_exec_mode=exec", ""},
		{"pgx", "default_query_exec_mode=simple_protocol", ""},
		{"pgx", "default_query_exec_mode=cache_describe", ""},
		{"postgres", "binary_parameters=yes", ""},
		{"pgx", "default_query_exec_mode=cache_statement", "prepared statement .* (already exists|does not exist)"},
		{"pgx", "default_query_exec_mode=describe_exec", confused},
		{"postgres", "binary_parameters=no", confused},
	} {
		t.Run(c.driver+" "+c.setting, func(t *testing.T) {
			t.Parallel()
			server := sharedServer(t)
			table := createTable(t, server.open(t), sqlguard.PostgreSQL)
			dsn := startPooler(t, server, "postgres") + " " + c.setting
			db := open(t, c.driver, dsn)
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			guard := newGuard(t, db, sqlguard.PostgreSQL, table)
			disturb(t, open(t, c.driver, dsn), c.fails == "")
			if c.fails == "" {
				assert.NoError(t, guard.Check(t.Context()))
				guardtest.Run(t, func(t *testing.T) smilesig.ReplayGuard { return guard })
				return
			}
			var err error
			require.Eventually(t, func() bool {
				_, _, err = guard.Bind(t.Context(), digest(), digest(), time.Hour)
				return err != nil
			}, patience, time.Millisecond)
			assert.Regexp(t, c.fails, err.Error())
		})
	}
}

// disturb runs another statement through the pooler until the test ends. It has two
// parameters, so that a driver that confuses it with Bind's three gets an error.
func disturb(t *testing.T, db *sql.DB, works bool) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				var got bool
				err := db.QueryRowContext(context.Background(), "SELECT $1::bytea = $2::bytea", []byte("x"), []byte("x")).Scan(&got)
				if works {
					assert.NoError(t, err)
					assert.True(t, got)
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

func TestLockTimeoutBehindAPooler(t *testing.T) {
	t.Parallel()
	server := sharedServer(t)
	admin := server.open(t)
	table := createTable(t, admin, sqlguard.PostgreSQL)
	user := "user_of_" + table
	execute(t, admin, fmt.Sprintf("CREATE ROLE %s LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %[1]s", user, table))
	execute(t, admin, fmt.Sprintf("ALTER ROLE %s SET lock_timeout = '50ms'", user))
	pooled := startPooler(t, server, user)
	locking, err := admin.Begin()
	require.NoError(t, err)
	defer locking.Rollback()
	_, err = locking.Exec("LOCK TABLE " + table)
	require.NoError(t, err)

	for _, dsn := range []string{pooled, strings.ReplaceAll(server.dsn(), "user=postgres", "user="+user)} {
		guard := newGuard(t, open(t, "pgx", dsn+" default_query_exec_mode=exec"), sqlguard.PostgreSQL, table)
		assert.EqualError(t, assertFails(t, guard, digest()), "sqlguard: ERROR: canceling statement due to lock timeout (SQLSTATE 55P03)")
	}
	guard := newGuard(t, open(t, "pgx", pooled+" default_query_exec_mode=exec lock_timeout=50ms"), sqlguard.PostgreSQL, table)
	assert.ErrorContains(t, assertFails(t, guard, digest()), "unsupported startup parameter: lock_timeout")
}

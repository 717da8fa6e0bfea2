package sqlguard_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"example.com/smilesig/sqlguard"
)

const patience = 20 * time.Second

// shared starts the PostgreSQL of all tests that neither kill nor configure it.
var shared = sync.OnceValues(func() (_ *server, err error) {
	sharedNow, err = newServer()
	return sharedNow, err
})

var sharedNow *server // nil if no test has asked for it

func TestMain(m *testing.M) {
	if work := os.Getenv(childWork); work != "" {
		bindAsChild(work)
		return
	}
	code := m.Run()
	if sharedNow != nil {
		sharedNow.remove()
	}
	os.Exit(code)
}

// A server is a PostgreSQL of the tests' own, in a directory of its own.
type server struct {
	dir     string   // with the data and the socket
	bin     string   // the directory of initdb and postgres
	wrapper []string // the command line that starts postgres, before its own
	process *os.Process
	exited  chan struct{}
}

func sharedServer(t testing.TB) *server {
	t.Helper()
	requireTool(t)
	s, err := shared()
	require.NoError(t, err)
	return s
}

// startServer returns a server that belongs to one test. The wrapper, if there is
// one, is a command that runs postgres, whose command line follows.
func startServer(t testing.TB, wrapper ...string) *server {
	t.Helper()
	requireTool(t)
	s, err := newServer(wrapper...)
	require.NoError(t, err)
	t.Cleanup(s.remove)
	return s
}

func requireTool(t testing.TB) {
	t.Helper()
	if _, err := binaries(); err != nil {
		if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
}

// binaries returns the directory of initdb and postgres. Debian has it on nobody's
// PATH.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		return filepath.Dir(path), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(found) == 0 {
		err = errors.New("PostgreSQL is not installed")
	}
	if err != nil {
		return "", err
	}
	return filepath.Dir(slices.MaxFunc(found, byVersion)), nil
}

func byVersion(a, b string) int { // "9" is below "15"
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func newServer(wrapper ...string) (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// The path of a socket has to be short, which that of t.TempDir may not be.
	dir, err := os.MkdirTemp("", "sqlguard")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, bin: bin, wrapper: wrapper}
	if err := s.init(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *server) init() error {
	if account := s.account(); account != nil {
		if err := os.Chown(s.dir, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	output, err := s.command(filepath.Join(s.bin, "initdb"), "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", s.data()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) command(line ...string) *exec.Cmd {
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = s.dir
	// The server ends with the tests, also if they run out of time.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account(), Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// account is whom PostgreSQL runs as. It refuses to run as root.
func (s *server) account() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	const nobody = 65534
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

// start returns when the server answers. After a crash it tries again while
// processes of the one that was killed are still there.
func (s *server) start() error {
	deadline := time.Now().Add(patience)
	for {
		log, err := os.Create(filepath.Join(s.dir, "log"))
		if err != nil {
			return err
		}
		cmd := s.command(append(s.wrapper, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-h", "", "-c", "max_connections=200")...)
		cmd.Stdout, cmd.Stderr = log, log
		err = cmd.Start()
		log.Close()
		if err != nil {
			return err
		}
		exited := make(chan struct{})
		go func() {
			cmd.Wait()
			close(exited)
		}()
		s.process, s.exited = cmd.Process, exited
		if s.answers(deadline) {
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres does not start: %s", text)
		}
	}
}

func (s *server) answers(deadline time.Time) bool {
	db, err := sql.Open("pgx", s.dsn())
	if err != nil {
		return false
	}
	defer db.Close()
	for time.Now().Before(deadline) {
		if db.Ping() == nil {
			return true
		}
		select {
		case <-s.exited:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// crash kills the server and all its processes at once.
func (s *server) crash(t *testing.T) {
	t.Helper()
	pid := s.process.Pid
	require.NoError(t, s.process.Signal(syscall.SIGSTOP)) // no more children
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	require.NoError(t, err)
	require.NoError(t, s.process.Kill())
	for _, child := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(child)
		require.NoError(t, err)
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.exited
}

// becomeStandby restarts the server as a standby that has no primary.
func (s *server) becomeStandby(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Signal(syscall.SIGINT)) // a fast shutdown, which writes everything
	<-s.exited
	require.NoError(t, os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644))
	require.NoError(t, s.start())
}

func (s *server) remove() {
	if s.process != nil {
		s.process.Signal(syscall.SIGQUIT) // an immediate shutdown, which leaves nothing behind
		<-s.exited
	}
	os.RemoveAll(s.dir)
}

// dsn is for a connection with the given settings of pgx or of the server.
func (s *server) dsn(settings ...string) string {
	dsn := "user=postgres dbname=postgres host=" + s.dir
	for _, setting := range settings {
		dsn += " " + setting
	}
	return dsn
}

func (s *server) open(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	db := open(t, "pgx", s.dsn(settings...))
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db
}

func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// sqliteFile returns the DSN of a new database, set up as the package's
// documentation says.
func sqliteFile(t testing.TB, settings ...string) string {
	t.Helper()
	values := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(20000)"}}
	for _, setting := range settings {
		values.Add("_pragma", setting)
	}
	return "file:" + filepath.Join(t.TempDir(), "guard.db") + "?" + values.Encode()
}

func openSQLite(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	db := open(t, "sqlite", sqliteFile(t, settings...))
	db.SetMaxOpenConns(1)
	return db
}

func execute(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(context.Background(), query, args...)
	require.NoError(t, err)
}

// createTable returns the name of a new table.
func createTable(t testing.TB, db *sql.DB, dialect sqlguard.Dialect) string {
	t.Helper()
	table := newName()
	execute(t, db, schemaOf(dialect, table))
	return table
}

func newName() string {
	name := digest()
	return fmt.Sprintf("t%x", name[:8])
}

func schemaOf(dialect sqlguard.Dialect, table string) string {
	schema := map[sqlguard.Dialect]string{
		sqlguard.PostgreSQL: sqlguard.PostgreSQLSchema,
		sqlguard.SQLite:     sqlguard.SQLiteSchema,
	}[dialect]
	return strings.ReplaceAll(schema, sqlguard.DefaultTable, table)
}

// newGuard returns a guard that is patient, because the machine may be busy, on a
// table.
func newGuard(t testing.TB, db *sql.DB, dialect sqlguard.Dialect, table string) *sqlguard.Guard {
	t.Helper()
	return newGuardWith(t, db, sqlguard.Options{Dialect: dialect, Table: table, Timeout: patience})
}

func newGuardWith(t testing.TB, db *sql.DB, options sqlguard.Options) *sqlguard.Guard {
	t.Helper()
	guard, err := sqlguard.New(db, options)
	require.NoError(t, err)
	return guard
}

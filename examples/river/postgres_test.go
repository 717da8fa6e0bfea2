package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// A postgres is a PostgreSQL of the tests' own, in a directory of its own.
type postgres struct {
	bin, dir string // the programs; the data and the socket
	process  *exec.Cmd
}

// shared is the PostgreSQL of all tests that do not stop it.
var shared = sync.OnceValues(func() (_ *postgres, err error) {
	sharedNow, err = newPostgres()
	return sharedNow, err
})

var sharedNow *postgres // nil if no test has asked for it

func newPostgres() (*postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	// The path of a socket has to be short. That of t.TempDir may not be.
	dir, err := os.MkdirTemp("", "river")
	if err != nil {
		return nil, err
	}
	p := &postgres{bin: bin, dir: dir}
	if err := errors.Join(p.init(), p.start(), p.makeTemplate()); err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

func postgresPrograms() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian has them on nobody's PATH
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL is not installed")
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

func (p *postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, program), append(args, "-D", filepath.Join(p.dir, "data"))...)
	cmd.Dir = p.dir
	// The server ends with the tests, also if they run out of time. It refuses to run as root.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

func (p *postgres) init() error {
	cmd := p.command("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync")
	if account := cmd.SysProcAttr.Credential; account != nil {
		if err := os.Chown(p.dir, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
}

// start returns when the server answers.
func (p *postgres) start() error {
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.process = p.command("postgres", "-k", p.dir, "-h", "", "-c", "max_connections=300")
	p.process.Stdout, p.process.Stderr = log, log
	if err := p.process.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patient); ; time.Sleep(20 * time.Millisecond) {
		db, err := pgx.Connect(context.Background(), p.dsn("postgres"))
		if err == nil {
			return db.Close(context.Background())
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres does not start: %w: %s", err, text)
		}
	}
}

// stop ends all connections and waits for the end of the server.
func (p *postgres) stop() {
	if p.process != nil {
		p.process.Process.Signal(syscall.SIGINT)
		p.process.Wait()
		p.process = nil
	}
}

func (p *postgres) remove() {
	p.stop()
	os.RemoveAll(p.dir)
}

func (p *postgres) dsn(database string) string {
	return fmt.Sprintf("user=postgres dbname=%s host=%s", database, p.dir)
}

// makeTemplate makes the database that newDatabase copies. actions has no primary key,
// so that an action taken twice shows.
func (p *postgres) makeTemplate() error {
	if err := p.execute("CREATE DATABASE pattern"); err != nil {
		return err
	}
	db, err := pgxpool.New(context.Background(), p.dsn("pattern"))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrate(context.Background(), db); err != nil {
		return err
	}
	_, err = db.Exec(context.Background(), `CREATE TABLE actions (verification text, decision text)`)
	return err
}

func (p *postgres) execute(statement string) error {
	db, err := pgx.Connect(context.Background(), p.dsn("postgres"))
	if err != nil {
		return err
	}
	defer db.Close(context.Background())
	_, err = db.Exec(context.Background(), statement)
	return err
}

func (p *postgres) newDatabase(t *testing.T, template string) (dsn string) {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	require.NoError(t, p.execute("CREATE DATABASE "+name+" TEMPLATE "+template))
	return p.dsn(name)
}

func sharedPostgres(t *testing.T) *postgres {
	t.Helper()
	requirePostgres(t)
	p, err := shared()
	require.NoError(t, err)
	return p
}

// ownPostgres is for a test that stops it.
func ownPostgres(t *testing.T) *postgres {
	t.Helper()
	requirePostgres(t)
	p, err := newPostgres()
	require.NoError(t, err)
	t.Cleanup(p.remove)
	return p
}

func requirePostgres(t *testing.T) {
	t.Helper()
	if _, err := postgresPrograms(); err != nil {
		if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
}

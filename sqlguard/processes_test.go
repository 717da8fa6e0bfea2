package sqlguard_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/sqlguard"
)

// childWork is the environment variable that makes the test binary a child, which
// binds and reports. Its value is a work.
const childWork = "SQLGUARD_CHILD_WORK"

// work is what each process does: each of Workers binds each of Pairs once.
type work struct {
	Driver, DSN, Table string
	Dialect            sqlguard.Dialect
	Workers, Pairs     int
}

type outcome struct {
	Pair        int
	Body, Bound smilesig.Digest
	Seen        bool
}

func numberedPair(i int) smilesig.Digest {
	return sha256.Sum256(fmt.Append(nil, "pair ", i))
}

func (w work) guard() *sqlguard.Guard {
	db, err := sql.Open(w.Driver, w.DSN)
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(w.Workers)
	guard, err := sqlguard.New(db, sqlguard.Options{Dialect: w.Dialect, Table: w.Table, Timeout: patience})
	if err != nil {
		log.Fatal(err)
	}
	return guard
}

// bindAsChild says that it is ready, waits for the end of its input, binds, and
// writes the outcomes to its output.
func bindAsChild(text string) {
	var w work
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		log.Fatal(err)
	}
	guard := w.guard()
	output := gob.NewEncoder(os.Stdout)
	output.Encode("ready")
	io.Copy(io.Discard, os.Stdin)
	output.Encode(w.bindAll(guard))
}

func (w work) bindAll(guard *sqlguard.Guard) (outcomes []outcome) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range w.Workers {
		all.Go(func() {
			for i := range w.Pairs {
				o := outcome{Pair: i, Body: digest()}
				var err error
				o.Bound, o.Seen, err = guard.Bind(context.Background(), numberedPair(i), o.Body, time.Hour)
				if err != nil {
					log.Fatal(err)
				}
				mu.Lock()
				outcomes = append(outcomes, o)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return outcomes
}

// runIn does the work in some processes at once.
func (w work) runIn(t *testing.T, processes int) (outcomes []outcome) {
	t.Helper()
	text, err := json.Marshal(w)
	require.NoError(t, err)
	var starts []io.Closer
	var outputs []*gob.Decoder
	for range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childWork+"="+string(text))
		cmd.Stderr = os.Stderr
		input, err := cmd.StdinPipe()
		require.NoError(t, err)
		output, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		starts, outputs = append(starts, input), append(outputs, gob.NewDecoder(output))
	}
	for _, output := range outputs {
		var ready string
		require.NoError(t, output.Decode(&ready))
	}
	for _, start := range starts {
		require.NoError(t, start.Close())
	}
	for _, output := range outputs {
		var some []outcome
		require.NoError(t, output.Decode(&some))
		outcomes = append(outcomes, some...)
	}
	require.Len(t, outcomes, processes*w.Workers*w.Pairs)
	return outcomes
}

func TestOneOfManyProcessesWins(t *testing.T) {
	t.Parallel()
	const processes = 6
	for name, prepare := range map[string]func(t *testing.T, w *work){
		"one pair on PostgreSQL": func(t *testing.T, w *work) {
			w.onPostgreSQL(t)
			w.Workers, w.Pairs = 15, 1
		},
		"many pairs on PostgreSQL": func(t *testing.T, w *work) {
			w.onPostgreSQL(t)
		},
		"pairs that have expired on PostgreSQL": func(t *testing.T, w *work) {
			w.onPostgreSQL(t)
			w.bindExpired(t)
		},
		"many pairs on SQLite": func(t *testing.T, w *work) {
			w.onSQLite(t)
		},
		"pairs that have expired on SQLite": func(t *testing.T, w *work) {
			w.onSQLite(t)
			w.bindExpired(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w work
			prepare(t, &w)
			outcomes := w.runIn(t, processes)
			winners := make(map[int]smilesig.Digest)
			for _, o := range outcomes {
				if !o.Seen {
					assert.NotContains(t, winners, o.Pair, "pair %d has two winners", o.Pair)
					winners[o.Pair] = o.Body
				}
			}
			assert.Len(t, winners, w.Pairs)
			for _, o := range outcomes {
				assert.Equal(t, winners[o.Pair], o.Bound, "pair %d", o.Pair)
			}
		})
	}
}

func (w *work) onPostgreSQL(t *testing.T) {
	s := sharedServer(t)
	*w = work{Driver: "pgx", DSN: s.dsn(), Dialect: sqlguard.PostgreSQL, Workers: 4, Pairs: 100}
	w.Table = createTable(t, s.open(t), w.Dialect)
}

func (w *work) onSQLite(t *testing.T) {
	*w = work{Driver: "sqlite", DSN: sqliteFile(t), Dialect: sqlguard.SQLite, Workers: 1, Pairs: 30}
	w.Table = createTable(t, open(t, w.Driver, w.DSN), w.Dialect)
}

func (w *work) bindExpired(t *testing.T) {
	guard := w.guard()
	for i := range w.Pairs {
		bindExpired(t, guard, numberedPair(i))
	}
}

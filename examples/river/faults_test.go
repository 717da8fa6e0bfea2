package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
)

// hasty lets another machine take over soon.
func hasty(s *service) { s.pace.run = 2 * time.Second }

// A machine is a process of its own here, which is killed at the worst moment.
func TestAMachineDies(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"asking", "acting", "acted", "answering"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			forBoth(t, func(w *world, version int) {
				starter, err := newService(w.db, credential, w.origin, "http://127.0.0.1:1", secret, nil)
				require.NoError(w.t, err)
				starter.pace = testPace
				v := w.verify(&instance{service: starter}, version, "job-1", later())
				w.conclude(v, smilesigtest.Approved)
				cb := w.callback(v, smilesigtest.Approved)

				machine, url := w.startMachine(at, v.id)
				response, sendErr := cb.Send(w.t.Context(), nil, url)
				if sendErr == nil {
					response.Body.Close()
				}
				assert.Error(w.t, machine.Wait())
				require.False(w.t, machine.ProcessState.Exited(), "killed")
				// Until the others take the job for dead, and need another leader.
				w.eventually(`SELECT count(*) = 0 FROM river_job WHERE state = 'running' AND attempted_at > now() - interval '4.5 seconds'`)
				_, err = w.db.Exec(w.t.Context(), `DELETE FROM river_leader`)
				require.NoError(w.t, err)

				survivor := w.start(hasty)
				if sendErr != nil { // nobody has answered, so Smile ID may send it again
					assert.Equal(w.t, http.StatusOK, w.send(survivor, v.id, cb))
				}
				w.requireDecided(v, "approved")
			})
		})
	}
}

// startMachine runs this test's program once more, as an instance that is going to
// crash, and returns where it takes the callbacks of a row.
func (w *world) startMachine(crashAt, id string) (process *exec.Cmd, url string) {
	w.t.Helper()
	program, err := os.Executable()
	require.NoError(w.t, err)
	process = exec.CommandContext(w.t.Context(), program)
	process.Env = append(os.Environ(), "RIVER_CRASH_AT="+crashAt, "RIVER_DATABASE="+w.database, "RIVER_ORIGIN="+w.origin, "RIVER_ROW="+id)
	process.Stderr = os.Stderr
	_, err = process.StdinPipe() // closed if this test's process ends, which ends the other
	require.NoError(w.t, err)
	stdout, err := process.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, process.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(w.t, err)
	return process, strings.TrimSpace(line)
}

// runUntilCrash is the process that startMachine starts.
func runUntilCrash(point string) {
	db, err := pgxpool.New(context.Background(), os.Getenv("RIVER_DATABASE"))
	if err != nil {
		panic(err)
	}
	i, err := startInstance(db, os.Getenv("RIVER_ORIGIN"), func(s *service) {
		switch point {
		case "asking":
			s.reader = &readback.Reader{Signer: s.signer, Origin: s.reader.Origin, Base: crashing{}}
		case "acting", "acted":
			s.act = func(ctx context.Context, tx pgx.Tx, id string, decision result.Outcome) error {
				if point == "acted" {
					go crashWhenDecided(s)
				} else {
					defer crash()
				}
				return writeDown(ctx, tx, id, decision)
			}
		}
	})
	if err != nil {
		panic(err)
	}
	if whole := i.server.Config.Handler; point == "answering" {
		i.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole.ServeHTTP(w, r)
			crash()
		})
	}
	fmt.Println(i.urls.For(os.Getenv("RIVER_ROW")))
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

type crashing struct{}

func (crashing) RoundTrip(*http.Request) (*http.Response, error) { crash(); return nil, nil }

// crashWhenDecided does not let River note the end of the job, if it can help it.
func crashWhenDecided(s *service) {
	for isDecided := false; !isDecided; {
		s.db.QueryRow(context.Background(), `SELECT decision IS NOT NULL FROM verifications`).Scan(&isDecided)
	}
	crash()
}

// crash ends the process as a power cut does: nothing deferred runs.
func crash() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// PostgreSQL stops while Smile ID is being asked, and callbacks come meanwhile.
func TestPostgreSQLStops(t *testing.T) {
	t.Parallel()
	w, hold := newWorldOn(t, ownPostgres(t)), newHold()
	i := w.start(hasty, hold.configure)
	asked, waiting, lost := w.verify(i, 1, "asked", later()), w.verify(i, 3, "waiting", later()), w.verify(i, 1, "lost", time.Now().Add(3*time.Second))
	for _, v := range []verification{asked, waiting, lost} {
		w.conclude(v, smilesigtest.Approved)
	}
	w.sendFinal(i, asked)
	<-hold.answered
	w.postgres.stop()
	assert.Equal(t, http.StatusServiceUnavailable, w.send(i, waiting.id, w.callback(waiting, smilesigtest.Approved)))
	assert.Equal(t, http.StatusServiceUnavailable, w.send(i, lost.id, w.callback(lost, smilesigtest.Approved)))
	hold.release <- struct{}{}
	time.Sleep(time.Second) // the run ends while PostgreSQL is away
	require.NoError(t, w.postgres.start())

	var releaser sync.WaitGroup
	releaser.Go(func() {
		for {
			select {
			case <-hold.answered:
				hold.release <- struct{}{}
			case <-t.Context().Done():
				return
			}
		}
	})
	require.Eventually(t, func() bool {
		return w.send(i, waiting.id, w.callback(waiting, smilesigtest.Approved)) == http.StatusOK
	}, patient, 50*time.Millisecond)
	for _, v := range []verification{asked, waiting, lost} {
		w.requireDecided(v, "approved")
	}
}

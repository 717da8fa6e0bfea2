package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest"
)

// The partner is a process of its own here, which is killed at the worst moment.
func TestCrash(t *testing.T) {
	t.Parallel()
	byRedelivery := func(w *world) { assert.Equal(w.t, http.StatusOK, w.sendApproval()) }
	bySweep := func(w *world) { require.NoError(w.t, w.sweep(w.t.Context())) }

	for _, test := range []struct {
		at         string
		afterCrash state
		actions    []state
	}{
		{"received, not asked", open, nil},
		{"acting", open, nil},
		{"acted, not answered", approved, []state{approved}},
	} {
		for name, finish := range map[string]func(w *world){"redelivery": byRedelivery, "sweep": bySweep} {
			t.Run(test.at+", "+name, func(t *testing.T) {
				forBoth(t, func(w *world) {
					w.conclude(smilesigtest.Approved)
					process, url := startProcess(w, test.at)

					_, err := w.callback(w.ours, smilesigtest.Approved).Send(w.t.Context(), nil, url)
					require.Error(w.t, err, "no answer from a process that is gone")
					assert.Error(w.t, process.Wait())
					require.False(w.t, process.ProcessState.Exited(), "killed")
					w.requireThat(test.afterCrash, test.actions...)

					finish(w)
					w.requireThat(approved, approved)
					byRedelivery(w)
					bySweep(w)
					w.requireThat(approved, approved)
				})
			})
		}
	}
}

// startProcess runs this test's program once more, as a partner that is going to
// crash, and returns where it takes the callbacks of ours.
func startProcess(w *world, crashAt string) (process *exec.Cmd, url string) {
	w.t.Helper()
	program, err := os.Executable()
	require.NoError(w.t, err)
	process = exec.CommandContext(w.t.Context(), program)
	process.Env = append(os.Environ(), "READBACK_CRASH_AT="+crashAt, "READBACK_DATABASE="+w.database, "READBACK_ORIGIN="+w.origin)
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

// runUntilCrash is the process that startProcess starts.
func runUntilCrash(point string) {
	p, server, err := servePartner(os.Getenv("READBACK_DATABASE"), credential, os.Getenv("READBACK_ORIGIN"), secret)
	if err != nil {
		panic(err)
	}
	switch point {
	case "received, not asked":
		p.client.Transport = roundTripper(func(*http.Request) (*http.Response, error) { crash(); return nil, nil })
	case "acting":
		p.act = func(ctx context.Context, tx *sql.Tx, j job, decision state) error {
			if err := writeDown(ctx, tx, j, decision); err != nil {
				panic(err)
			}
			crash()
			return nil
		}
	case "acted, not answered":
		whole := server.Handler
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole.ServeHTTP(w, r)
			crash()
		})
	default:
		panic(point)
	}
	fmt.Println(p.urls.For("job-1"))
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
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

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

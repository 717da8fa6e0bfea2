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
)

// The partner is a process of its own here, which is killed at the worst moment.
func TestCrash(t *testing.T) {
	t.Parallel()
	byRedelivery := func(w *world) {}
	bySweep := func(w *world) { require.NoError(w.t, w.sweep(w.t.Context())) }

	for _, test := range []struct {
		at           string
		afterCrash   state
		actionsSoFar []state
		open         int
	}{
		{"received, not asked", started, nil, 1},
		{"acting", started, nil, 1},
		{"acted, not answered", approved, []state{approved}, 0},
	} {
		for name, finish := range map[string]func(w *world){"redelivery": byRedelivery, "sweep": bySweep} {
			t.Run(test.at+", "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.complete(ours)
				cb := callback(ours, "1210")
				process, url := startProcess(t, test.at, w)

				_, err := cb.Send(t.Context(), nil, url)
				require.Error(t, err, "no answer from a process that is gone")
				assert.Error(t, process.Wait())
				require.False(t, process.ProcessState.Exited(), "killed")
				w.requireThat(test.afterCrash, test.actionsSoFar, 1, test.open)

				finish(w)
				assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
				w.requireThat(approved, []state{approved}, 1, 0)
				assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
				require.NoError(t, w.sweep(t.Context()))
				w.requireThat(approved, []state{approved}, 1, 0)
			})
		}
	}
}

// startProcess runs this test's program once more, as a partner that is going to
// crash, and returns where it takes callbacks.
func startProcess(t *testing.T, crashAt string, w *world) (process *exec.Cmd, url string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	process = exec.CommandContext(t.Context(), program)
	process.Env = append(os.Environ(), "READBACK_CRASH_AT="+crashAt, "READBACK_DATABASE="+w.database, "READBACK_ORIGIN="+w.origin)
	process.Stderr = os.Stderr
	_, err = process.StdinPipe() // closed if this test's process ends, which ends the other
	require.NoError(t, err)
	stdout, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return process, strings.TrimSpace(line)
}

// runUntilCrash is the process that startProcess starts.
func runUntilCrash(point string) {
	p, err := newPartner(os.Getenv("READBACK_DATABASE"), credential, os.Getenv("READBACK_ORIGIN"), writeDown)
	if err != nil {
		panic(err)
	}
	handler := p.handler()
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
		whole := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole.ServeHTTP(w, r)
			crash()
		})
	default:
		panic(point)
	}
	_, origin, err := serve(handler)
	if err != nil {
		panic(err)
	}
	fmt.Println(origin)
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

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

var (
	credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	secret     = bytes.Repeat([]byte("s"), 32)
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if point := os.Getenv("READBACK_CRASH_AT"); point != "" {
		runUntilCrash(point)
	}
	os.Exit(m.Run())
}

// A world has Smile ID and a partner that has started the job ours. Smile ID sends
// nothing by itself.
type world struct {
	t        *testing.T
	standIn  *standin.Server
	origin   string // in front of standIn
	answer   atomic.Pointer[http.HandlerFunc]
	database string

	*partner
	ours job
}

func newWorld(t *testing.T, api api) *world {
	t.Helper()
	w := &world{t: t, database: filepath.Join(t.TempDir(), "a partner?.db")}
	w.standIn = standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always() })
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if answer := w.answer.Load(); answer != nil && isQuestion(r.URL.Path) {
			(*answer)(rw, r)
			return
		}
		w.standIn.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	w.origin = front.URL
	w.partner = w.newPartner()
	require.FileExists(t, w.database)
	w.ours = w.startJob(job{id: "job-1", userID: "user-1", api: api})
	return w
}

func isQuestion(path string) bool {
	return path == "/v1/job_status" || strings.HasPrefix(path, "/v3/status/")
}

// newPartner starts another one, on the same database.
func (w *world) newPartner() *partner {
	w.t.Helper()
	p, server, err := servePartner(w.database, credential, w.origin, secret)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { server.Close(); p.close() })
	return p
}

func (w *world) startJob(j job) job {
	w.t.Helper()
	require.NoError(w.t, w.start(w.t.Context(), j, func(ctx context.Context, j job, _ string) (string, error) {
		return w.submit(j), nil
	}))
	j, err := w.job(w.t.Context(), j.id)
	require.NoError(w.t, err)
	return j
}

// submit asks the stand-in for a job without callbacks.
func (w *world) submit(j job) (smileJob string) {
	w.t.Helper()
	submit := w.submitV1
	if j.api == v3 {
		submit = w.submitV3
	}
	smileJob, err := submit(w.t.Context(), j, "")
	require.NoError(w.t, err)
	return smileJob
}

// conclude lets the stand-in decide ours.
func (w *world) conclude(o smilesigtest.Outcome) {
	w.t.Helper()
	require.NoError(w.t, w.standIn.Conclude(w.ours.smileJob, o))
}

// callback is what Smile ID would send for a job.
func (w *world) callback(j job, o smilesigtest.Outcome) smilesigtest.Callback {
	sent := smilesigtest.Job{ID: j.smileJob, UserID: j.userID, JobID: j.id, Product: "enhanced_kyc", Placement: smilesig.InBody}
	if j.api == v3 {
		sent.Product, sent.Placement = "one_time_aml", smilesig.InHeader
	}
	return sent.Callback(credential, o)
}

// send sends cb once, to the URL of ours.
func (w *world) send(cb smilesigtest.Callback) *http.Response {
	w.t.Helper()
	response, err := cb.Send(w.t.Context(), nil, w.urls.For(w.ours.id))
	require.NoError(w.t, err)
	response.Body.Close()
	return response
}

// sendApproval sends the final callback of ours and returns the status it gets.
func (w *world) sendApproval() int {
	w.t.Helper()
	return w.send(w.callback(w.ours, smilesigtest.Approved)).StatusCode
}

// answerBy answers what is asked about jobs; nil is the stand-in.
func (w *world) answerBy(h http.HandlerFunc) {
	if h == nil {
		w.answer.Store(nil)
		return
	}
	w.answer.Store(&h)
}

// answering answers with a status and these members, which are signed for v1.
func (w *world) answering(status int, members map[string]any) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(members)
		assert.NoError(w.t, err)
		if w.ours.api == v1 {
			body, err = w.partner.signer.Inject(body, time.Now())
			assert.NoError(w.t, err)
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		rw.Write(body)
	}
}

// jobStatus is an answer of v1 about a complete job.
func (w *world) jobStatus(j job, success bool, code string, isFinal any) http.HandlerFunc {
	return w.answering(http.StatusOK, map[string]any{
		"job_complete": true, "job_success": success,
		"result": map[string]any{
			"ResultCode": code, "IsFinalResult": isFinal,
			"PartnerParams": map[string]any{"user_id": j.userID, "job_id": j.id, "job_type": 5},
		},
	})
}

// status is an answer of v3.
func (w *world) status(code int, j job, status string) http.HandlerFunc {
	return w.answering(code, map[string]any{"status": status, "job_id": j.smileJob, "user_id": j.userID})
}

// asked counts the requests to the stand-in at paths that start so.
func (w *world) asked(paths string) (n int) {
	for _, r := range w.standIn.Requests() {
		if strings.HasPrefix(r.Path, paths) {
			n++
		}
	}
	return n
}

// requireThat checks the state of ours and all that was done.
func (w *world) requireThat(want state, actions ...state) {
	w.t.Helper()
	j, err := w.job(w.t.Context(), w.ours.id)
	require.NoError(w.t, err)
	require.Equal(w.t, want, j.state)
	rows, err := w.db.Query(`SELECT decision FROM actions`)
	require.NoError(w.t, err)
	defer rows.Close()
	var taken []state
	for rows.Next() {
		var decision state
		require.NoError(w.t, rows.Scan(&decision))
		taken = append(taken, decision)
	}
	require.NoError(w.t, rows.Err())
	require.Equal(w.t, actions, taken)
}

// forBoth runs a test with a job of v1 and with one of v3.
func forBoth(t *testing.T, test func(w *world)) {
	for _, api := range []api{v1, v3} {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			test(newWorld(t, api))
		})
	}
}

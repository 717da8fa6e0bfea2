package main

import (
	"bytes"
	"encoding/json"
	"fmt"
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
)

var (
	credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	ours       = job{"user-1", "job-1"}
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if point := os.Getenv("READBACK_CRASH_AT"); point != "" {
		runUntilCrash(point)
	}
	os.Exit(m.Run())
}

// A world has Smile ID and a partner that has started the job ours.
type world struct {
	t        *testing.T
	standIn  *smilesigtest.Server
	origin   string // in front of standIn
	answer   atomic.Pointer[http.HandlerFunc]
	database string

	*partner
	url string // of its callbacks
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, standIn: smilesigtest.NewServer(t, credential), database: filepath.Join(t.TempDir(), "a partner?.db")}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if answer := w.answer.Load(); answer != nil && r.URL.Path == "/v1/job_status" {
			(*answer)(rw, r)
			return
		}
		w.standIn.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	w.origin = front.URL
	w.startPartner()
	require.FileExists(t, w.database)
	require.NoError(t, w.store.addJob(t.Context(), ours))
	return w
}

// startPartner starts another one, on the same database, which leaves the job to it.
func (w *world) startPartner() {
	w.t.Helper()
	var err error
	w.partner, err = newPartner(w.database, credential, w.origin, writeDown)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { w.store.close() })
	w.url = w.serve(w.handler())
}

func (w *world) serve(h http.Handler) (url string) {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

// complete lets the stand-in have a final result of j, without a callback.
func (w *world) complete(j job) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{
		"partner_id":     credential.PartnerID,
		"partner_params": map[string]any{"user_id": j.userID, "job_id": j.jobID, "job_type": 1},
	})
	require.NoError(w.t, err)
	response, err := w.client.Post(w.origin+"/v1/async_id_verification", "application/json", bytes.NewReader(body))
	require.NoError(w.t, err)
	response.Body.Close()
	require.Equal(w.t, http.StatusOK, response.StatusCode)
}

// answerWith lets job_status answer with these members, genuinely signed; nil is
// what the stand-in says.
func (w *world) answerWith(members map[string]any) {
	if members == nil {
		w.answer.Store(nil)
		return
	}
	w.answerBy(func(rw http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(members)
		assert.NoError(w.t, err)
		body, err = w.signer.Inject(body, time.Now())
		assert.NoError(w.t, err)
		rw.Header().Set("Content-Type", "application/json")
		rw.Write(body)
	})
}

func (w *world) answerBy(h http.HandlerFunc) { w.answer.Store(&h) }

// status is an answer of job_status about a complete job.
func status(j job, success bool, code string, isFinal any) map[string]any {
	return map[string]any{
		"job_complete": true, "job_success": success,
		"result": map[string]any{
			"ResultCode": code, "IsFinalResult": isFinal,
			"PartnerParams": map[string]any{"user_id": j.userID, "job_id": j.jobID, "job_type": 1},
		},
	}
}

// callback names j and says the code.
func callback(j job, code string) smilesigtest.Callback {
	return smilesigtest.NewCallback(credential, body(j, code))
}

func body(j job, code string) []byte {
	return fmt.Appendf(nil, `{"ResultCode":%q,"IsFinalResult":"true","PartnerParams":{"user_id":%q,"job_id":%q,"job_type":1}}`,
		code, j.userID, j.jobID)
}

// send sends cb once.
func (w *world) send(cb smilesigtest.Callback) *http.Response {
	w.t.Helper()
	response, err := cb.Send(w.t.Context(), nil, w.url)
	require.NoError(w.t, err)
	response.Body.Close()
	return response
}

// asked counts what has come to the stand-in's job_status.
func (w *world) asked() (n int) {
	for _, r := range w.standIn.Requests() {
		if strings.HasSuffix(r.Path, "/job_status") {
			n++
		}
	}
	return n
}

// requireThat checks the state of ours, what was done about it, and how many
// deliveries are in the inbox and open.
func (w *world) requireThat(want state, actions []state, kept, open int) {
	w.t.Helper()
	var got state
	require.NoError(w.t, w.store.db.QueryRow(`SELECT state FROM jobs WHERE user_id = ? AND job_id = ?`, ours.userID, ours.jobID).Scan(&got))
	require.Equal(w.t, want, got)
	require.Equal(w.t, actions, w.actions())
	var inInbox, notDone int
	require.NoError(w.t, w.store.db.QueryRow(`SELECT count(*), coalesce(sum(done = 0), 0) FROM inbox`).Scan(&inInbox, &notDone))
	require.Equal(w.t, kept, inInbox, "kept")
	require.Equal(w.t, open, notDone, "open")
}

func (w *world) actions() (all []state) {
	w.t.Helper()
	rows, err := w.store.db.Query(`SELECT decision FROM actions`)
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var decision state
		require.NoError(w.t, rows.Scan(&decision))
		all = append(all, decision)
	}
	require.NoError(w.t, rows.Err())
	return all
}

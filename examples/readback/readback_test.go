package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest"
)

var once = []state{approved}

func TestItsLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, `callback got       job is    actions  step
[200]              pending   0        job-1: a provisional callback: kept, nothing final to act on
[200]              approved  1        job-1: the final callback: read back, acted on
[200]              approved  1        job-1: the final callback once more: done already
[200]              pending   1        job-2: a body that says approved, forged under a genuine pair: Smile ID says no such thing
[202]                        1        job-3: a callback for a job that we did not start: kept, not asked about
[503 503 503 503]  pending   1        job-2: the final callback, but the answer to our question has a wrong pair
[]                 approved  2        job-2: we start again and Smile ID can be asked: the sweep finishes it
`, out.String())
}

func TestAStepThatIsNotAsExpected(t *testing.T) {
	t.Parallel()
	d, err := newDemo(t.Context())
	require.NoError(t, err)
	defer d.close()
	var out strings.Builder
	s := step{"[200]", approved, 1, "too hopeful", d.provisional}
	assert.EqualError(t, s.play(t.Context(), d, &out), `too hopeful: got [200], "pending", 0 actions; expected [200], "approved", 1`)
	assert.Empty(t, out.String())
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	cb := callback(ours, "1210")
	for range 3 {
		assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
		w.requireThat(approved, once, 1, 0)
	}
	assert.Equal(t, 1, w.asked(), "what is done needs no question")

	cb.Time = cb.Time.Add(time.Second) // redelivered, signed afresh
	assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
	w.requireThat(approved, once, 2, 0)
}

func TestDuplicatesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	other, err := newPartner(w.database, credential, w.origin, writeDown) // a second process would do the same
	require.NoError(t, err)
	defer other.store.close()
	urls := []string{w.url, w.serve(other.handler())}
	cb := callback(ours, "1210")
	var senders sync.WaitGroup
	for i := range 20 {
		senders.Go(func() {
			response, err := cb.Send(t.Context(), nil, urls[i%2])
			if assert.NoError(t, err) {
				response.Body.Close()
				assert.Equal(t, http.StatusOK, response.StatusCode)
			}
		})
	}
	senders.Wait()
	w.requireThat(approved, once, 1, 0)
}

func TestProvisionalThenFinal(t *testing.T) {
	t.Parallel()
	for name, provisional := range map[string]map[string]any{
		"not complete":              {"job_complete": false, "job_success": false, "result": "No zip uploaded"},
		"not complete, a success":   {"job_complete": false, "job_success": true},
		"says nothing":              {},
		"complete, not final":       status(ours, true, "1210", "false"),
		"complete, not final, bool": status(ours, false, "1210", false),
		"final, of unclear words":   status(ours, true, "1210", "TRUE"),
		"final, provisional code":   status(ours, true, "1211", "true"),
		"final, no code":            status(ours, true, "", "true"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first, second := callback(ours, "1211"), callback(ours, "1210")
			w.answerWith(provisional)
			assert.Equal(t, http.StatusOK, w.send(first).StatusCode)
			w.requireThat(pending, nil, 1, 1)

			w.answerWith(nil)
			w.complete(ours)
			assert.Equal(t, http.StatusOK, w.send(second).StatusCode)
			w.requireThat(approved, once, 2, 0)

			assert.Equal(t, http.StatusOK, w.send(first).StatusCode, "late, again")
			w.requireThat(approved, once, 2, 0)
		})
	}
}

// Smile ID's callback can be ahead of what job_status says.
func TestFinalCallbackAheadOfJobStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Equal(t, http.StatusOK, w.send(callback(ours, "1210")).StatusCode)
	w.requireThat(pending, nil, 1, 1)
	w.complete(ours)
	require.NoError(t, w.sweep(t.Context()))
	w.requireThat(approved, once, 1, 0)
}

func TestAnOlderAnswerThatComesLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	assert.Equal(t, http.StatusOK, w.send(callback(ours, "1210")).StatusCode)
	w.answerWith(map[string]any{"job_complete": false})
	assert.Equal(t, http.StatusOK, w.send(callback(ours, "1211")).StatusCode)
	w.requireThat(approved, once, 2, 1)
}

func TestForgedBodyUnderAGenuinePair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	genuine := callback(ours, "0001")

	// It comes first, and Smile ID has no result yet.
	assert.Equal(t, http.StatusOK, w.send(genuine.WithBody(body(ours, "1210"))).StatusCode)
	w.requireThat(pending, nil, 1, 1)

	// Then Smile ID declines. The body still says approved, and does not keep the
	// genuine one out.
	w.answerWith(status(ours, false, "0001", "true"))
	assert.Equal(t, http.StatusOK, w.send(genuine.WithBody(body(ours, "1220"))).StatusCode)
	w.requireThat(declined, []state{declined}, 2, 0)
	assert.Equal(t, http.StatusOK, w.send(genuine).StatusCode)
	w.requireThat(declined, []state{declined}, 3, 0)

	// Nor do the IDs of ours under another user's name help.
	assert.Equal(t, http.StatusAccepted, w.send(genuine.WithBody(body(job{"user-2", ours.jobID}, "1210"))).StatusCode)
	w.requireThat(declined, []state{declined}, 4, 1)
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	body := []byte(`{"status":"clear","partner_params":{"user_id":"user-1","job_id":"job-1"}}`)
	assert.Equal(t, http.StatusOK, w.send(smilesigtest.NewWebhook(credential, body)).StatusCode)
	w.requireThat(approved, once, 1, 0)
}

// The same body says something new when it is signed anew.
func TestSameBodyAtAnotherTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cb := smilesigtest.NewWebhook(credential, body(ours, "1210"))
	assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
	cb.Time = cb.Time.Add(time.Millisecond)
	assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
	w.requireThat(pending, nil, 2, 2)
}

func TestAJobThatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := job{"user-2", "job-2"}
	w.complete(other)
	assert.Equal(t, http.StatusAccepted, w.send(callback(other, "1210")).StatusCode)
	require.NoError(t, w.sweep(t.Context()))
	w.requireThat(started, nil, 1, 1)
	assert.Zero(t, w.asked())

	// It turns up after all, from a backup for instance.
	require.NoError(t, w.store.addJob(t.Context(), other))
	require.NoError(t, w.sweep(t.Context()))
	w.requireThat(started, once, 1, 0)
}

func TestAJobIsStartedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Error(t, w.store.addJob(t.Context(), ours))
}

const unsignedApproval = `{"job_complete":true,"job_success":true,"result":{"ResultCode":"1210","PartnerParams":{"user_id":"user-1","job_id":"job-1"}}}`

func TestSmileIDCannotBeAsked(t *testing.T) {
	t.Parallel()
	tampering := func(how smilesigtest.Tampering) func(w *world) {
		return func(w *world) { w.standIn.JobStatus = how }
	}
	answering := func(members map[string]any) func(w *world) {
		return func(w *world) { w.answerWith(members) }
	}
	by := func(h http.HandlerFunc) func(w *world) {
		return func(w *world) { w.answerBy(h) }
	}
	for name, spoil := range map[string]func(w *world){
		"wrong pair":   tampering(smilesigtest.WrongPair),
		"no pair":      tampering(smilesigtest.NoPair),
		"unkeyed hash": tampering(smilesigtest.UnkeyedHash),
		"500":          by(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusInternalServerError) }),
		"an approval, but an error": by(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest) // such an answer is not confirmed
			w.Write([]byte(unsignedApproval))
		}),
		"no answer": by(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"no JSON":   by(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }),
		"a redirect to what is not signed": by(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
				return
			}
			w.Write([]byte(unsignedApproval))
		}),
		"about another job":  answering(status(job{ours.userID, "job-2"}, true, "1210", "true")),
		"about another user": answering(status(job{"user-2", ours.jobID}, true, "1210", "true")),
		"about no job":       answering(map[string]any{"job_complete": true, "job_success": true, "result": map[string]any{"ResultCode": "1210"}}),
		"no result":          answering(map[string]any{"job_complete": true, "job_success": true}),
		"a result in words":  answering(map[string]any{"job_complete": true, "job_success": true, "result": "1210"}),
		"complete in words":  answering(map[string]any{"job_complete": "yes"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.complete(ours)
			spoil(w)
			cb := callback(ours, "1210")
			delivery, err := w.standIn.Deliver(t.Context(), w.url, cb)
			require.Error(t, err, "given up")
			assert.Equal(t, []int{503, 503, 503, 503}, delivery.Statuses)
			assert.Equal(t, "30", w.send(cb).Header.Get("Retry-After"))
			assert.Error(t, w.sweep(t.Context()))
			w.requireThat(started, nil, 1, 1)

			w.standIn.JobStatus = smilesigtest.Untampered
			w.answerWith(nil)
			require.NoError(t, w.sweep(t.Context()))
			w.requireThat(approved, once, 1, 0)
		})
	}
}

func TestSmileIDCanBeAskedAgainWhileItRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	w.answerBy(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusBadGateway)
		w.answerWith(nil)
	})
	delivery, err := w.standIn.Deliver(t.Context(), w.url, callback(ours, "1210"))
	require.NoError(t, err)
	assert.Equal(t, []int{503, 200}, delivery.Statuses)
	w.requireThat(approved, once, 1, 0)
}

func TestOneJobDoesNotHoldUpTheSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answerWith(status(ours, true, "1210", "true"))
	others := []job{{ours.userID, "job-0"}, {"user-0", ours.jobID}} // whom that answer is not about
	for i, j := range append(others, ours) {
		if j != ours {
			require.NoError(t, w.store.addJob(t.Context(), j))
		}
		_, err := w.store.keep(t.Context(), delivery{byte(i)}, j)
		require.NoError(t, err)
	}
	assert.ErrorContains(t, w.sweep(t.Context()), "another job")
	w.requireThat(approved, once, 3, 2)
}

func TestAnActionThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	fails := true
	w.act = func(ctx context.Context, tx *sql.Tx, j job, decision state) error {
		if err := writeDown(ctx, tx, j, decision); err != nil || !fails {
			return err
		}
		fails = false
		return errors.New("it fails, the first time")
	}
	delivery, err := w.standIn.Deliver(t.Context(), w.url, callback(ours, "1210"))
	require.NoError(t, err)
	assert.Equal(t, []int{503, 200}, delivery.Statuses)
	w.requireThat(approved, once, 1, 0)
}

func TestATransactionThatCannotBeCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	_, err := w.store.db.Exec(`PRAGMA foreign_keys = ON; CREATE TABLE users (id TEXT PRIMARY KEY);
		CREATE TABLE accounts (user TEXT REFERENCES users DEFERRABLE INITIALLY DEFERRED)`)
	require.NoError(t, err)
	w.act = func(ctx context.Context, tx *sql.Tx, j job, decision state) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO accounts VALUES ('nobody')`)
		assert.NoError(t, err, "it is found at the commit only")
		return err
	}
	assert.Equal(t, http.StatusServiceUnavailable, w.send(callback(ours, "1210")).StatusCode)
	w.requireThat(started, nil, 1, 1)
}

func TestATransactionKeepsOtherProcessesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := url.URL{Scheme: "file", Path: w.database}
	other, err := sql.Open("sqlite", file.String())
	require.NoError(t, err)
	defer other.Close()
	tx, err := w.store.db.Begin()
	require.NoError(t, err)
	_, err = other.Exec("BEGIN IMMEDIATE")
	assert.ErrorContains(t, err, "locked")
	require.NoError(t, tx.Rollback())
	_, err = other.Exec("BEGIN IMMEDIATE")
	assert.NoError(t, err)
}

func TestADecisionThatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	assert.Equal(t, http.StatusOK, w.send(callback(ours, "1210")).StatusCode)
	w.answerWith(status(ours, false, "0001", "true"))
	later := callback(ours, "0001")
	assert.Equal(t, http.StatusServiceUnavailable, w.send(later).StatusCode)
	w.requireThat(approved, once, 2, 1)
	assert.ErrorContains(t, w.sweep(t.Context()), "job job-1 was approved and is declined now: a person has to look")
}

func TestTheDatabaseFails(t *testing.T) {
	t.Parallel()
	for _, drop := range []string{"inbox", "jobs", "actions"} {
		w := newWorld(t)
		w.complete(ours)
		_, err := w.store.db.Exec("DROP TABLE " + drop)
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, w.send(callback(ours, "1210")).StatusCode, drop)
	}
	w := newWorld(t)
	require.NoError(t, w.store.close())
	assert.Error(t, w.sweep(t.Context()))
	_, err := openStore(filepath.Join(t.TempDir(), "no such directory", "a.db"))
	assert.Error(t, err)
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, test := range map[string]struct {
		cb   smilesigtest.Callback
		want int
	}{
		"forged pair":    {callback(ours, "1210").Forged(), http.StatusUnauthorized},
		"stale pair":     {callback(ours, "1210").Stale(), http.StatusUnauthorized},
		"names no job":   {callback(job{"user-1", ""}, "1210"), http.StatusUnprocessableEntity},
		"names no user":  {callback(job{"", "job-1"}, "1210"), http.StatusUnprocessableEntity},
		"nothing":        {smilesigtest.NewCallback(credential, []byte(`{}`)), http.StatusUnprocessableEntity},
		"not JSON":       {smilesigtest.NewWebhook(credential, []byte(`job-1`)), http.StatusUnprocessableEntity},
		"an ID too long": {callback(job{"user-1", strings.Repeat("1", longestID+1)}, "1210"), http.StatusUnprocessableEntity},
	} {
		assert.Equal(t, test.want, w.send(test.cb).StatusCode, name)
	}
	w.requireThat(started, nil, 0, 0)
	assert.Zero(t, w.asked())
}

func TestWithoutAVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.complete(ours)
	response := httptest.NewRecorder()
	w.takeCallback(response, callback(ours, "1210").Request("/"))
	assert.Equal(t, http.StatusInternalServerError, response.Code)
	w.requireThat(started, nil, 0, 0)
}

func TestFaultyConfiguration(t *testing.T) {
	t.Parallel()
	faulty := credential
	faulty.APIKey = ""
	_, err := newPartner(filepath.Join(t.TempDir(), "partner.db"), faulty, "http://127.0.0.1", writeDown)
	assert.ErrorContains(t, err, "the API key is empty")
}

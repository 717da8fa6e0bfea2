package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

func TestDuplicates(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world, version int) {
		instances := []*instance{w.start(), w.start()}
		v := w.verify(instances[0], version, "job-1", later())
		w.conclude(v, smilesigtest.Approved)
		cb := w.callback(v, smilesigtest.Approved)
		var senders sync.WaitGroup
		for i := range 20 {
			senders.Go(func() { assert.Equal(w.t, http.StatusOK, w.send(instances[i%2], v.id, cb)) })
		}
		senders.Wait()
		w.requireDecided(v, "approved")

		asked := w.asked()
		assert.Equal(w.t, http.StatusOK, w.send(instances[0], v.id, cb))
		assert.True(w.t, w.is(`SELECT NOT EXISTS (SELECT FROM river_job WHERE kind = 'resolve' AND finalized_at IS NULL)`))
		assert.Equal(w.t, asked, w.asked(), "nothing is left to ask")
	})
}

// Smile ID decides while the callbacks come.
func TestFortyCallbacks(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world, version int) {
		instances := []*instance{w.start(), w.start()}
		v := w.verify(instances[0], version, "job-1", later())
		var senders sync.WaitGroup
		for i := range 40 {
			senders.Go(func() {
				if i == 20 {
					w.conclude(v, smilesigtest.Declined)
				}
				assert.Equal(w.t, http.StatusOK, w.send(instances[i%2], v.id, w.callback(v, smilesigtest.Declined)))
			})
		}
		senders.Wait()
		w.requireDecided(v, "rejected")
	})
}

func TestProvisionalThenFinal(t *testing.T) {
	t.Parallel()
	for _, isLost := range []bool{false, true} { // the final callback
		w := newWorld(t)
		i := w.start()
		v := w.verify(i, 1, "job-1", later())
		w.conclude(v, smilesigtest.Provisional)
		assert.Equal(t, http.StatusOK, w.send(i, v.id, w.callback(v, smilesigtest.Provisional)))
		w.eventually(`SELECT metadata->>'snoozes' >= '1' FROM river_job WHERE kind = 'resolve'`)
		w.requireOpen(v)

		w.conclude(v, smilesigtest.Approved)
		if !isLost {
			w.sendFinal(i, v)
		}
		w.requireDecided(v, "approved")
	}
}

// A callback ends a snooze. Without it, this job would be asked about in an hour.
func TestACallbackEndsASnooze(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(func(s *service) { s.pace.again = time.Hour })
	v := w.verify(i, 1, "job-1", later())
	w.sendFinal(i, v)
	w.eventually(`SELECT state = 'scheduled' FROM river_job WHERE kind = 'resolve'`)
	w.conclude(v, smilesigtest.Approved)
	w.sendFinal(i, v)
	w.requireDecided(v, "approved")
}

// The callback of the final result comes while a run has read an older one.
func TestACallbackDuringARun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		older    []smilesigtest.Outcome
		decision string
	}{
		{"pending", nil, "approved"},
		{"provisional", []smilesigtest.Outcome{smilesigtest.Provisional}, "approved"},
		{"for a person", []smilesigtest.Outcome{smilesigtest.Failed}, "approved"},
		{"decided", []smilesigtest.Outcome{smilesigtest.Declined}, "rejected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, hold := newWorld(t), newHold()
			i := w.start(hold.configure)
			v := w.verify(i, 1, "job-1", later())
			for _, o := range test.older {
				w.conclude(v, o)
			}
			w.sendFinal(i, v)
			<-hold.answered
			w.conclude(v, smilesigtest.Approved)
			w.sendFinal(i, v)
			require.True(t, w.is(`SELECT count(*) = 1 AND bool_and(state = 'running') FROM river_job WHERE kind = 'resolve'`))
			hold.release <- struct{}{}
			if test.decision == "approved" {
				<-hold.answered
				w.requireOpen(v)
				hold.release <- struct{}{}
			}
			w.requireDecided(v, test.decision)
		})
	}
}

const waiting = `SELECT count(*) = $1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`

// The callback comes while a run commits what it does: the decision, or the row for a
// person together with the end of its job. It waits for that.
func TestACallbackDuringTheCommit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		first    smilesigtest.Outcome
		lock     string // keeps the run from committing
		decision string
	}{
		{smilesigtest.Declined, `LOCK TABLE people IN SHARE MODE`, "rejected"},
		{smilesigtest.Failed, `SELECT FROM river_job WHERE kind = 'resolve' FOR UPDATE`, "approved"},
	} {
		t.Run(test.first.String(), func(t *testing.T) {
			t.Parallel()
			w, hold := newWorld(t), newHold()
			i := w.start(hold.configure)
			v := w.verify(i, 1, "job-1", later())
			w.conclude(v, test.first)
			w.sendFinal(i, v)
			<-hold.answered
			lock, err := w.db.Begin(t.Context())
			require.NoError(t, err)
			defer lock.Rollback(t.Context())
			_, err = lock.Exec(t.Context(), test.lock)
			require.NoError(t, err)
			hold.release <- struct{}{}
			w.eventually(waiting, 1)
			w.requireOpen(v)
			require.True(t, w.is(`SELECT NOT EXISTS (SELECT FROM people)`))

			w.conclude(v, smilesigtest.Approved)
			var sender sync.WaitGroup
			sender.Go(func() { w.sendFinal(i, v) })
			w.eventually(waiting, 2)
			require.NoError(t, lock.Commit(t.Context()))
			sender.Wait()
			if test.decision == "approved" {
				<-hold.answered
				hold.release <- struct{}{}
			}
			w.requireDecided(v, test.decision)
		})
	}
}

// The other way round: a run gives the row to a person while a callback commits. The
// callback has found the job running, so the run has to wait and ask again.
func TestARunDuringTheCommitOfACallback(t *testing.T) {
	t.Parallel()
	w, hold := newWorld(t), newHold()
	i := w.start(hold.configure)
	v := w.verify(i, 1, "job-1", later())
	w.conclude(v, smilesigtest.Failed)
	w.sendFinal(i, v)
	<-hold.answered
	lock, err := w.db.Begin(t.Context())
	require.NoError(t, err)
	defer lock.Rollback(t.Context())
	_, err = lock.Exec(t.Context(), `SELECT FROM river_job WHERE kind = 'resolve' FOR UPDATE`)
	require.NoError(t, err)

	w.conclude(v, smilesigtest.Approved)
	var sender sync.WaitGroup
	sender.Go(func() { w.sendFinal(i, v) })
	w.eventually(waiting, 1)
	hold.release <- struct{}{}
	w.eventually(waiting, 2)
	require.NoError(t, lock.Commit(t.Context()))
	sender.Wait()
	<-hold.answered
	hold.release <- struct{}{}
	w.requireDecided(v, "approved")
}

func TestNoCallback(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world, version int) {
		i := w.start()
		due, early := w.verify(i, version, "job-1", time.Now()), w.verify(i, version, "job-2", later())
		w.conclude(early, smilesigtest.Approved)
		w.eventually(`SELECT count(*) > 0 FROM river_job WHERE args->>'id' = $1`, due.id)
		w.conclude(due, smilesigtest.Approved)
		w.requireDecided(due, "approved")
		w.requireOpen(early)
		require.False(w.t, w.is(`SELECT count(*) > 0 FROM river_job WHERE args->>'id' = $1`, early.id))
	})
}

// The program stops after Smile ID has the request, or Smile ID's answer is lost.
func TestTheAnswerToOurRequestIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	lost := func(id string, version int, deadline time.Time) verification {
		v := verification{id: id, userID: "user-1", version: version, deadline: deadline}
		require.ErrorIs(t, i.verify(t.Context(), v, func(ctx context.Context, _ string) (string, error) {
			v.smileJob = w.submit(ctx, i, v)
			w.conclude(v, smilesigtest.Approved)
			return "", http.ErrHandlerTimeout
		}), http.ErrHandlerTimeout)
		return v
	}
	w.requireDecided(lost("job-1", 1, time.Now()), "approved") // v1 needs our names only
	w.requirePerson(lost("job-2", 3, time.Now()), "Smile ID's name for the job")

	v := lost("job-3", 3, later())
	w.sendFinal(i, v)
	w.eventually(`SELECT metadata->>'snoozes' >= '1' FROM river_job WHERE args->>'id' = $1`, v.id)
	w.requireOpen(v) // verify may still be about to store the name
	_, err := w.db.Exec(t.Context(), `UPDATE verifications SET smile_job = $2 WHERE id = $1`, v.id, v.smileJob)
	require.NoError(t, err)
	w.requireDecided(v, "approved")
}

// A person has to look, and a later result still decides.
func TestPeople(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version int
		reason  string
		because func(w *world)
	}{
		{1, "no verdict", nil},
		{3, "no verdict", nil},
		{3, `review: "attention"`, func(w *world) { w.conclude(verification{smileJob: w.smileID.Jobs()[0].ID}, smilesigtest.Provisional) }},
		{1, "signature mismatch", func(w *world) { w.smileID.Answers = standin.WrongPair }},
		{1, "signature missing", func(w *world) { w.smileID.Answers = standin.NoPair }},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := w.start()
			v := w.verify(i, test.version, "job-1", later())
			w.conclude(v, smilesigtest.Failed)
			if test.because != nil {
				test.because(w)
			}
			w.sendFinal(i, v)
			w.requirePerson(v, test.reason)

			w.smileID.Answers = standin.Untampered
			w.answerBy(nil)
			w.conclude(v, smilesigtest.Approved)
			w.sendFinal(i, v)
			w.requireDecided(v, "approved")
		})
	}
}

func TestTheSweepLeavesItToThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 1, "job-1", time.Now())
	w.conclude(v, smilesigtest.Failed)
	w.requirePerson(v, "no verdict")
	w.awaitSweeps(2) // one may have begun before the row was with a person
	w.requireQuiet(v)
	asked := w.asked()
	w.awaitSweeps(2)
	w.requireQuiet(v)
	assert.Equal(t, asked, w.asked())
}

// awaitSweeps waits for the end of n more sweeps.
func (w *world) awaitSweeps(n int) {
	w.t.Helper()
	var before int
	require.NoError(w.t, w.db.QueryRow(w.t.Context(), `SELECT count(*) FROM river_job WHERE kind = 'sweep' AND state = 'completed'`).Scan(&before))
	w.eventually(`SELECT count(*) >= $1 FROM river_job WHERE kind = 'sweep' AND state = 'completed'`, before+n)
}

// Smile ID knows the name, but as a job of another user.
func TestAJobOfAnotherUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := verification{id: "job-1", userID: "user-1", version: 3, deadline: time.Now()}
	require.NoError(t, i.verify(t.Context(), v, func(ctx context.Context, _ string) (string, error) {
		other := verification{userID: "user-2", version: 3}
		other.smileJob = w.submit(ctx, i, other)
		w.conclude(other, smilesigtest.Approved)
		return other.smileJob, nil
	}))
	w.requirePerson(v, "another job or user")
}

// Whoever waited for the start of a job has gone. The name is kept.
func TestNobodyWaitsForTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := verification{id: "job-1", userID: "user-1", version: 3, deadline: time.Now()}
	ctx, leave := context.WithCancel(t.Context())
	require.NoError(t, i.verify(ctx, v, func(ctx context.Context, _ string) (string, error) {
		v.smileJob = w.submit(ctx, i, v)
		leave()
		return v.smileJob, nil
	}))
	w.conclude(v, smilesigtest.Approved)
	w.requireDecided(v, "approved")
}

// A disabled key hits every job: nobody has to look at each of them.
func TestARefusedKeyKeepsTheJobsOpen(t *testing.T) {
	t.Parallel()
	for version, status := range map[int]int{1: http.StatusBadRequest, 3: http.StatusForbidden} {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := w.start()
			v := w.verify(i, version, "job-1", later())
			w.conclude(v, smilesigtest.Approved)
			var refusals atomic.Int32
			w.answerBy(func(rw http.ResponseWriter, _ *http.Request) {
				if refusals.Add(1) == 3 {
					w.answerBy(nil)
				}
				http.Error(rw, `{"code":"2204"}`, status)
			})
			w.sendFinal(i, v)
			w.requireDecided(v, "approved")
			assert.GreaterOrEqual(t, refusals.Load(), int32(3))
		})
	}
}

// A broken connection does not bother a person.
func TestABrokenAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 1, "job-1", later())
	w.conclude(v, smilesigtest.Approved)
	w.answerBy(func(rw http.ResponseWriter, _ *http.Request) {
		w.answerBy(nil)
		connection, _, err := http.NewResponseController(rw).Hijack()
		assert.NoError(t, err)
		connection.Write([]byte("this is not HTTP\r\n\r\n"))
		connection.Close()
	})
	w.sendFinal(i, v)
	w.eventually(`SELECT cardinality(errors) = 1 FROM river_job WHERE kind = 'resolve'`)
	w.requireDecided(v, "approved")
}

func TestAPersonHasItAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 3, "job-1", time.Now())
	w.conclude(v, smilesigtest.Failed)
	w.requirePerson(v, "no verdict")
	w.conclude(v, smilesigtest.Provisional) // attention, which is final in v3
	w.sendFinal(i, v)
	w.requirePerson(v, "review")
	w.conclude(v, smilesigtest.Approved)
	_, err := w.db.Exec(t.Context(), `DELETE FROM people`)
	require.NoError(t, err)
	w.requireDecided(v, "approved")
}

func TestTheFirstDecisionStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 1, "job-1", later())
	require.NoError(t, i.decide(t.Context(), v.id, result.Rejected))
	require.NoError(t, i.decide(t.Context(), v.id, result.Approved))
	w.conclude(v, smilesigtest.Approved)
	w.sendFinal(i, v)
	w.requireDecided(v, "rejected")
}

// A person decides while a run is about to give the row to a person.
func TestAPersonIsFaster(t *testing.T) {
	t.Parallel()
	w, hold := newWorld(t), newHold()
	i := w.start(hold.configure)
	v := w.verify(i, 1, "job-1", later())
	w.conclude(v, smilesigtest.Failed)
	w.sendFinal(i, v)
	<-hold.answered
	require.NoError(t, i.decide(t.Context(), v.id, result.Rejected))
	hold.release <- struct{}{}
	w.requireDecided(v, "rejected")
}

// A row that is open long after its deadline goes to a person.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	w.requirePerson(w.verify(i, 1, "job-1", time.Now().Add(-patience-time.Minute)), "no final result")
	for status, reason := range map[int]string{http.StatusForbidden: "refused with status 403", http.StatusBadGateway: "refused with status 502"} {
		w.answerBy(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
		w.requirePerson(w.verify(i, 1, fmt.Sprint("job-", status), time.Now().Add(-patience-time.Minute)), reason)
	}
}

func TestAnActionThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fails := true
	i := w.start(func(s *service) {
		s.act = func(ctx context.Context, tx pgx.Tx, id string, decision result.Outcome) error {
			err := writeDown(ctx, tx, id, decision)
			if fails {
				fails = false
				err = errors.New("it fails, the first time")
			}
			return err
		}
	})
	v := w.verify(i, 1, "job-1", later())
	w.conclude(v, smilesigtest.Approved)
	w.sendFinal(i, v)
	w.requireDecided(v, "approved")
}

// Smile ID is down. River gives up, and the sweep does not.
func TestSmileIDIsDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]http.HandlerFunc{
		"503":       func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) },
		"429":       func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTooManyRequests) },
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half an answer": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "100")
			rw.Write([]byte(`{"job_complete":`))
		},
		"too late": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // net/http looks for the end of the connection only then
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.answerBy(down)
			i := w.start(func(s *service) { s.pace.run = 2 * time.Second })
			v := w.verify(i, 1, "job-1", time.Now().Add(3*time.Second))
			w.conclude(v, smilesigtest.Approved)
			_, err := i.queue.Insert(t.Context(), resolveArgs{ID: v.id}, &river.InsertOpts{MaxAttempts: 2})
			require.NoError(t, err)
			w.eventually(`SELECT EXISTS (SELECT FROM river_job WHERE args->>'id' = $1 AND state = 'discarded')`, v.id)
			w.requireOpen(v)
			w.answerBy(nil)
			w.requireDecided(v, "approved")
		})
	}
}

// Nobody but Smile ID gets anything into the queue.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 1, "job-1", later())
	cb := w.callback(v, smilesigtest.Approved)
	assert.Equal(t, http.StatusUnauthorized, w.send(i, v.id, cb.Forged()))
	assert.Equal(t, http.StatusUnauthorized, w.send(i, v.id, cb.Stale()))
	response, err := cb.Send(t.Context(), nil, strings.ToLower(i.urls.For(v.id)))
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.Equal(t, http.StatusServiceUnavailable, w.send(i, "job-2", cb), "our URL, but the row is lost")
	assert.True(t, w.is(`SELECT NOT EXISTS (SELECT FROM river_job WHERE kind = 'resolve')`))

	other := w.start()
	cb = w.callback(v, smilesigtest.Approved)
	assert.Equal(t, http.StatusOK, w.send(i, v.id, cb))
	assert.Equal(t, http.StatusServiceUnavailable, w.send(other, v.id, cb.WithBody([]byte(`{"ResultCode":"1013"}`))), "the instances have one guard")

	without := w.callback(v, smilesigtest.Approved)
	without.Credential.PartnerID = "85" // as v3 wants it
	assert.Equal(t, http.StatusOK, w.send(i, v.id, without))
}

// One result of Smile ID's does not decide two rows.
func TestAJobOfSmileIDsIsForOneRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start()
	v := w.verify(i, 3, "job-1", later())
	again := verification{id: "job-2", userID: v.userID, version: 3, deadline: later()}
	err := i.verify(t.Context(), again, func(context.Context, string) (string, error) { return v.smileJob, nil })
	assert.ErrorContains(t, err, "duplicate key")
	assert.ErrorContains(t, i.verify(t.Context(), v, nil), "duplicate key", "nor is a row started twice")
}

func TestTheDemonstration(t *testing.T) {
	t.Parallel()
	database := sharedPostgres(t).newDatabase(t, "template0")
	var out strings.Builder
	require.NoError(t, run(t.Context(), database, &out))
	assert.Regexp(t, `^a good job, \w+: approved\na bad job, \w+: rejected\na job whose callback is lost, \w+: approved\n$`, out.String())

	db, err := pgxpool.New(t.Context(), database)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, migrate(t.Context(), db), "it can run again")
}

package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

func TestItsLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, `callback got       job is    actions  step
[200]              open      0        job-1, v1: a provisional callback: read back, nothing final to act on
[200]              approved  1        job-1, v1: the final callback: read back, acted on
[200]              approved  1        job-1, v1: the final callback once more: done already
[422]              open      1        job-2, v3: that callback at this job's URL: it is about another job
[200]              open      1        job-2, v3: a body that says clear, forged under a genuine pair: Smile ID says no such thing
[200]              approved  2        job-2, v3: the final callback: read back, acted on
[503 503 503 503]  open      2        job-3, v1: the final callback, but the answer to our question has a wrong pair
[]                 approved  3        job-3, v1: we start again and Smile ID can be asked: the sweep finishes it
`, out.String())
}

func TestAStepThatIsNotAsExpected(t *testing.T) {
	t.Parallel()
	d, err := newDemo(t.Context())
	require.NoError(t, err)
	defer d.close()
	var out strings.Builder
	s := step{d.job1, d.concludes(d.job1, smilesigtest.Provisional), "[200]", approved, 1, "too hopeful"}
	assert.EqualError(t, s.play(t.Context(), d, &out), `too hopeful: got [200], "open", 0 actions; expected [200], "approved", 1`)
	assert.Empty(t, out.String())
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world) {
		w.conclude(smilesigtest.Approved)
		other := w.newPartner() // a second process would do the same
		urls := []string{w.urls.For(w.ours.id), other.urls.For(w.ours.id)}
		cb := w.callback(w.ours, smilesigtest.Approved)
		var senders sync.WaitGroup
		for i := range 20 {
			senders.Go(func() {
				response, err := cb.Send(w.t.Context(), nil, urls[i%2])
				if assert.NoError(w.t, err) {
					response.Body.Close()
					assert.Equal(w.t, http.StatusOK, response.StatusCode)
				}
			})
		}
		senders.Wait()
		w.requireThat(approved, approved)

		asked := w.asked("/v1/job_status") + w.asked("/v3/status/")
		assert.Equal(w.t, http.StatusOK, w.sendApproval())
		assert.Equal(w.t, asked, w.asked("/v1/job_status")+w.asked("/v3/status/"), "what is decided needs no question")
	})
}

func TestWhatDecides(t *testing.T) {
	t.Parallel()
	v1Says := func(success bool, code string, isFinal any) func(w *world) http.HandlerFunc {
		return func(w *world) http.HandlerFunc { return w.jobStatus(w.ours, success, code, isFinal) }
	}
	v1Members := func(members map[string]any) func(w *world) http.HandlerFunc {
		return func(w *world) http.HandlerFunc { return w.answering(http.StatusOK, members) }
	}
	v3Says := func(code int, status string) func(w *world) http.HandlerFunc {
		return func(w *world) http.HandlerFunc { return w.status(code, w.ours, status) }
	}
	for _, test := range []struct {
		name   string
		api    api
		answer func(w *world) http.HandlerFunc
		want   state
	}{
		{"final, approved", v1, v1Says(true, "1012", "true"), approved},
		{"final, declined", v1, v1Says(false, "1013", "true"), declined},
		{"final is not said", v1, v1Says(true, "1012", nil), approved},
		{"not complete", v1, v1Members(map[string]any{"job_complete": false, "result": "No zip uploaded"}), open},
		{"not complete, a success", v1, v1Members(map[string]any{"job_complete": false, "job_success": true}), open},
		{"says nothing", v1, v1Members(map[string]any{}), open},
		{"complete, not final", v1, v1Says(true, "1012", "false"), open},
		{"complete, not final, bool", v1, v1Says(false, "1012", false), open},
		{"final, of unclear words", v1, v1Says(true, "1012", "TRUE"), open},
		{"final, provisional code", v1, v1Says(true, "1021", "true"), open},
		{"final, no code", v1, v1Says(true, "", "true"), open},
		{"clear", v3, v3Says(200, "clear"), approved},
		{"block", v3, v3Says(200, "block"), declined},
		{"attention", v3, v3Says(200, "attention"), open},
		{"error", v3, v3Says(200, "error"), open},
		{"processing", v3, v3Says(202, "processing"), open},
		{"accepted, and clear", v3, v3Says(202, "clear"), open},
		{"no status", v3, v3Says(200, ""), open},
		{"capital letters", v3, v3Says(200, "CLEAR"), open},
	} {
		t.Run(string(test.api)+" "+test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.api)
			w.answerBy(test.answer(w))
			assert.Equal(t, http.StatusOK, w.sendApproval(), "whatever the callback says")
			if test.want != open {
				w.requireThat(test.want, test.want)
				return
			}
			w.requireThat(open)
			w.answerBy(nil)
			w.conclude(smilesigtest.Approved)
			require.NoError(t, w.sweep(t.Context()))
			w.requireThat(approved, approved)
		})
	}
}

// The first decision stands, whatever comes afterwards.
func TestDecidedOnce(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world) {
		w.conclude(smilesigtest.Declined)
		assert.Equal(w.t, http.StatusOK, w.sendApproval())
		w.conclude(smilesigtest.Approved)
		assert.Equal(w.t, http.StatusOK, w.sendApproval())
		require.NoError(w.t, w.sweep(w.t.Context()))
		require.NoError(w.t, w.decide(w.t.Context(), w.ours, approved, w.act), "asked before, answered late")
		w.requireThat(declined, declined)
	})
}

// What a callback claims must agree with its URL. It decides nothing, but in v3 it
// can tell Smile ID's name for the job, if the answer to the request was lost.
func TestClaims(t *testing.T) {
	t.Parallel()
	const known, lost = true, false
	for _, test := range []struct {
		api          api
		isKnown      bool
		header, body string // OURS is Smile ID's name for the job
		want         int
	}{
		{v1, known, "", `{"PartnerParams":{"user_id":"user-1","job_id":"job-1"}}`, 200},
		{v1, known, "", `{"ResultCode":"1012"}`, 200},
		{v1, known, "", `{"PartnerParams":{"user_id":"user-1","job_id":"job-2"}}`, 422},
		{v1, known, "", `{"PartnerParams":{"user_id":"user-2","job_id":"job-1"}}`, 422},
		{v1, known, "", `{"PartnerParams":"job-1"}`, 422},
		{v3, known, "", `{"partner_params":null}`, 200},
		{v3, known, "OURS", `{"job_id":"OURS","user_id":"user-1","partner_params":{"job_id":"OURS","user_id":"user-1"}}`, 200},
		{v3, known, "NOBODYS", `{}`, 422},
		{v3, known, "SAMEUSERS", `{"job_id":"OURS"}`, 422},
		{v3, known, "OURS", `{"job_id":"NOBODYS"}`, 422},
		{v3, known, "OURS", `{"partner_params":{"job_id":"NOBODYS"}}`, 422},
		{v3, known, "", `{"user_id":"user-2"}`, 422},
		{v3, known, "OURS", `{"partner_params":{"user_id":"user-2"}}`, 422},
		{v3, known, "", `not JSON`, 422},
		{v3, lost, "OURS", `{"partner_params":null}`, 200},
		{v3, lost, "", `{"job_id":"OURS","user_id":"user-1"}`, 200},
		{v3, lost, "", `{"partner_params":{"job_id":"OURS","user_id":"user-1"}}`, 200},
		{v3, lost, "", `{}`, 503},
		{v3, lost, "OURS", `{"job_id":"NOBODYS"}`, 422},
		{v3, lost, "NOBODYS", `{}`, 503},
		{v3, lost, "../status/OURS", `{}`, 503},
		{v3, lost, "SAMEUSERS", `{}`, 503},
		{v3, lost, "OTHERUSERS", `{}`, 503},
	} {
		w := newWorld(t, test.api)
		named := strings.NewReplacer("OURS", w.ours.smileJob, "NOBODYS", "job_01test00000000000000000002",
			"SAMEUSERS", w.startJob(job{id: "job-2", userID: "user-1", api: v3}).smileJob,
			"OTHERUSERS", w.submit(job{id: "job-3", userID: "user-2", api: v3})).Replace
		if !test.isKnown {
			_, err := w.db.Exec(`UPDATE jobs SET smile_job = '' WHERE id = 'job-1'`)
			require.NoError(t, err)
		}
		cb := w.callback(w.ours, smilesigtest.Approved).WithBody([]byte(named(test.body)))
		cb.Header = http.Header{"Job-Id": {named(test.header)}}
		assert.Equal(t, test.want, w.send(cb).StatusCode, "%v", test)
		after, err := w.job(t.Context(), "job-1")
		require.NoError(t, err)
		assert.Equal(t, test.isKnown || test.want == 200, after.smileJob == w.ours.smileJob, "%v", test)
		w.requireThat(open)
	}
	w := newWorld(t, v3)
	cb := w.callback(w.ours, smilesigtest.Approved)
	cb.Header.Set("User-ID", "user-2")
	assert.Equal(t, http.StatusUnprocessableEntity, w.send(cb).StatusCode)
}

func TestSmileIDCannotBeAsked(t *testing.T) {
	t.Parallel()
	const unsigned = `{"job_complete":true,"job_success":true,"result":{"ResultCode":"1012","PartnerParams":{"user_id":"user-1","job_id":"job-1"}}}`
	tampering := func(how standin.Tampering) func(w *world) { return func(w *world) { w.standIn.Answers = how } }
	by := func(h http.HandlerFunc) func(w *world) { return func(w *world) { w.answerBy(h) } }
	members := func(m map[string]any) func(w *world) {
		return func(w *world) { w.answerBy(w.answering(http.StatusOK, m)) }
	}
	status := func(code int, status string) func(w *world) {
		return func(w *world) { w.answerBy(w.status(code, w.ours, status)) }
	}
	about := func(other job) func(w *world) {
		return func(w *world) {
			other.smileJob = cmp.Or(other.smileJob, w.ours.smileJob)
			w.answerBy(w.jobStatus(other, true, "1012", "true"))
			if w.ours.api == v3 {
				w.answerBy(w.status(200, other, "clear"))
			}
		}
	}
	anotherJob, anotherUser := job{id: "job-2", userID: "user-1", smileJob: "job_01test00000000000000000002"}, job{id: "job-1", userID: "user-2"}
	serverError := by(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusInternalServerError) })
	noAnswer := by(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	noJSON := by(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) })
	for _, test := range []struct {
		name  string
		api   api
		spoil func(w *world)
	}{
		{"500", v1, serverError},
		{"no answer", v1, noAnswer},
		{"no JSON", v1, noJSON},
		{"about another job", v1, about(anotherJob)},
		{"about another user", v1, about(anotherUser)},
		{"wrong pair", v1, tampering(standin.WrongPair)},
		{"no pair", v1, tampering(standin.NoPair)},
		{"unkeyed hash", v1, tampering(standin.UnkeyedHash)},
		{"an approval, but an error", v1, by(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest) // such an answer is not confirmed
			w.Write([]byte(unsigned))
		})},
		{"a redirect to what is not signed", v1, by(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
				return
			}
			w.Write([]byte(unsigned))
		})},
		{"about no job", v1, members(map[string]any{"job_complete": true, "job_success": true, "result": map[string]any{"ResultCode": "1012"}})},
		{"no result", v1, members(map[string]any{"job_complete": true, "job_success": true})},
		{"a result in words", v1, members(map[string]any{"job_complete": true, "job_success": true, "result": "1012"})},
		{"complete in words", v1, members(map[string]any{"job_complete": "yes"})},
		{"500", v3, serverError},
		{"no answer", v3, noAnswer},
		{"no JSON", v3, noJSON},
		{"about another job", v3, about(anotherJob)},
		{"about another user", v3, about(anotherUser)},
		{"about no job", v3, members(map[string]any{"status": "clear"})},
		{"not found", v3, status(404, "not_found")},
		{"clear, but an error", v3, status(400, "clear")},
	} {
		t.Run(string(test.api)+" "+test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.api)
			w.conclude(smilesigtest.Approved)
			test.spoil(w)
			delivery, err := w.standIn.Deliver(t.Context(), w.urls.For("job-1"), w.callback(w.ours, smilesigtest.Approved))
			require.Error(t, err, "given up")
			assert.Equal(t, []int{503, 503, 503, 503}, delivery.Statuses)
			assert.Error(t, w.sweep(t.Context()))
			w.requireThat(open)

			w.standIn.Answers = standin.Untampered
			w.answerBy(nil)
			require.NoError(t, w.sweep(t.Context()))
			w.requireThat(approved, approved)
		})
	}
}

// No redirect takes the token or the API key along.
func TestRedirects(t *testing.T) {
	t.Parallel()
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		defer redirecting.Close()
		w := newWorld(t, v3)
		_, err := newSmileID(w.partner.signer, credential, redirecting.URL).currentToken(t.Context())
		assert.ErrorContains(t, err, fmt.Sprint("/v3/token: status ", status))

		w.answerBy(http.RedirectHandler(elsewhere.URL, status).ServeHTTP)
		assert.ErrorContains(t, w.sweep(t.Context()), fmt.Sprint("status ", status))
	}
	assert.False(t, reached)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	expiring := func(in time.Duration) string {
		payload := fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(in).Unix())
		return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
	}
	for _, test := range []struct {
		token string
		want  int // tokens for three questions
	}{
		{expiring(time.Hour), 1},
		{expiring(50 * time.Second), 3},
		{expiring(-time.Hour), 3},
		{"e30.e30.c2ln", 3}, // does not say
		{"opaque", 3},
	} {
		tokens := 0
		smileID := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v3/token" {
				tokens++
				assert.Equal(t, credential.APIKey, r.Header.Get("smileid-api-key"))
				fmt.Fprintf(rw, `{"token":%q}`, test.token)
				return
			}
			assert.Equal(t, test.token, r.Header.Get("SmileID-Token"))
			assert.Empty(t, r.Header.Get("smileid-api-key"))
			fmt.Fprint(rw, `{"status":"clear","job_id":"job_1","user_id":"user-1"}`)
		}))
		defer smileID.Close()
		s := newSmileID(newWorld(t, v1).partner.signer, credential, smileID.URL)
		for range 3 {
			answer, err := s.ask(t.Context(), job{userID: "user-1", api: v3, smileJob: "job_1"})
			require.NoError(t, err)
			assert.Equal(t, approved, answer)
		}
		assert.Equal(t, test.want, tokens, test.token)
	}
}

// A token that is refused before its end, because keys were rotated, is not kept.
func TestTokenThatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v3)
	w.conclude(smilesigtest.Approved)
	w.answerBy(func(rw http.ResponseWriter, r *http.Request) {
		w.answerBy(nil)
		rw.WriteHeader(http.StatusUnauthorized)
	})
	before := w.asked("/v3/token")
	assert.Equal(t, http.StatusServiceUnavailable, w.sendApproval())
	assert.Equal(t, http.StatusOK, w.sendApproval())
	assert.Equal(t, before+1, w.asked("/v3/token"))
	w.requireThat(approved, approved)
}

// v3 wants the partner ID without leading zeros, so a webhook may be signed for it.
func TestWebhookSignedWithoutLeadingZeros(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v3)
	w.conclude(smilesigtest.Approved)
	cb := w.callback(w.ours, smilesigtest.Approved)
	cb.Credential.PartnerID = "85"
	assert.Equal(t, http.StatusOK, w.send(cb).StatusCode)
	w.requireThat(approved, approved)
}

func TestOneJobDoesNotHoldUpTheSweep(t *testing.T) {
	t.Parallel()
	forBoth(t, func(w *world) {
		ctx := w.t.Context()
		w.conclude(smilesigtest.Approved)
		require.NoError(w.t, w.addJob(ctx, job{id: "job-0", userID: "user-0", api: v3}))
		require.NoError(w.t, w.setSmileJob(ctx, "job-0", "job_01test00000000000000000002"))
		require.NoError(w.t, w.addJob(ctx, job{id: "without a name", userID: "user-0", api: v3}))
		err := w.sweep(ctx)
		require.ErrorContains(w.t, err, "status 404")
		assert.NotContains(w.t, err.Error(), "not known", "it cannot be asked about")
		w.requireThat(approved, approved)
	})
}

func TestAnActionThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v1)
	w.conclude(smilesigtest.Approved)
	fails := true
	w.act = func(ctx context.Context, tx *sql.Tx, j job, decision state) error {
		if err := writeDown(ctx, tx, j, decision); err != nil || !fails {
			return err
		}
		fails = false
		return errors.New("it fails, the first time")
	}
	delivery, err := w.standIn.Deliver(t.Context(), w.urls.For(w.ours.id), w.callback(w.ours, smilesigtest.Approved))
	require.NoError(t, err)
	assert.Equal(t, []int{503, 200}, delivery.Statuses)
	w.requireThat(approved, approved)
}

func TestTheDatabaseFails(t *testing.T) {
	t.Parallel()
	for _, drop := range []string{"jobs", "actions"} {
		w := newWorld(t, v1)
		w.conclude(smilesigtest.Approved)
		_, err := w.db.Exec("DROP TABLE " + drop)
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, w.sendApproval(), drop)
	}
	w := newWorld(t, v1)
	require.NoError(t, w.close())
	assert.Error(t, w.sweep(t.Context()))
	_, err := openStore(filepath.Join(t.TempDir(), "no such directory", "a.db"))
	assert.Error(t, err)
}

func TestJobsAreStartedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v1)
	assert.Error(t, w.addJob(t.Context(), w.ours))
	assert.ErrorContains(t, w.setSmileJob(t.Context(), w.ours.id, "1"), "job job-1 has another name")
}

func TestURLs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v1)
	w.conclude(smilesigtest.Approved)
	cb := w.callback(w.ours, smilesigtest.Approved)
	for url, want := range map[string]int{
		w.urls.For("job-1") + "A": http.StatusNotFound,
		w.urls.For("job-1") + "?": http.StatusNotFound,
		w.urls.For("job-9"):       http.StatusServiceUnavailable, // one that we have lost
	} {
		response, err := cb.Send(t.Context(), nil, url)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, want, response.StatusCode, url)
		assert.Equal(t, want == http.StatusServiceUnavailable, response.Header.Get("Retry-After") != "")
	}
	w.requireThat(open)
}

func TestWithoutAURLOrAVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t, v1)
	w.conclude(smilesigtest.Approved)
	handler := http.HandlerFunc(w.takeCallback)
	verifier := &smilesig.Verifier{Signer: w.partner.signer}
	for _, incomplete := range []http.Handler{handler, w.urls.Handler(handler), verifier.Handler(handler)} {
		response := httptest.NewRecorder()
		incomplete.ServeHTTP(response, w.callback(w.ours, smilesigtest.Approved).Request(w.urls.For(w.ours.id)))
		assert.Equal(t, http.StatusInternalServerError, response.Code)
	}
	w.requireThat(open)
}

func TestFaultyConfiguration(t *testing.T) {
	t.Parallel()
	faulty := credential
	faulty.APIKey = ""
	_, err := newPartner(filepath.Join(t.TempDir(), "partner.db"), faulty, "http://127.0.0.1", nil, writeDown)
	assert.ErrorContains(t, err, "the API key is empty")
}

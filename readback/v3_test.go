package readback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
)

func TestStatusOfAJob(t *testing.T) {
	for status, want := range map[string]result.Outcome{
		"clear": result.Approved, "block": result.Rejected, "attention": result.Review, "error": result.NoVerdict,
	} {
		api := answering(t, http.StatusOK, v3Status(status))
		got, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		require.NoError(t, err, status)
		assert.Equal(t, want, got.Outcome, status)
		assert.Equal(t, v3Job, got.SmileJobID)
		assert.Equal(t, "user-1", got.UserID)
		issued, asked := api.tokens()
		assert.Equal(t, issued, asked)
		assert.Len(t, issued, 1)
	}
}

// Whoever starts a job chooses what is in partner_params.
func TestStatusTakesNoUserFromPartnerParams(t *testing.T) {
	for _, top := range []string{``, `"user_id":null,`, `"user_id":"user-2","user_id":"user-2",`} {
		api := answering(t, http.StatusOK, `{"status":"clear","job_id":"`+v3Job+`",`+top+`"partner_params":{"user_id":"user-1"}}`)
		got, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		require.NoError(t, err, top)
		assert.Empty(t, got.UserID, top)
	}
}

func TestStatusAsksForTheJob(t *testing.T) {
	api := &v3API{t: t, status: func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v3/status/"+v3Job, r.URL.String())
		write(w, http.StatusOK, v3Status("clear"))
	}}
	_, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
	require.NoError(t, err)
}

func TestStatusThatIsNoResult(t *testing.T) {
	const other = `"job_id":"job_02h8x9y2z3a4b5c6d7e8f9g0h1"`
	const inParams = `"partner_params":{"job_id":"` + v3Job + `"}`
	about := func(status, members string) string { return `{"status":"` + status + `",` + members + `}` }
	refused := func(status int) error { return &readback.RefusedError{Status: status} }
	unreadable := errors.New("the answer cannot be read")
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{202, v3Status("processing"), readback.ErrPending},
		{200, v3Status("processing"), readback.ErrPending},
		{202, v3Status(" Processing"), readback.ErrPending},
		{202, v3Status("accepted"), readback.ErrPending},
		{200, v3Status("accepted"), readback.ErrPending},
		{202, about("accepted", other), readback.ErrOther},
		{202, about("processing", other), readback.ErrOther},
		{202, about("processing", `"user_id":"user-1"`), readback.ErrOther},
		{202, v3Status("clear"), refused(202)},
		{404, v3Status("not_found"), readback.ErrNotFound},
		{200, v3Status("not_found"), readback.ErrNotFound},
		{404, about("not_found", `"user_id":"unknown"`), readback.ErrNotFound},
		{404, about("not_found", `"job_id":null`), readback.ErrNotFound},
		{404, about("not_found", other), readback.ErrOther},
		{404, about("not_found", other+","+other), readback.ErrOther},
		{404, `{"status":"Not Found","message":"no such route"}`, refused(404)},
		{404, `{"message":"not_found"}`, refused(404)},
		{404, `<html>not_found</html>`, refused(404)},
		{404, v3Status("clear"), refused(404)},
		{404, ``, refused(404)},
		{410, v3Status("not_found"), refused(410)},
		{500, v3Status("clear"), refused(500)},
		{200, about("clear", other), readback.ErrOther},
		{200, about("clear", `"user_id":"user-1"`), readback.ErrOther},
		{200, about("clear", `"job_id":null`), readback.ErrOther},
		{200, about("clear", `"job_id":"`+v3Job+`","job_id":"`+v3Job+`"`), readback.ErrOther},
		{200, about("clear", `"Job_ID":"`+v3Job+`"`), readback.ErrOther},
		{200, about("clear", other+","+other+","+inParams), readback.ErrOther},
		{200, about("clear", inParams), readback.ErrOther},
		{200, about("clear", `"job_id":null,`+inParams), readback.ErrOther},
		{200, about("clear", `"job_id":{},`+inParams), readback.ErrOther},
		{200, about("clear", inParams+strings.Repeat(`,"a":0`, 1_000)), readback.ErrOther},
		{200, `{"ResultCode":"0820","SmileJobID":"` + v3Job + `"}`, readback.ErrOther},
		{200, `{"ResultCode":"0820","job_id":"` + v3Job + `"}`, unreadable},
		{200, v3Status("approved"), unreadable},
		{200, v3Status("expired"), unreadable},
		{200, about("clear", `"ResultCode":"0820","job_id":"`+v3Job+`"`), unreadable},
		{200, about("clear", `"status":"clear","job_id":"`+v3Job+`"`), unreadable},
		{200, about("clear", `"job_id":"`+strings.ToUpper(v3Job)+`"`), readback.ErrOther},
		{200, `[]`, unreadable},
		{200, ``, unreadable},
		{200, v3Status("clear") + "}", unreadable},
	} {
		api := answering(t, c.status, c.body)
		got, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		require.Error(t, err, "%d %s", c.status, c.body)
		assert.Equal(t, result.Result{}, got)
		if errors.As(c.want, new(*readback.RefusedError)) || c.want == unreadable {
			assert.Contains(t, err.Error(), c.want.Error(), "%d %s", c.status, c.body)
		} else {
			assert.ErrorIs(t, err, c.want, "%d %s", c.status, c.body)
		}
		for _, sent := range []string{"user-1", "Nkechi", "html", "route"} {
			assert.NotContains(t, err.Error(), sent)
		}
	}
}

// v3 does not sign this answer. A pair that is there must be right.
func TestAForgedPairInAStatus(t *testing.T) {
	api := &v3API{t: t, status: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Response-Signature", "forged")
		w.Header().Set("Response-Timestamp", "2024-01-02T03:04:05.678Z")
		w.Header().Set("SmileID-Job-ID", "Nkechi")
		write(w, http.StatusOK, v3Status("clear"))
	}}
	_, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
	require.ErrorIs(t, err, smilesig.ErrSignature)
	assert.NotContains(t, err.Error(), "Nkechi")
}

func TestTokenAnswersThatCannotBeUsed(t *testing.T) {
	for _, body := range []string{`{}`, `{"token":""}`, `{"token":null}`, `{"token":5}`, `{"token":"a b"}`, `{"token":"a\r\nb: c"}`, `{"token":"a","token":"a"}`, `{"Token":"a"}`, `"a"`} {
		api := answering(t, http.StatusOK, v3Status("clear"))
		api.token = func(w http.ResponseWriter, r *http.Request) { write(w, http.StatusOK, body) }
		_, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		require.ErrorContains(t, err, "the answer cannot be read", body)
		_, asked := api.tokens()
		assert.Empty(t, asked)
	}
}

func TestARefusedToken(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		api := answering(t, http.StatusOK, v3Status("clear"))
		requests := 0
		api.token = func(w http.ResponseWriter, r *http.Request) {
			requests++
			write(w, status, `{"status":"Unauthorized","code":"2405"}`)
		}
		_, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		refused, ok := errors.AsType[*readback.RefusedError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, readback.RefusedError{Status: status, Code: "2405"}, *refused)
		assert.Equal(t, 1, requests)
	}
}

func TestATokenIsKeptUntilAMinuteBeforeItsEnd(t *testing.T) {
	start := time.Date(2026, 7, 20, 12, 0, 0, 0, time.UTC)
	now := start
	clock := func() time.Time { return now }
	api := answering(t, http.StatusOK, v3Status("clear"))
	api.now = clock
	reader := serve(t, api.ServeHTTP)
	reader.Now = clock
	for _, at := range []struct {
		after  time.Duration
		tokens int
	}{{0, 1}, {time.Minute, 1}, {14*time.Minute - time.Second, 1}, {14 * time.Minute, 2}, {28*time.Minute - time.Second, 2}, {time.Hour, 3}} {
		now = start.Add(at.after)
		_, err := reader.Status(t.Context(), v3Job)
		require.NoError(t, err)
		issued, _ := api.tokens()
		assert.Len(t, issued, at.tokens, at.after)
	}
}

// Such a token is used, but not kept.
func TestATokenThatDoesNotSayWhenItEnds(t *testing.T) {
	for _, token := range []string{
		"opaque", "a.b", "a.b.c.d", "a.x.c", "a.e30.c", // {}
		"a.eyJleHAiOiJzb29uIn0.c",     // {"exp":"soon"}
		"a.eyJleHAiOjFlMzAwfQ.c",      // {"exp":1e300}
		"a.eyJleHAiOjE3NjcyMjU2MDB9.", // {"exp":1767225600}, in the past
		"a.bm8ganNvbg.c",              // no json
	} {
		api := answering(t, http.StatusOK, v3Status("clear"))
		requests := 0
		api.token = func(w http.ResponseWriter, r *http.Request) {
			requests++
			write(w, http.StatusOK, `{"token":"`+token+`"}`)
		}
		reader := serve(t, api.ServeHTTP)
		for range 2 {
			_, err := reader.Status(t.Context(), v3Job)
			require.NoError(t, err, token)
		}
		assert.Equal(t, 2, requests, token)
	}
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	api := &v3API{t: t}
	api.status = func(w http.ResponseWriter, r *http.Request) {
		if issued, _ := api.tokens(); r.Header.Get("SmileID-Token") == issued[0] {
			write(w, http.StatusUnauthorized, `<html>`)
			return
		}
		write(w, http.StatusOK, v3Status("clear"))
	}
	reader := serve(t, api.ServeHTTP)
	for range 2 {
		got, err := reader.Status(t.Context(), v3Job)
		require.NoError(t, err)
		assert.Equal(t, result.Approved, got.Outcome)
	}
	issued, asked := api.tokens()
	assert.Equal(t, []string{issued[0], issued[1], issued[1]}, asked)
	assert.Len(t, issued, 2)
}

func TestAJobThatStaysRefused(t *testing.T) {
	api := answering(t, http.StatusUnauthorized, `{"status":"unauthorized","code":"2405"}`)
	_, err := serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
	require.EqualError(t, err, `readback: refused with status 401, code "2405"`)
	issued, asked := api.tokens()
	assert.Equal(t, issued, asked)
	assert.Len(t, issued, 2, "it asks once more, and no more")
}

// Many callers ask with one token. When it is refused, one of them gets another, and
// none drops that one.
func TestManyCallersShareATokenAndItsReplacement(t *testing.T) {
	const callers = 16
	var together sync.WaitGroup // all have asked with the first token
	together.Add(callers)
	api := &v3API{t: t}
	api.status = func(w http.ResponseWriter, r *http.Request) {
		issued, _ := api.tokens()
		if r.Header.Get("SmileID-Token") != issued[0] {
			write(w, http.StatusOK, v3Status("clear"))
			return
		}
		together.Done()
		together.Wait()
		write(w, http.StatusUnauthorized, `{}`)
	}
	reader := serve(t, api.ServeHTTP)
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			got, err := reader.Status(t.Context(), v3Job)
			assert.NoError(t, err)
			assert.Equal(t, result.Approved, got.Outcome)
		})
	}
	callersDone.Wait()
	issued, asked := api.tokens()
	assert.Len(t, issued, 2)
	assert.Len(t, asked, 2*callers)
}

// A caller is cancelled while it gets the token. Those who wait for it neither hang
// nor get its error.
func TestWaitersDoNotInheritACancellation(t *testing.T) {
	fetching, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	api := answering(t, http.StatusOK, v3Status("clear"))
	var first sync.Once
	api.token = func(w http.ResponseWriter, r *http.Request) {
		held := false
		first.Do(func() { held = true })
		if held {
			close(fetching)
			select {
			case <-r.Context().Done():
			case <-release:
			}
			return
		}
		write(w, http.StatusOK, fmt.Sprintf(`{"token":%q}`, api.issue(15*time.Minute)))
	}
	reader := serve(t, api.ServeHTTP)

	ctx, cancel := context.WithCancel(t.Context())
	fetcher := make(chan error, 1)
	go func() { _, err := reader.Status(ctx, v3Job); fetcher <- err }()
	<-fetching

	// A waiter leaves when its own context ends, though the fetcher goes on.
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	_, err := reader.Status(short, v3Job)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	select {
	case err := <-fetcher:
		t.Fatalf("the fetcher has returned: %v", err)
	default:
	}

	const waiters = 8
	errs := make(chan error, waiters)
	for range waiters {
		go func() { _, err := reader.Status(t.Context(), v3Job); errs <- err }()
	}
	cancel()
	require.ErrorIs(t, <-fetcher, context.Canceled)
	for range waiters {
		require.NoError(t, <-errs)
	}
	issued, _ := api.tokens()
	assert.Len(t, issued, 1, "one of the waiters got it for all")
}

// A panic of Base must not keep the turn.
func TestAPanicWhileATokenIsFetched(t *testing.T) {
	api := answering(t, http.StatusOK, v3Status("clear"))
	reader := serve(t, api.ServeHTTP)
	base := reader.Base
	reader.Base = roundTripper(func(*http.Request) (*http.Response, error) { panic("base") })
	require.Panics(t, func() { reader.Status(t.Context(), v3Job) })
	reader.Base = base
	_, err := reader.Status(t.Context(), v3Job)
	require.NoError(t, err)
}

func TestATokenIsNotKeptForAnotherPartner(t *testing.T) {
	api := answering(t, http.StatusOK, v3Status("clear"))
	var partners []string
	api.token = func(w http.ResponseWriter, r *http.Request) {
		partners = append(partners, r.Header.Get("smileid-partner-id"))
		write(w, http.StatusOK, fmt.Sprintf(`{"token":%q}`, api.issue(15*time.Minute)))
	}
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v3/token" {
			api.token(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	ask := func() {
		_, err := reader.Status(t.Context(), v3Job)
		require.NoError(t, err)
	}
	ask()
	require.NoError(t, reader.Signer.Rotate(smilesig.Credential{PartnerID: "086", APIKey: "another-made-up-key"}, credential))
	ask()
	ask()
	require.NoError(t, reader.Signer.Rotate(smilesig.Credential{PartnerID: "086", APIKey: "a-third-made-up-key"}))
	ask()
	assert.Equal(t, []string{"85", "86"}, partners, "a token outlives a key of the same partner")
	issued, asked := api.tokens()
	assert.Equal(t, []string{issued[0], issued[1], issued[1], issued[1]}, asked)
}

func TestTheTokenIsForTheCurrentCredential(t *testing.T) {
	signer := newSigner(t)
	var keys []string
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v3/token" {
			write(w, http.StatusUnauthorized, `{}`)
			return
		}
		keys = append(keys, r.Header.Get("smileid-partner-id")+" "+r.Header.Get("smileid-api-key"))
		write(w, http.StatusOK, `{"token":"a"}`)
	})
	reader.Signer = signer
	_, err := reader.Status(t.Context(), v3Job)
	require.Error(t, err)
	require.NoError(t, signer.Rotate(smilesig.Credential{PartnerID: "0086", APIKey: "another-made-up-key"}))
	_, err = reader.Status(t.Context(), v3Job)
	require.Error(t, err)
	assert.Equal(t, []string{"85 made-up-key", "85 made-up-key", "86 another-made-up-key", "86 another-made-up-key"}, keys)
}

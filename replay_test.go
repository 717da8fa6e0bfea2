package smilesig_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/guardtest"
)

func TestMemoryGuardKeepsTheContract(t *testing.T) {
	guardtest.Run(t, func(*testing.T) smilesig.ReplayGuard { return new(smilesig.MemoryGuard) })
}

func digest(n int) (d smilesig.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(n))
	return d
}

// The model is a map that is searched from end to end, with times to live in any
// order, pairs that are bound again after they have expired, and pauses in which
// everything expires.
func TestMemoryGuardIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 50
		type binding struct {
			body    smilesig.Digest
			expires time.Time
		}
		model := make(map[smilesig.Digest]binding)
		guard := &smilesig.MemoryGuard{Limit: limit}
		random := rand.New(rand.NewPCG(1, 2))
		var firsts, seens, fulls int
		for range 20_000 {
			if random.IntN(1000) == 0 {
				time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
			} else {
				time.Sleep(time.Duration(random.Int64N(int64(2 * time.Millisecond))))
			}
			now := time.Now()
			maps.DeleteFunc(model, func(_ smilesig.Digest, b binding) bool { return !now.Before(b.expires) })
			require.Equal(t, len(model), guard.Len())

			pair, body := digest(random.IntN(4*limit)), digest(random.IntN(1000))
			ttl := time.Duration(random.Int64N(int64(110 * time.Millisecond)))
			bound, seen, err := guard.Bind(t.Context(), pair, body, ttl)
			known, live := model[pair]
			switch {
			case live:
				seens++
				require.NoError(t, err)
				require.True(t, seen)
				require.Equal(t, known.body, bound)
			case len(model) == limit:
				fulls++
				require.ErrorIs(t, err, smilesig.ErrGuard)
				require.EqualError(t, err, "smilesig: replay guard failed: 50 pairs are live, the limit")
				require.False(t, seen)
				require.Zero(t, bound)
			default:
				firsts++
				require.NoError(t, err)
				require.False(t, seen)
				require.Equal(t, body, bound)
				model[pair] = binding{body, now.Add(ttl)}
			}
		}
		for _, n := range []int{firsts, seens, fulls} {
			assert.Greater(t, n, 100, "%d firsts, %d seen, %d times full", firsts, seens, fulls)
		}
	})
}

func TestMemoryGuardWithEveryPairExpiredIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &smilesig.MemoryGuard{Limit: 1000}
		assert.Zero(t, guard.Len())
		fill := func(from int) {
			for i := range guard.Limit {
				_, seen, err := guard.Bind(t.Context(), digest(from+i), digest(i), time.Minute)
				require.NoError(t, err)
				require.False(t, seen)
				require.Equal(t, i+1, guard.Len())
			}
		}
		fill(0)
		time.Sleep(time.Minute - 1)
		assert.Equal(t, 1000, guard.Len())
		time.Sleep(1)
		assert.Zero(t, guard.Len())
		fill(1000)
		time.Sleep(time.Minute)
		fill(1000) // the same pairs
	})
}

func TestMemoryGuardWithANegativeLimitHoldsNothing(t *testing.T) {
	_, _, err := (&smilesig.MemoryGuard{Limit: -1}).Bind(t.Context(), digest(1), digest(1), time.Minute)
	assert.ErrorIs(t, err, smilesig.ErrGuard)
}

func TestMemoryGuardReturnsTheContextsError(t *testing.T) {
	gaveUp := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gaveUp)
	guard := new(smilesig.MemoryGuard)
	_, _, err := guard.Bind(ctx, digest(1), digest(1), time.Minute)
	assert.Equal(t, gaveUp, err)
	_, seen, err := guard.Bind(t.Context(), digest(1), digest(1), time.Minute)
	require.NoError(t, err)
	assert.False(t, seen, "nothing was bound")
}

// BenchmarkMemoryGuard measures the memory per pair; a bind of a new pair while
// DefaultGuardLimit pairs are live and expire as fast as new ones come; and the
// first bind after a long pause.
func BenchmarkMemoryGuard(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			guard := new(smilesig.MemoryGuard)
			for i := range smilesig.DefaultGuardLimit {
				if _, _, err := guard.Bind(b.Context(), digest(i), digest(i), time.Hour); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/smilesig.DefaultGuardLimit, "B/pair")
			runtime.KeepAlive(guard)
		}
	})
	b.Run("bind", func(b *testing.B) {
		guard := &smilesig.MemoryGuard{Limit: math.MaxInt}
		for i := range smilesig.DefaultGuardLimit {
			guard.Bind(b.Context(), digest(i), digest(i), time.Duration(i)*time.Microsecond)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			guard.Bind(b.Context(), digest(-i), digest(i), 100*time.Millisecond)
		}
	})
	b.Run("bind after 200,000 have expired", func(b *testing.B) {
		const expired = 200_000
		for b.Loop() {
			b.StopTimer()
			guard := new(smilesig.MemoryGuard)
			for i := range expired {
				guard.Bind(b.Context(), digest(i), digest(i), time.Second)
			}
			time.Sleep(time.Second)
			b.StartTimer()
			guard.Bind(b.Context(), digest(expired), digest(0), time.Minute)
		}
	})
}

// ---- the guard in a Verifier ----

func TestAGuardRefusesAnotherBodyUnderThePair(t *testing.T) {
	first, other := signedBody(t, `,"ResultCode":"1012"`), signedBody(t, `,"ResultCode":"1013"`)
	header := headerPair(newSigner(t, testCredential).Sign(testTime))
	for name, send := range map[string]func(v *smilesig.Verifier, body string) (smilesig.Callback, error){
		"in the body": func(v *smilesig.Verifier, body string) (smilesig.Callback, error) {
			return v.Verify(t.Context(), nil, []byte(body))
		},
		"in the headers": func(v *smilesig.Verifier, body string) (smilesig.Callback, error) {
			return v.Verify(t.Context(), header, []byte(body))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t)
			v.Guard = new(smilesig.MemoryGuard)
			cb, err := send(v, first)
			require.NoError(t, err)
			assert.False(t, cb.SeenBefore)

			cb, err = send(v, first)
			require.NoError(t, err)
			assert.True(t, cb.SeenBefore, "a redelivery")

			cb, err = send(v, other)
			assert.ErrorIs(t, err, smilesig.ErrReplayed)
			assert.Zero(t, cb)
			assert.Equal(t, 503, smilesig.StatusCode(err))
		})
	}
}

func TestAPairIsBoundAcrossPlacementsAndTexts(t *testing.T) {
	v := newVerifier(t)
	v.Guard = new(smilesig.MemoryGuard)
	body := signedBody(t, "")
	_, err := v.Verify(t.Context(), nil, []byte(body))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), nil, []byte(strings.Replace(body, "=", `\u003d`, 1)))
	assert.ErrorIs(t, err, smilesig.ErrReplayed, "the same pair, written otherwise")
	_, err = v.Verify(t.Context(), headerPair(v.Signer.Sign(testTime)), []byte("{}"))
	assert.ErrorIs(t, err, smilesig.ErrReplayed, "the same pair, elsewhere")
	cb, err := v.Verify(t.Context(), headerPair(v.Signer.Sign(testTime)), []byte(body))
	require.NoError(t, err)
	assert.True(t, cb.SeenBefore)
}

// A spyGuard keeps what it is asked and answers with what it has.
type spyGuard struct {
	asked      atomic.Int32
	pair, body smilesig.Digest
	ttl        time.Duration
	err        error
}

func (g *spyGuard) Bind(_ context.Context, pair, body smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
	g.asked.Add(1)
	g.pair, g.body, g.ttl = pair, body, ttl
	return smilesig.Digest{}, false, g.err
}

func TestAPairIsBoundForAsLongWhateverItsAge(t *testing.T) {
	for _, tt := range []struct{ maxAge, maxSkew, age, want time.Duration }{
		{0, 0, 0, 32 * time.Minute},
		{0, 0, 15 * time.Minute, 32 * time.Minute},
		{0, 0, -time.Minute, 32 * time.Minute},
		{10 * time.Minute, 3 * time.Minute, 0, 26 * time.Minute},
		{time.Second, time.Millisecond, 0, 2*time.Second + 2*time.Minute},
		{math.MaxInt64, 0, 0, math.MaxInt64},
		{0, math.MaxInt64, 0, math.MaxInt64},
		{math.MaxInt64 / 2, 0, 0, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64, 0, math.MaxInt64},
	} {
		guard := new(spyGuard)
		v := newVerifier(t)
		v.Guard, v.MaxAge, v.MaxSkew, v.Now = guard, tt.maxAge, tt.maxSkew, at(testTime.Add(tt.age))
		_, err := v.Verify(t.Context(), nil, []byte(signedBody(t, "")))
		require.NoError(t, err)
		assert.Equal(t, tt.want, guard.ttl, tt)
	}
}

func TestTheGuardLearnsNeitherThePairNorTheBody(t *testing.T) {
	guard := new(spyGuard)
	v := newVerifier(t)
	v.Guard = guard
	pair := v.Signer.Sign(testTime)
	body := []byte("the same body")
	_, err := v.Verify(t.Context(), headerPair(pair), body)
	require.NoError(t, err)
	firstPair, firstContent := guard.pair, guard.body
	assert.NotEqual(t, smilesig.Digest(sha256.Sum256([]byte(pair.Signature))), firstPair)
	assert.NotEqual(t, smilesig.Digest(sha256.Sum256(body)), firstContent)

	_, err = v.Verify(t.Context(), headerPair(v.Signer.Sign(testTime.Add(time.Second))), body)
	require.NoError(t, err)
	assert.NotEqual(t, firstPair, guard.pair)
	assert.NotEqual(t, firstContent, guard.body, "equal bodies under two pairs")
}

func TestTheGuardIsAskedLast(t *testing.T) {
	guard := new(spyGuard)
	v := newVerifier(t)
	v.Guard, v.OnReject = guard, quiet
	stale := v.Signer.Sign(testTime.Add(-time.Hour))
	for i := range 200_000 {
		forged := smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: fmt.Sprintf("%043d=", i)}
		_, err := v.Verify(t.Context(), headerPair(forged), nil)
		require.ErrorIs(t, err, smilesig.ErrSignature)
	}
	_, err := v.Verify(t.Context(), headerPair(stale), nil)
	require.ErrorIs(t, err, smilesig.ErrStale)
	r := httptest.NewRequest("POST", "/", strings.NewReader("cut short"))
	r.Header, r.ContentLength = headerPair(v.Signer.Sign(testTime)), 1000
	r.Header.Set("Content-Length", "1000")
	w := httptest.NewRecorder()
	v.Handler(new(spyHandler)).ServeHTTP(w, r)
	require.Equal(t, 400, w.Code)
	assert.Zero(t, guard.asked.Load())
}

func TestAGuardThatFails(t *testing.T) {
	cause := errors.New("no connection")
	v := newVerifier(t)
	v.Guard = &spyGuard{err: cause}
	_, err := v.Verify(t.Context(), nil, []byte(signedBody(t, "")))
	assert.ErrorIs(t, err, smilesig.ErrGuard)
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, err, "smilesig: replay guard failed: no connection")

	v.Guard = &spyGuard{err: fmt.Errorf("an answer: %w", smilesig.ErrTooLarge)}
	_, err = v.Verify(t.Context(), nil, []byte(signedBody(t, "")))
	assert.Equal(t, 503, smilesig.StatusCode(err), "whatever the guard's own error is")

	full := &smilesig.MemoryGuard{Limit: -1}
	v.Guard = full
	_, err = v.Verify(t.Context(), nil, []byte(signedBody(t, "")))
	assert.EqualError(t, err, "smilesig: replay guard failed: 0 pairs are live, the limit")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	v.Guard = guardFunc(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	_, err = v.Verify(ctx, nil, []byte(signedBody(t, "")))
	assert.ErrorIs(t, err, smilesig.ErrGuard)
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	v.Guard = guardFunc(func(context.Context) error { panic("guard") })
	assert.PanicsWithValue(t, "guard", func() { v.Verify(t.Context(), nil, []byte(signedBody(t, ""))) })
}

type guardFunc func(context.Context) error

func (f guardFunc) Bind(ctx context.Context, _, _ smilesig.Digest, _ time.Duration) (smilesig.Digest, bool, error) {
	return smilesig.Digest{}, false, f(ctx)
}

func TestReplaysOverHTTP(t *testing.T) {
	v := newVerifier(t)
	v.Guard = new(smilesig.MemoryGuard)
	var kept []string
	v.OnReject = func(r *http.Request, err error) int {
		assert.ErrorIs(t, err, smilesig.ErrReplayed)
		body, _ := io.ReadAll(r.Body)
		kept = append(kept, string(body))
		return 0
	}
	fail := true
	var seen []bool
	server := serve(t, v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cb, _ := smilesig.FromContext(r.Context())
		seen = append(seen, cb.SeenBefore)
		if fail {
			w.WriteHeader(500)
			fail = false
		}
	})))
	first, other := signedBody(t, `,"a":1`), signedBody(t, `,"a":2`)
	assert.Equal(t, 500, post(t, server.URL, nil, strings.NewReader(first)).StatusCode)
	assert.Equal(t, 200, post(t, server.URL, nil, strings.NewReader(first)).StatusCode, "redelivered after a handler failed")
	res := post(t, server.URL, nil, strings.NewReader(other))
	assert.Equal(t, 503, res.StatusCode)
	assert.Equal(t, "30", res.Header.Get("Retry-After"))
	assert.Equal(t, []bool{false, true}, seen)
	assert.Equal(t, []string{other}, kept, "OnReject can keep what may be genuine")
}

func TestAThousandBodiesUnderOnePair(t *testing.T) {
	v := newVerifier(t)
	v.Guard, v.OnReject = new(smilesig.MemoryGuard), quiet
	var ran atomic.Int32
	handler := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Add(1) }))
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			r := httptest.NewRequest("POST", "/", strings.NewReader(signedBody(t, fmt.Sprintf(`,"n":%d`, i))))
			handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, ran.Load())
}

func TestRedeliveriesAtOnceAllRun(t *testing.T) {
	v := newVerifier(t)
	v.Guard = new(smilesig.MemoryGuard)
	body := []byte(signedBody(t, ""))
	var first, again atomic.Int32
	handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if cb, _ := smilesig.FromContext(r.Context()); cb.SeenBefore {
			again.Add(1)
		} else {
			first.Add(1)
		}
	}))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", bytes.NewReader(body)))
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, first.Load())
	assert.EqualValues(t, 99, again.Load())
}

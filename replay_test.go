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
	"slices"
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

// The model is a map that is searched from end to end, with pairs that are bound
// again after they have expired, and pauses in which everything expires. With lives
// of different lengths, the guard may be full early, and never forgets a live pair.
func TestMemoryGuardIsExact(t *testing.T) {
	const limit, longest = 50, 60 * time.Millisecond
	for name, sameLife := range map[string]bool{"one life": true, "lives of any length": false, "one life, nobody asks for Len": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type binding struct {
					content smilesig.Digest
					expires time.Time
				}
				model := make(map[smilesig.Digest]binding)
				guard := &smilesig.MemoryGuard{Limit: limit}
				random := rand.New(rand.NewPCG(1, 2))
				upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
				var firsts, seens, fulls int
				for range 8_000 {
					time.Sleep(upTo(2 * time.Millisecond))
					if random.IntN(1000) == 0 {
						time.Sleep(upTo(2 * longest))
					}
					now := time.Now()
					maps.DeleteFunc(model, func(_ smilesig.Digest, b binding) bool { return !now.Before(b.expires) })
					full := len(model) == limit
					if !strings.Contains(name, "nobody") {
						full = guard.Len() == limit
					}
					if sameLife && full {
						require.Len(t, model, limit)
					}

					pair, content, ttl := digest(random.IntN(4*limit)), digest(random.IntN(1000)), longest
					if !sameLife {
						ttl = upTo(2 * longest)
					}
					bound, seen, err := guard.Bind(t.Context(), pair, content, ttl)
					known, live := model[pair]
					switch {
					case live:
						seens++
						require.NoError(t, err)
						require.True(t, seen)
						require.Equal(t, known.content, bound)
					case full:
						fulls++
						require.ErrorIs(t, err, smilesig.ErrGuard)
						require.EqualError(t, err, "smilesig: replay guard failed: the MemoryGuard is full, with 50 pairs; set Guard to one with a larger Limit")
						require.False(t, seen)
						require.Zero(t, bound)
					default:
						firsts++
						require.NoError(t, err)
						require.False(t, seen)
						require.Equal(t, content, bound)
						model[pair] = binding{content, now.Add(ttl)}
					}
				}
				for _, n := range []int{firsts, seens, fulls} {
					assert.Greater(t, n, 100, "%d firsts, %d seen, %d times full", firsts, seens, fulls)
				}
			})
		})
	}
}

// A life of hours is kept, whatever the default is.
func TestMemoryGuardKeepsALongLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := new(smilesig.MemoryGuard)
		_, _, err := guard.Bind(t.Context(), digest(1), digest(1), 20*time.Hour)
		require.NoError(t, err)
		_, _, err = guard.Bind(t.Context(), digest(3), digest(3), time.Hour)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		_, seen, err := guard.Bind(t.Context(), digest(3), digest(4), time.Hour)
		require.NoError(t, err)
		assert.False(t, seen, "it has expired, behind a longer life")
		time.Sleep(19*time.Hour - 1)
		_, seen, err = guard.Bind(t.Context(), digest(1), digest(2), time.Minute)
		require.NoError(t, err)
		assert.True(t, seen)
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
		time.Sleep(time.Nanosecond)
		assert.Zero(t, guard.Len())
		fill(1000)
		time.Sleep(time.Minute)
		fill(1000) // the same pairs
	})
}

func TestNoGuardAdmitsEveryContent(t *testing.T) {
	for n := range 2 {
		bound, seen, err := smilesig.NoGuard.Bind(t.Context(), digest(1), digest(n), time.Minute)
		assert.NoError(t, err)
		assert.False(t, seen)
		assert.Equal(t, digest(n), bound)
	}
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
			return v.Verify(t.Context(), "/callbacks", nil, []byte(body))
		},
		"in the headers": func(v *smilesig.Verifier, body string) (smilesig.Callback, error) {
			return v.Verify(t.Context(), "/callbacks", header, []byte(body))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t)
			v.Guard = nil
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
	v.Guard = nil
	body := signedBody(t, "")
	_, err := v.Verify(t.Context(), "/callbacks", nil, []byte(body))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), "/callbacks", nil, []byte(strings.Replace(body, "=", `\u003d`, 1)))
	assert.ErrorIs(t, err, smilesig.ErrReplayed, "the same pair, written otherwise")
	_, err = v.Verify(t.Context(), "/callbacks", headerPair(v.Signer.Sign(testTime)), []byte("{}"))
	assert.ErrorIs(t, err, smilesig.ErrReplayed, "the same pair, elsewhere")
	cb, err := v.Verify(t.Context(), "/callbacks", headerPair(v.Signer.Sign(testTime)), []byte(body))
	require.NoError(t, err)
	assert.True(t, cb.SeenBefore)
}

func TestAGuardRefusesAnotherTargetUnderThePair(t *testing.T) {
	v := newVerifier(t)
	v.Guard, v.OnReject = nil, quiet
	server := serve(t, v.Handler(new(spyHandler)))
	for _, tt := range []struct {
		target string
		want   int
	}{
		{"/callbacks/one", 200},
		{"/callbacks/one", 200},
		{"/callbacks/one?ResultCode=0810", 503},
		{"/callbacks/one?", 503},
		{"/callbacks/two", 503},
		{"/callbacks/one", 200},
	} {
		assert.Equal(t, tt.want, post(t, server.URL+tt.target, nil, strings.NewReader(signedBody(t, ""))).StatusCode, tt.target)
	}
	w := deliver(v.Handler(new(spyHandler)), strings.NewReader(signedBody(t, "")), func(r *http.Request) {
		r.RequestURI, r.URL.Path = "", "/callbacks/one"
	})
	assert.Equal(t, 200, w.Code, "a request that no server has read")
	w = deliver(v.Handler(new(spyHandler)), strings.NewReader(signedBody(t, "")), func(r *http.Request) {
		r.RequestURI, r.URL.Path, r.URL.RawQuery = "", "/callbacks/one", "ResultCode=0810"
	})
	assert.Equal(t, 503, w.Code, "its query counts, too")
}

// A machine that is 15 minutes fast signs a request and accepts its pair, is then
// corrected, and is asked again until the pair is stale. A MaxSkew of 1 ms and a slow
// guard change nothing.
func TestNoSecondBodyAfterAClockIsCorrected(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			signer, store := newSigner(t, testCredential), new(smilesig.MemoryGuard)
			v := &smilesig.Verifier{Signer: signer, Guard: slowGuard{store}, MaxSkew: time.Millisecond}
			v.Now = func() time.Time { return time.Now().Add(ahead) }
			header := headerPair(signer.Sign(v.Now()))
			_, err := v.Verify(t.Context(), "/callbacks", header, []byte(`{"a":1}`))
			require.NoError(t, err)
			v.Now = nil
			for range 60 {
				_, err := v.Verify(t.Context(), "/callbacks", header, []byte(`{"a":2}`))
				require.Error(t, err)
				time.Sleep(time.Minute)
			}
		})
	}
}

type slowGuard struct{ smilesig.ReplayGuard }

func (g slowGuard) Bind(ctx context.Context, pair, body smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
	time.Sleep(100 * time.Millisecond)
	return g.ReplayGuard.Bind(ctx, pair, body, ttl)
}

func TestACallbackHeldUpInTheGuardIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, testCredential)
		v := &smilesig.Verifier{Signer: signer, Guard: guardFunc(func(context.Context) error { time.Sleep(40 * time.Minute); return nil })}
		_, err := v.Verify(t.Context(), "/callbacks", headerPair(signer.Sign(time.Now())), []byte("{}"))
		assert.ErrorIs(t, err, smilesig.ErrStale)
	})
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
		_, err := v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, "")))
		require.NoError(t, err)
		assert.Equal(t, tt.want, guard.ttl, tt)
	}
}

func TestTheGuardLearnsNeitherThePairNorTheBody(t *testing.T) {
	guard := new(spyGuard)
	v := newVerifier(t)
	v.Guard = guard
	pair := v.Signer.Sign(testTime)
	body := []byte(`{"the same":"body"}`)
	_, err := v.Verify(t.Context(), "/callbacks", headerPair(pair), body)
	require.NoError(t, err)
	firstPair, firstContent := guard.pair, guard.body
	assert.NotEqual(t, smilesig.Digest(sha256.Sum256([]byte(pair.Signature))), firstPair)
	assert.NotEqual(t, smilesig.Digest(sha256.Sum256(body)), firstContent)

	_, err = v.Verify(t.Context(), "/callbacks", headerPair(v.Signer.Sign(testTime.Add(time.Second))), body)
	require.NoError(t, err)
	assert.NotEqual(t, firstPair, guard.pair)
	assert.NotEqual(t, firstContent, guard.body, "equal bodies under two pairs")

	content := func(target, body string) smilesig.Digest {
		deliver(v.Handler(new(spyHandler)), strings.NewReader(body), func(r *http.Request) { r.Header, r.RequestURI = headerPair(pair), target })
		return guard.body
	}
	assert.NotEqual(t, content("/a", "  {}"), content("/a  ", "{}"), "the parts are kept apart")
}

func TestAGuardThatFails(t *testing.T) {
	cause := errors.New("no connection")
	v := newVerifier(t)
	v.Guard = &spyGuard{err: cause}
	_, err := v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, "")))
	assert.ErrorIs(t, err, smilesig.ErrGuard)
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, err, "smilesig: replay guard failed: no connection")

	v.Guard = &spyGuard{err: fmt.Errorf("an answer: %w", smilesig.ErrTooLarge)}
	_, err = v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, "")))
	assert.Equal(t, 503, smilesig.StatusCode(err), "whatever the guard's own error is")

	full := &smilesig.MemoryGuard{Limit: -1}
	v.Guard = full
	_, err = v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, "")))
	assert.EqualError(t, err, "smilesig: replay guard failed: the MemoryGuard is full, with 0 pairs; set Guard to one with a larger Limit")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	v.Guard = guardFunc(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	_, err = v.Verify(ctx, "/callbacks", nil, []byte(signedBody(t, "")))
	assert.ErrorIs(t, err, smilesig.ErrGuard)
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	v.Guard = guardFunc(func(context.Context) error { panic("guard") })
	assert.PanicsWithValue(t, "guard", func() { v.Verify(t.Context(), "/callbacks", nil, []byte(signedBody(t, ""))) })
}

type guardFunc func(context.Context) error

func (f guardFunc) Bind(ctx context.Context, _, _ smilesig.Digest, _ time.Duration) (smilesig.Digest, bool, error) {
	return smilesig.Digest{}, false, f(ctx)
}

func TestReplaysOverHTTP(t *testing.T) {
	v := newVerifier(t)
	v.Guard = nil
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
	v.Guard, v.OnReject = nil, quiet
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
	v.Guard = nil
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

// ---- a model: machines with wrong clocks, one store, attackers ----

// A world is what happens to pairs in one run: a few machines, whose clocks differ
// by MaxAge at most, decide about genuine deliveries and attacks.
type world struct {
	t *testing.T
	*rand.Rand
	store           smilesig.MemoryGuard
	maxAge, maxSkew time.Duration
	fastest         time.Duration // no clock is further ahead, and none MaxAge behind that
	machines        []*machine
	pairs           []smilesig.Pair
	shorten         func(ttl time.Duration, w *world, m *machine, pair smilesig.Pair) time.Duration // a bug, to see it found

	mu       sync.Mutex
	content  map[string]string          // what each signature was accepted with
	tried    map[string]map[string]bool // what it was sent with
	accepted int
	wrong    []string // what should not happen
}

type machine struct {
	signer *smilesig.Signer
	mu     sync.Mutex
	ahead  time.Duration // of the true time
}

func (m *machine) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.ahead)
}

// An attempt is one request on its way. It is its own guard, between the Verifier
// and the store.
type attempt struct {
	*world
	*machine
	pair            smilesig.Pair
	heldUp, inGuard time.Duration // before and in the guard
	failure         int           // 1 fails before, 2 after the store has bound the pair
	failed          bool
}

func (a *attempt) Bind(ctx context.Context, pair, body smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
	if a.shorten != nil {
		ttl = a.shorten(ttl, a.world, a.machine, a.pair)
	}
	time.Sleep(a.inGuard)
	if a.failure == 1 {
		a.failed = true
		return smilesig.Digest{}, false, errors.New("no connection")
	}
	bound, seen, err := a.store.Bind(ctx, pair, body, ttl)
	if time.Sleep(a.inGuard); a.failure == 2 {
		a.failed = true
		return smilesig.Digest{}, false, errors.New("the answer got lost")
	}
	return bound, seen, err
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.Int64N(int64(d) + 1)) }

// run lets n attempts happen within a few lives of a pair.
func (w *world) run(t *testing.T, n int) {
	w.t = t
	w.content, w.tried = map[string]string{}, map[string]map[string]bool{}
	w.maxAge = time.Second + w.upTo(15*time.Minute)
	w.maxSkew = time.Millisecond + w.upTo(2*time.Minute)
	w.fastest = w.upTo(w.maxAge)
	for range 2 + w.IntN(2) {
		m := &machine{signer: newSigner(t, testCredential, otherCredential)}
		m.ahead = w.fastest - w.upTo(w.maxAge)
		w.machines = append(w.machines, m)
	}
	var all sync.WaitGroup
	for range n {
		a := w.newAttempt()
		target, body := fmt.Sprint("/", w.IntN(2)), fmt.Sprintf(`{"n":%d}`, w.IntN(2))
		all.Go(func() { a.deliver(target, body) })
		if w.IntN(8) == 0 { // the clock is corrected
			m := w.machines[w.IntN(len(w.machines))]
			ahead := w.fastest - w.upTo(w.maxAge)
			m.mu.Lock()
			m.ahead = ahead
			m.mu.Unlock()
		}
		if w.IntN(16) == 0 { // the new key signs, the old one stays accepted
			require.NoError(t, w.machines[w.IntN(len(w.machines))].signer.Rotate(otherCredential, testCredential))
		}
		time.Sleep(w.upTo(w.maxAge / 8))
	}
	all.Wait()
}

// newAttempt takes a pair that was seen before, or a new one, of Smile ID or of a
// request of a machine's own.
func (w *world) newAttempt() *attempt {
	m := w.machines[w.IntN(len(w.machines))]
	switch {
	case len(w.pairs) > 0 && w.IntN(4) > 0:
	case w.IntN(2) == 0:
		w.pairs = append(w.pairs, m.signer.Sign(m.now()))
	default:
		w.pairs = append(w.pairs, m.signer.Sign(time.Now()))
	}
	a := &attempt{world: w, machine: m, pair: w.pairs[len(w.pairs)-1-w.IntN(min(3, len(w.pairs)))]}
	for _, d := range []*time.Duration{&a.heldUp, &a.inGuard} {
		if w.IntN(4) == 0 {
			*d = w.upTo(w.maxAge)
		}
	}
	if w.IntN(6) == 0 {
		a.failure = 1 + w.IntN(2)
	}
	return a
}

func (a *attempt) deliver(target, body string) {
	content := target + " " + body
	a.world.mu.Lock()
	if a.tried[a.pair.Signature] == nil {
		a.tried[a.pair.Signature] = map[string]bool{}
	}
	a.tried[a.pair.Signature][content] = true
	a.world.mu.Unlock()

	var rejected error
	var looks []time.Time
	v := &smilesig.Verifier{ // a new one each time, as after a restart
		Signer: a.signer, MaxAge: a.maxAge, MaxSkew: a.maxSkew, Guard: a,
		OnReject: func(_ *http.Request, err error) int { rejected = err; return 0 },
		Now:      func() time.Time { looks = append(looks, a.now()); return looks[len(looks)-1] },
	}
	slow := readerFunc(func([]byte) (int, error) { time.Sleep(a.heldUp); return 0, io.EOF })
	w := deliver(v.Handler(http.NotFoundHandler()), io.MultiReader(strings.NewReader(body), slow), func(r *http.Request) {
		r.Header, r.RequestURI = headerPair(a.pair), target
	})

	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	made, _ := smilesig.ParseTimestamp(a.pair.Timestamp)
	isOutside := func(now time.Time) bool { return now.Sub(made) > a.maxAge || now.Sub(made) < -a.maxSkew }
	explained := map[string]bool{
		"guard":    a.failed,
		"stale":    slices.ContainsFunc(looks, isOutside),
		"future":   slices.ContainsFunc(looks, isOutside),
		"replayed": len(a.tried[a.pair.Signature]) > 1,
	}
	switch earlier, isKnown := a.content[a.pair.Signature]; {
	case rejected != nil && !explained[smilesig.Reason(rejected)]:
		a.wrong = append(a.wrong, fmt.Sprintf("refused for no reason that shows: %v", rejected))
	case rejected != nil:
		assert.NotEqual(a.t, http.StatusNotFound, w.Code, "the handler must not run")
	case isKnown && earlier != content:
		a.wrong = append(a.wrong, fmt.Sprintf("one pair, two contents: %q and %q", earlier, content))
	default:
		a.accepted++
		a.content[a.pair.Signature] = content
	}
}

// runWorlds stops at the first world in which something goes wrong.
func runWorlds(t *testing.T, shorten func(time.Duration, *world, *machine, smilesig.Pair) time.Duration) (wrong []string, accepted int) {
	for seed := 0; seed < 100 && len(wrong) == 0; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := &world{Rand: rand.New(rand.NewPCG(uint64(seed), 0)), shorten: shorten}
			w.run(t, 80)
			wrong, accepted = append(wrong, w.wrong...), accepted+w.accepted
		})
	}
	return wrong, accepted
}

func TestModelOnePairOneContentAndNoRefusalWithoutAReason(t *testing.T) {
	wrong, accepted := runWorlds(t, nil)
	assert.Empty(t, wrong)
	assert.Greater(t, accepted, 2000)
}

func TestModelFindsBindingsThatAreTooShort(t *testing.T) {
	for name, shorten := range map[string]func(time.Duration, *world, *machine, smilesig.Pair) time.Duration{
		"until the pair is stale by the receiver's own clock": func(_ time.Duration, w *world, m *machine, pair smilesig.Pair) time.Duration {
			made, _ := smilesig.ParseTimestamp(pair.Timestamp)
			return made.Add(w.maxAge + w.maxSkew).Sub(m.now())
		},
		"one MaxAge": func(_ time.Duration, w *world, _ *machine, _ smilesig.Pair) time.Duration {
			return w.maxAge + w.maxSkew
		},
	} {
		wrong, _ := runWorlds(t, shorten)
		assert.Contains(t, strings.Join(wrong, "\n"), "one pair, two contents", name)
	}
}

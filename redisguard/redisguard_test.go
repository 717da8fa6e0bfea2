package redisguard_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/redisguard"
	"example.com/smilesig/smilesigtest/guardtest"
)

func digest() (d smilesig.Digest) {
	rand.Read(d[:])
	return d
}

func keyOf(pair smilesig.Digest) string {
	return redisguard.DefaultPrefix + hex.EncodeToString(pair[:])
}

func assertFirst(t *testing.T, guard smilesig.ReplayGuard, pair, body smilesig.Digest) {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, body, time.Minute)
	assert.NoError(t, err)
	assert.False(t, seen)
	assert.Equal(t, body, bound)
}

func assertBound(t *testing.T, guard smilesig.ReplayGuard, pair, want smilesig.Digest) {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, digest(), time.Minute)
	assert.NoError(t, err)
	assert.True(t, seen)
	assert.Equal(t, want, bound)
}

func assertFails(t *testing.T, guard smilesig.ReplayGuard, pair smilesig.Digest) error {
	t.Helper()
	bound, seen, err := guard.Bind(t.Context(), pair, digest(), time.Minute)
	assert.Error(t, err)
	assert.False(t, seen)
	assert.Zero(t, bound)
	return err
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { client.Close() })
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { ring.Close() })

	_, err := redisguard.New(nil, redisguard.Options{})
	assert.EqualError(t, err, "redisguard: no client")
	_, err = redisguard.New(ring, redisguard.Options{})
	assert.ErrorContains(t, err, "redis.Ring")
	_, err = redisguard.New(client, redisguard.Options{Timeout: -1})
	assert.EqualError(t, err, "redisguard: Timeout is negative")
}

func TestGuardKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	clients := map[string]redis.UniversalClient{
		"client":             server.client(),
		"that has deadlines": server.client(func(o *redis.Options) { o.ContextTimeoutEnabled = true }),
		"of protocol 2":      server.client(func(o *redis.Options) { o.Protocol = 2 }),
		"of a cluster":       startCluster(t),
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			guardtest.Run(t, func(t *testing.T) smilesig.ReplayGuard {
				return newGuard(t, client)
			})
		})
		t.Run(name+", by script", func(t *testing.T) {
			guardtest.Run(t, func(t *testing.T) smilesig.ReplayGuard {
				return newGuardWith(t, client, redisguard.Options{Timeout: patience, Script: true})
			})
		})
	}
}

func TestAPanicOfTheClientGoesOn(t *testing.T) {
	t.Parallel()
	guard, err := redisguard.New((*redis.Client)(nil), redisguard.Options{})
	require.NoError(t, err)
	assert.Panics(t, func() { guard.Bind(t.Context(), digest(), digest(), time.Minute) })
}

func TestAScriptAndACommandMakeTheSameBindings(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	byCommand, byScript := newGuard(t, client), newGuardWith(t, client, redisguard.Options{Timeout: patience, Script: true})
	pair, body := digest(), digest()
	assertFirst(t, byScript, pair, body)
	assertBound(t, byCommand, pair, body)
	pair = digest()
	assertFirst(t, byCommand, pair, body)
	assertBound(t, byScript, pair, body)
	require.NoError(t, client.Del(t.Context(), keyOf(pair)).Err())
	require.NoError(t, client.LPush(t.Context(), keyOf(pair), "no binding").Err())
	assertFails(t, byScript, pair)
}

func TestOneOf500BindsFromSeveralClientsWins(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	pair := digest()
	start := make(chan struct{})
	var firsts atomic.Int32
	var bounds sync.Map
	var all sync.WaitGroup
	for range 5 {
		guard := newGuard(t, server.client())
		for range 100 {
			all.Go(func() {
				body := digest()
				<-start
				bound, seen, err := guard.Bind(t.Context(), pair, body, time.Minute)
				if !assert.NoError(t, err) {
					return
				}
				if !seen {
					firsts.Add(1)
					assert.Equal(t, body, bound)
				}
				bounds.Store(bound, true)
			})
		}
	}
	close(start)
	all.Wait()
	assert.EqualValues(t, 1, firsts.Load())
	different := 0
	bounds.Range(func(any, any) bool { different++; return true })
	assert.Equal(t, 1, different, "bodies that binds returned")
}

func TestGuardsWithOnePrefixAreOneGuard(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	guard := newGuard(t, server.client())
	same := newGuard(t, server.client())
	other, err := redisguard.New(server.client(), redisguard.Options{Prefix: "other:", Timeout: patience})
	require.NoError(t, err)
	pair, body, otherBody := digest(), digest(), digest()
	assertFirst(t, guard, pair, body)
	assertBound(t, same, pair, body)
	assertFirst(t, other, pair, otherBody)
	assertBound(t, guard, pair, body)

	keys := server.client().Keys(t.Context(), "*").Val()
	assert.ElementsMatch(t, []string{keyOf(pair), "other:" + hex.EncodeToString(pair[:])}, keys)
}

// The package's documentation says so.
func TestABindingTakesAbout200Bytes(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	pair := digest()
	assertFirst(t, newGuard(t, client), pair, digest())
	assert.InDelta(t, 200, client.MemoryUsage(t.Context(), keyOf(pair)).Val(), 50)
}

func TestNoTTLMakesABindingForEver(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	guard := newGuard(t, client)
	for _, ttl := range []time.Duration{math.MinInt64, -time.Second, -1, 0, 1, time.Second, math.MaxInt64} {
		pair := digest()
		_, seen, err := guard.Bind(t.Context(), pair, digest(), ttl)
		assert.NoError(t, err)
		assert.False(t, seen)
		const forEver = -1 // and -2 is expired
		assert.NotEqualValues(t, forEver, client.PTTL(t.Context(), keyOf(pair)).Val(), "ttl %d", ttl)
	}
}

func TestSetIsAllThatTheUserNeeds(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := server.client()
	require.NoError(t, admin.ACLSetUser(t.Context(), "guard", "on", ">made-up", "~smilesig:*", "+set").Err())
	guard := newGuard(t, server.client(func(o *redis.Options) {
		o.Username, o.Password = "guard", "made-up"
	}))
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)
	assertBound(t, guard, pair, body)

	require.NoError(t, admin.ACLSetUser(t.Context(), "guard", "-set").Err())
	assert.ErrorContains(t, assertFails(t, guard, pair), "redisguard: NOPERM")

	require.NoError(t, admin.ACLSetUser(t.Context(), "scripted", "on", ">made-up", "~smilesig:*", "+set", "+get", "+evalsha", "+eval").Err())
	scripted := newGuardWith(t, server.client(func(o *redis.Options) {
		o.Username, o.Password = "scripted", "made-up"
	}), redisguard.Options{Timeout: patience, Script: true})
	assertBound(t, scripted, pair, body)
	assertFirst(t, scripted, digest(), body)
}

func TestAnythingButABindingIsAnError(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	guard := newGuard(t, client)
	for name, put := range map[string]func(key string) error{
		"list":         func(key string) error { return client.LPush(t.Context(), key, "secret").Err() },
		"empty string": func(key string) error { return client.Set(t.Context(), key, "", 0).Err() },
		"short string": func(key string) error { return client.Set(t.Context(), key, "secret", 0).Err() },
		"31 bytes":     func(key string) error { return client.Set(t.Context(), key, strings.Repeat("x", 31), 0).Err() },
		"33 bytes":     func(key string) error { return client.Set(t.Context(), key, strings.Repeat("x", 33), 0).Err() },
		"hexadecimal":  func(key string) error { return client.Set(t.Context(), key, strings.Repeat("a", 64), 0).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			pair := digest()
			require.NoError(t, put(keyOf(pair)))
			err := assertFails(t, guard, pair)
			assert.ErrorContains(t, err, "redisguard: ")
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), hex.EncodeToString(pair[:]))
			assertFails(t, guard, pair)
		})
	}
}

func TestAFullServerRefusesAndForgetsNothing(t *testing.T) {
	t.Parallel()
	client := startServer(t, "--maxmemory-policy", "noeviction").client()
	guard := newGuard(t, client)
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	assert.ErrorContains(t, assertFails(t, guard, digest()), "redisguard: OOM")
	assertFails(t, guard, pair)

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	assertBound(t, guard, pair, body)
}

func TestAReplicaRefuses(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	require.NoError(t, client.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	guard := newGuard(t, client)
	assert.ErrorContains(t, assertFails(t, guard, digest()), "redisguard: READONLY")
}

func TestAServerOutOfReachIsAnError(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	guard := newGuard(t, server.client(failingFast))
	pair := digest()
	assertFirst(t, guard, pair, digest())
	server.kill()
	var unreachable net.Error
	assert.ErrorAs(t, assertFails(t, guard, pair), &unreachable)
	server.start()
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		_, _, err := guard.Bind(t.Context(), digest(), digest(), time.Minute)
		assert.NoError(c, err)
	}, patience, 10*time.Millisecond)
}

func TestAServerThatHangsIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	for name, client := range map[string]*redis.Client{
		"client":             server.client(func(o *redis.Options) { o.ReadTimeout = time.Minute }),
		"that has deadlines": server.client(func(o *redis.Options) { o.ContextTimeoutEnabled = true }),
	} {
		t.Run(name, func(t *testing.T) {
			impatient, err := redisguard.New(client, redisguard.Options{})
			require.NoError(t, err)
			patient := newGuard(t, client)
			known, body := digest(), digest()
			assertFirst(t, patient, known, body)
			server.signal(syscall.SIGSTOP)

			late, lateBody := digest(), digest()
			_, _, err = impatient.Bind(t.Context(), late, lateBody, time.Minute)
			assert.Error(t, err)
			assertFails(t, impatient, known)

			gone := errors.New("the sender has gone")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
			_, _, err = patient.Bind(ctx, digest(), digest(), time.Minute)
			assert.ErrorIs(t, err, gone)

			server.signal(syscall.SIGCONT)
			assertBound(t, patient, known, body)
			assertFirst(t, patient, digest(), digest())

			// The late one was bound, or was not, but not to two bodies.
			other := digest()
			bound, seen, err := patient.Bind(t.Context(), late, other, time.Minute)
			assert.NoError(t, err)
			assert.Equal(t, map[bool]smilesig.Digest{false: other, true: lateBody}[seen], bound)
			assertBound(t, patient, late, bound)
		})
	}
}

func TestTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	guard, err := redisguard.New(server.client(), redisguard.Options{})
	require.NoError(t, err)
	server.signal(syscall.SIGSTOP)
	err = assertFails(t, guard, digest())
	assert.EqualError(t, err, "redisguard: no answer within 250ms: context deadline exceeded")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnEndedContextBindsNothing(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, startServer(t).client())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pair := digest()
	_, _, err := guard.Bind(ctx, pair, digest(), time.Minute)
	assert.ErrorIs(t, err, context.Canceled)
	assertFirst(t, guard, pair, digest())
}

// The package's documentation says so.
func TestALostAnswerMakesAFirstBindSeen(t *testing.T) {
	t.Parallel()
	var lost atomic.Bool
	client := startServer(t).client(func(o *redis.Options) {
		network, address := o.Network, o.Addr
		o.Dialer = func(context.Context, string, string) (net.Conn, error) {
			conn, err := net.Dial(network, address)
			return &losingConn{Conn: conn, lost: &lost}, err
		}
	})
	guard := newGuard(t, client)
	pair, body := digest(), digest()
	bound, seen, err := guard.Bind(t.Context(), pair, body, time.Minute)
	assert.NoError(t, err)
	assert.True(t, lost.Load())
	assert.True(t, seen)
	assert.Equal(t, body, bound)
	assertBound(t, guard, pair, body)
}

// A losingConn loses the first answer to a bind of all connections that share
// lost, and itself with it.
type losingConn struct {
	net.Conn
	lost    *atomic.Bool
	binding atomic.Bool
	broken  atomic.Bool
}

func (c *losingConn) Write(p []byte) (int, error) {
	c.binding.Store(strings.Contains(string(p), redisguard.DefaultPrefix))
	return c.Conn.Write(p)
}

func (c *losingConn) Read(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if c.binding.Load() && c.lost.CompareAndSwap(false, true) {
		c.broken.Store(true)
		return 0, io.EOF
	}
	return n, err
}

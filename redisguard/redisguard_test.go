package redisguard_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net"
	"os/exec"
	"runtime"
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
	const (
		noDeadlines  = "redisguard: the client needs ContextTimeoutEnabled, or Bind hangs when the server hangs"
		dialsAgain   = "redisguard: the client needs DialerRetries: 1, or a refused connection looks like a timeout"
		deadlinesOff = "redisguard: a ReadTimeout or WriteTimeout of -2 switches the client's deadlines off"
		negative     = "redisguard: Timeout is negative"
	)
	for _, c := range []struct {
		client  redis.UniversalClient
		options redisguard.Options
		want    string
	}{
		{nil, redisguard.Options{},
			"redisguard: the client is a <nil>, not a *redis.Client or a *redis.ClusterClient"},
		{redis.NewRing(&redis.RingOptions{}), redisguard.Options{Timeout: -1},
			"redisguard: the client is a *redis.Ring, not a *redis.Client or a *redis.ClusterClient\n" + negative},
		{redis.NewClient(&redis.Options{}), redisguard.Options{Timeout: -1},
			noDeadlines + "\n" + dialsAgain + "\n" + negative},
		{redis.NewClusterClient(&redis.ClusterOptions{}), redisguard.Options{},
			noDeadlines + "\n" + dialsAgain},
		{redis.NewFailoverClient(&redis.FailoverOptions{}), redisguard.Options{},
			noDeadlines + "\n" + dialsAgain},
		{redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, DialerRetries: 1, ReadTimeout: -2}), redisguard.Options{},
			deadlinesOff},
		{redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, DialerRetries: 1, WriteTimeout: -2}), redisguard.Options{},
			deadlinesOff},
	} {
		if c.client != nil {
			t.Cleanup(func() { c.client.Close() })
		}
		guard, err := redisguard.New(c.client, c.options)
		assert.EqualError(t, err, c.want)
		assert.Nil(t, guard)
	}
}

func TestGuardKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	clients := map[string]redis.UniversalClient{
		"of one server": server.client(),
		"of protocol 2": server.client(func(o *redis.Options) { o.Protocol = 2 }),
		"of a cluster":  startCluster(t, 1, false).client(t),
	}
	if _, err := exec.LookPath("valkey-server"); err == nil { // not every Debian has it
		valkey := newServer(t, durable...)
		valkey.program = "valkey-server"
		valkey.start()
		clients["of Valkey"] = valkey.client()
		assert.NoError(t, newGuard(t, valkey.client()).Check(t.Context()))
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

// A hook sees every command before it is sent, and may answer it.
type hook func(cmd redis.Cmder) (answered bool)

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h(cmd) {
			return nil
		}
		return next(ctx, cmd)
	}
}
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestNothingIsAdmittedWhenTheClientUnwinds(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bind := func(unwind func()) (returned bool, panicked any) {
		client := server.client()
		client.AddHook(hook(func(redis.Cmder) bool {
			unwind()
			return true
		}))
		guard := newGuard(t, client)
		var all sync.WaitGroup
		all.Go(func() {
			defer func() { panicked = recover() }()
			guard.Bind(t.Context(), digest(), digest(), time.Minute)
			returned = true
		})
		all.Wait()
		return returned, panicked
	}
	returned, panicked := bind(func() { panic("a hook's") })
	assert.False(t, returned)
	assert.Equal(t, "a hook's", panicked, "in the goroutine that can recover it")

	returned, panicked = bind(runtime.Goexit)
	assert.False(t, returned)
	assert.Nil(t, panicked)
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

func TestABindingLivesAsLongAsAsked(t *testing.T) {
	t.Parallel()
	client := startServer(t).client()
	const defaultLife = 32 * time.Minute // of a Verifier
	for _, ttl := range []time.Duration{defaultLife, 2*6*time.Hour + 2*time.Minute, 500 * 24 * time.Hour} {
		for _, byScript := range []bool{false, true} {
			guard := newGuardWith(t, client, redisguard.Options{Timeout: patience, Script: byScript})
			pair := digest()
			_, _, err := guard.Bind(t.Context(), pair, digest(), ttl)
			require.NoError(t, err)
			stored := client.PTTL(t.Context(), keyOf(pair)).Val()
			assert.LessOrEqual(t, stored, ttl)
			assert.Greater(t, stored, ttl-patience)
		}
	}
}

func TestAClientFromAURL(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL("unix://" + startServer(t).socket)
	require.NoError(t, err)
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	assertFirst(t, newGuard(t, client), digest(), digest())
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

func TestTheUserNeedsWhatTheDocumentationSays(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	admin := server.client()
	user := func(name string, rules ...string) *redis.Client {
		rules = append([]string{"on", ">made-up", "~smilesig:*"}, rules...)
		require.NoError(t, admin.ACLSetUser(t.Context(), name, rules...).Err())
		return server.client(func(o *redis.Options) { o.Username, o.Password = name, "made-up" })
	}
	pair, body := digest(), digest()

	guard := newGuard(t, user("guard", "+set"))
	assertFirst(t, guard, pair, body)
	assertBound(t, guard, pair, body)
	err := guard.Check(t.Context())
	assert.EqualError(t, withoutAddress(err), ""+
		"redisguard: not visible: maxmemory-policy: INFO: NOPERM this user has no permissions to run the 'info' command\n"+
		"redisguard: not visible: appendonly and appendfsync: CONFIG GET: NOPERM this user has no permissions to run the 'config|get' command")
	assert.ErrorIs(t, err, redisguard.ErrNotVisible)
	assert.NoError(t, newGuard(t, user("checking", "+set", "+info", "+config|get")).Check(t.Context()))

	scripted := newGuardWith(t, user("scripted", "+set", "+get", "+evalsha", "+eval"),
		redisguard.Options{Timeout: patience, Script: true})
	assertBound(t, scripted, pair, body)
	assertFirst(t, scripted, digest(), body)

	user("guard", "-set")
	assert.ErrorContains(t, assertFails(t, guard, pair), "redisguard: NOPERM")
	err = guard.Check(t.Context())
	assert.EqualError(t, err, "redisguard: NOPERM this user has no permissions to run the 'set' command")
	assert.NotErrorIs(t, err, redisguard.ErrNotVisible)
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

func TestTheErrorSaysWhyTheServerIsOutOfReach(t *testing.T) {
	t.Parallel()
	refusing := "127.0.0.1:" + freePort(t)
	const unknown = "redis..invalid:6379" // no name, so that no name server is asked
	client := func(address string) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true, DialerRetries: 1})
	}
	cluster := func(address string) redis.UniversalClient { return newClusterClient(t, nil, address) }
	sentinel := func(address string) redis.UniversalClient { return newSentinelClient(t, address) }
	for name, newClient := range map[string]func(string) redis.UniversalClient{
		"server": client, "cluster": cluster, "sentinel": sentinel,
	} {
		t.Run(name, func(t *testing.T) {
			for _, address := range []string{refusing, unknown} {
				client := newClient(address)
				t.Cleanup(func() { client.Close() })
				err := assertFails(t, newGuard(t, client), digest())
				assert.NotErrorIs(t, err, context.DeadlineExceeded)
				if address == refusing {
					assert.ErrorIs(t, err, syscall.ECONNREFUSED)
				} else {
					assert.ErrorAs(t, err, new(*net.DNSError))
				}
			}
		})
	}
}

func TestAServerThatHangsIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	client := server.client()
	impatient := newGuardWith(t, client, redisguard.Options{})
	patient := newGuard(t, client)
	known, body := digest(), digest()
	assertFirst(t, patient, known, body)
	server.signal(syscall.SIGSTOP)

	late, lateBody := digest(), digest()
	_, _, err := impatient.Bind(t.Context(), late, lateBody, time.Minute)
	assert.EqualError(t, err, "redisguard: no answer within 250ms: context deadline exceeded")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assertFails(t, impatient, known)

	gone := errors.New("the sender has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
	_, _, err = impatient.Bind(ctx, digest(), digest(), time.Minute)
	assert.ErrorIs(t, err, gone)
	ctx, cancelTimeout := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, gone)
	defer cancelTimeout()
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

// Package redisguard is a [smilesig.ReplayGuard] on Redis, for receivers on
// several machines and for bindings that outlive a restart.
//
// A binding is one key. One command reads and writes it: SET with NX, GET and an
// expiry. So Redis decides which of several binds is first, and any node of a
// cluster can hold any binding. The key is the prefix and the digest of the pair
// in hexadecimal. The value is the 32 bytes of the digest that the pair is bound
// to. Whoever reads key and value learns no pair and no body. One binding takes
// about 200 bytes of Redis's memory.
//
// # The server
//
// The server must be Redis 7.0 or later, or Valkey. An older server refuses NX
// together with GET: every Bind fails unless [Options.Script] is set. The tests run
// on Redis 7.0, and on Valkey where it is installed. Before you use another product
// that speaks the protocol, run package guardtest against it.
//
// A guard is as good as the memory of its server. If the server forgets a binding
// before its time, an attacker with that pair can bind it to another body. So:
//
//   - If you set maxmemory, set maxmemory-policy noeviction. A full server then
//     refuses to bind. With any other policy, it drops bindings in silence.
//   - Set appendonly yes and appendfsync always. A crash then forgets no binding
//     that Bind has returned. With appendfsync everysec, the default, a crash of
//     the machine forgets the last second or two. Without appendonly, a restart
//     forgets every binding since the last snapshot.
//   - Do not let the server's clock jump ahead: bindings expire by it.
//
// [Guard.Check] finds what is wrong with the first two.
//
// The client's user needs the ACL rules "~smilesig:*", or "~" and your own prefix,
// and +set. With a script, it also needs +get, +evalsha and +eval. With a cluster, it
// also needs +cluster|slots. For Check, it also needs +info and +config|get. Any
// other user who may write those keys can delete bindings.
//
// # Managed services
//
// A managed service may refuse CONFIG, as Amazon ElastiCache and Google Memorystore
// do, or leave fields out of INFO. Check then returns [ErrNotVisible] with the names
// of the settings. Look at them in the service's console or parameter group:
//
//   - maxmemory-policy: ElastiCache, Memorystore and Azure Cache for Redis have
//     volatile-lru by default. A full server then drops keys that have an expiry, as
//     every binding has. Set noeviction. On Upstash, leave eviction off.
//   - Persistence: without an append-only file, a restart or a failover forgets
//     bindings. Many services have none. If yours has none, use package sqlguard, or
//     accept that an attacker who has a recent pair can then send another body.
//
// # Replicas
//
// Replication is asynchronous: a master answers before its replicas know the
// binding. A failover forgets the bindings that the new master had not received.
// This package's tests stop a master by SIGKILL and by SIGSTOP, with Sentinel and
// in a cluster of three masters. Of about 1,000 bindings that were acknowledged
// just before, none to three were lost. No binding that was acknowledged after
// the failover was lost. In between, callbacks get 503: read their jobs back. In
// two cases more bindings are lost:
//
//   - A new replica gets no bindings for up to a second, although it is "online".
//     A failover in that second loses all bindings made since the replica joined.
//   - A master that hung, or that the others could not reach, goes on binding for
//     the clients that reach it. Sentinel took 10 seconds to make it a replica,
//     and all its 130,000 bindings of that time were lost. With
//     min-replicas-to-write 1 and min-replicas-max-lag 1, one binding was lost.
//     The price is that a master without replicas refuses to bind.
//
// Configure replicas like their master, because Check asks masters only.
//
// # The client
//
// The client must be a [redis.Client], with or without Sentinel, or a
// [redis.ClusterClient]. New refuses any other: if a [redis.Ring] cannot reach a
// server, it looks for that server's keys on another one. The client must have
//
//   - ContextTimeoutEnabled: the client's deadlines end a Bind when a server hangs.
//   - DialerRetries: 1: otherwise the client dials until the deadline, and an error
//     does not say that the connection was refused or the host is unknown. Each
//     command is still repeated MaxRetries times. With Sentinel, set MaxRetries to 1
//     for the same reason.
//   - no ReadTimeout or WriteTimeout of -2, because that switches deadlines off.
//
// A URL cannot set the first two. Call [redis.ParseURL] (or [redis.ParseClusterURL]
// or [redis.ParseFailoverURL]), set the two fields of what it returns, and make the
// client of that: see the example.
//
// For a cluster, set ClusterStateReloadInterval to a second or so: the client
// asks for the new masters that often. The default is a minute. During that
// minute, every callback for a dead master gets an error.
//
// If the answer to a command gets lost, the client repeats the command. The
// repetition finds the binding that the first command made, and reports it as
// seen. So SeenBefore can be true at the first delivery of a callback: it never
// means "handled".
package redisguard

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
)

// Zero fields of [Options] mean these.
const (
	DefaultPrefix  = "smilesig:"
	DefaultTimeout = 250 * time.Millisecond
)

// Options of a [Guard].
type Options struct {
	// Prefix starts every key. "" means DefaultPrefix. Guards with the same
	// server and the same prefix act as one guard. Receivers that accept the same
	// credentials need that.
	Prefix string

	// Timeout limits one Bind, repetitions included. 0 means DefaultTimeout.
	Timeout time.Duration

	// Script makes Bind use a script instead of SET, for servers before 7.0. A
	// Bind still takes one round trip, except the first one after the server has
	// started.
	Script bool
}

// A Guard is a [smilesig.ReplayGuard] on Redis. It is safe for concurrent use.
type Guard struct {
	client  redis.UniversalClient
	script  bool
	prefix  string
	timeout time.Duration
	tooLate error // the cause when timeout is over
}

var script = redis.NewScript(source)

const source = `
if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) then
	return false
end
return redis.call("GET", KEYS[1])`

// setIfAbsent sets key for milliseconds unless it is set. It returns the value that key
// had before, or redis.Nil.
func (g *Guard) setIfAbsent(ctx context.Context, key string, value []byte, milliseconds int64) (previous string, err error) {
	if !g.script {
		return g.do(ctx, "set", key, value, "px", milliseconds, "nx", "get")
	}
	previous, err = g.do(ctx, "evalsha", script.Hash(), 1, key, value, milliseconds)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return g.do(ctx, "eval", source, 1, key, value, milliseconds)
	}
	return previous, err
}

func (g *Guard) do(ctx context.Context, args ...any) (string, error) {
	cmd := redis.NewStringCmd(ctx, args...)
	// Without a step count, a ClusterClient first asks any node for one, and
	// waits for that node even after ctx has ended.
	cmd.SetStepCount(1)
	_ = g.client.Process(ctx, cmd) // cmd has the error, too
	return cmd.Result()
}

// New returns a guard on the server or cluster of client. The caller closes
// client. New does not talk to the server: [Guard.Check] does.
//
// New refuses a negative Timeout, and a client that is not as the package
// documentation says. Its error names every fault.
func New(client redis.UniversalClient, options Options) (*Guard, error) {
	if err := errors.Join(append(clientFaults(client), fault(options.Timeout < 0, "Timeout is negative"))...); err != nil {
		return nil, err
	}
	timeout := cmp.Or(options.Timeout, DefaultTimeout)
	return &Guard{
		client:  client,
		script:  options.Script,
		prefix:  cmp.Or(options.Prefix, DefaultPrefix),
		timeout: timeout,
		tooLate: fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded),
	}, nil
}

func clientFaults(client redis.UniversalClient) []error {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		return optionFaults(o.ContextTimeoutEnabled, o.DialerRetries, o.ReadTimeout, o.WriteTimeout)
	case *redis.ClusterClient:
		o := c.Options()
		return optionFaults(o.ContextTimeoutEnabled, o.DialerRetries, o.ReadTimeout, o.WriteTimeout)
	}
	return []error{fmt.Errorf("redisguard: the client is a %T, not a *redis.Client or a *redis.ClusterClient", client)}
}

func optionFaults(contextTimeoutEnabled bool, dialerRetries int, readTimeout, writeTimeout time.Duration) []error {
	return []error{
		fault(!contextTimeoutEnabled, "the client needs ContextTimeoutEnabled, or Bind hangs when the server hangs"),
		fault(dialerRetries != 1, "the client needs DialerRetries: 1, or a refused connection looks like a timeout"),
		// The client keeps -2, but not -1.
		fault(readTimeout < 0 || writeTimeout < 0, "a ReadTimeout or WriteTimeout of -2 switches the client's deadlines off"),
	}
}

func fault(found bool, text string) error {
	if found {
		return errors.New("redisguard: " + text)
	}
	return nil
}

// Bind implements [smilesig.ReplayGuard]. bound is content if seen is false. The ttl
// is rounded up to whole milliseconds, and to one at least.
//
// Bind returns after Timeout at the latest. A ctx that ends earlier may end it
// earlier: at its deadline, or while the client waits for a connection. The error
// then wraps the cause of ctx. If the server cannot be reached or refuses, the
// error wraps the client's. Bind also returns an error if the key of the pair
// holds anything but a binding. After an error, the pair may be bound to content
// already, may become bound a little later, or may stay unbound.
func (g *Guard) Bind(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (bound smilesig.Digest, seen bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.timeout, g.tooLate)
	defer cancel()
	key := g.prefix + hex.EncodeToString(pair[:])
	previous, err := g.setIfAbsent(ctx, key, content[:], wholeMilliseconds(ttl))
	switch {
	case errors.Is(err, redis.Nil): // there was nothing, and now there is content
		return content, false, nil
	case err == nil && len(previous) == len(content):
		return smilesig.Digest([]byte(previous)), true, nil
	case err == nil:
		err = fmt.Errorf("a key holds %d bytes that are no binding", len(previous))
	case errors.Is(err, ctx.Err()):
		err = context.Cause(ctx)
	}
	return smilesig.Digest{}, false, fmt.Errorf("redisguard: %w", err)
}

// wholeMilliseconds rounds up, because Redis counts in milliseconds and refuses
// 0.
func wholeMilliseconds(ttl time.Duration) int64 {
	return max(min(ttl, math.MaxInt64-time.Millisecond)+time.Millisecond-1, time.Millisecond).Milliseconds()
}

// Package redisguard is a [smilesig.ReplayGuard] on Redis, for receivers on
// several machines and for bindings that outlive a restart.
//
// A binding is one key, written and read by one command, SET with NX, GET and an
// expiry. So Redis decides which of several binds is first, and any node of a
// cluster can hold any binding. The key is the prefix and the pair's digest in
// hexadecimal, the value the 32 bytes of the body's digest. Whoever reads them
// learns no pair and no body. One binding takes about 200 bytes of Redis's memory.
//
// # What the server must be
//
// Redis 7.0 or later, or Valkey. An older server refuses NX together with GET, so
// that every Bind fails, unless [Options.Script] is set. With another product that
// speaks the protocol, run package guardtest against it first.
//
// A guard is as good as the memory of its server. What the server forgets before
// its time, an attacker with a recent pair can bind to another body:
//
//   - With a maxmemory, set maxmemory-policy noeviction. A full server then
//     refuses to bind, where any other policy drops bindings in silence.
//   - With appendonly yes and appendfsync always, a crash forgets nothing that was
//     answered. With appendfsync everysec, the default, a crash of the machine
//     forgets the last second or two; without appendonly, a restart forgets all
//     since the last snapshot.
//   - Replication is asynchronous. A failover forgets what the replica had not
//     received yet; min-replicas-to-write and min-replicas-max-lag keep that short.
//   - Bindings expire by the server's clock. Do not let it jump ahead.
//
// The user that the client logs in as needs no more than the ACL rules
// "~smilesig:* +set", with a script also +get, +evalsha and +eval. Whoever else may
// write those keys can take bindings away.
//
// # The client
//
// The client may be a [redis.Client], also one that asks Sentinel, or a
// [redis.ClusterClient]. Give it ContextTimeoutEnabled, so that a server that
// hangs does not keep connections busy for longer than the guard waits for them.
//
// The client repeats a command whose answer got lost. The repetition finds the
// binding that the lost one made and calls it seen, with the same body. A
// callback may thus come with SeenBefore at its first delivery, and for that
// reason, too, SeenBefore must not be taken for "handled".
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

// What [Options] with zero fields stand for.
const (
	DefaultPrefix  = "smilesig:"
	DefaultTimeout = 250 * time.Millisecond
)

// Options of a [Guard].
type Options struct {
	// Prefix starts every key; "" is DefaultPrefix. Guards with one server and
	// one prefix are one guard. Receivers with the same credentials need that.
	Prefix string

	// Timeout limits one Bind, repetitions included; 0 is DefaultTimeout.
	Timeout time.Duration

	// Script binds by a script instead of one SET, for servers before 7.0. Still
	// one round trip, but for the first Bind after the server has started.
	Script bool
}

// A Guard is a [smilesig.ReplayGuard] on Redis. It is safe for concurrent use.
type Guard struct {
	client  redis.UniversalClient
	prefix  string
	timeout time.Duration
	set     setIfAbsent
}

// A setIfAbsent sets key for ttl unless it is set. It returns the value that key
// had before, or redis.Nil.
type setIfAbsent func(ctx context.Context, client redis.UniversalClient, key string, value []byte, ttl time.Duration) (previous string, err error)

func setByCommand(ctx context.Context, client redis.UniversalClient, key string, value []byte, ttl time.Duration) (string, error) {
	return client.SetArgs(ctx, key, value, redis.SetArgs{Mode: "NX", Get: true, TTL: ttl}).Result()
}

var script = redis.NewScript(`
if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) then
	return false
end
return redis.call("GET", KEYS[1])`)

func setByScript(ctx context.Context, client redis.UniversalClient, key string, value []byte, ttl time.Duration) (string, error) {
	return script.Run(ctx, client, []string{key}, value, ttl.Milliseconds()).Text()
}

// New returns a guard on the server or cluster of client, which stays the
// caller's to close. It does not talk to the server yet.
//
// It refuses a nil client and a negative Timeout, and a [redis.Ring], because a
// ring that loses sight of a server looks for its keys on another one, where they
// never were.
func New(client redis.UniversalClient, options Options) (*Guard, error) {
	_, isRing := client.(*redis.Ring)
	switch {
	case client == nil:
		return nil, errors.New("redisguard: no client")
	case isRing:
		return nil, errors.New("redisguard: a redis.Ring forgets bindings when a server is out of reach")
	case options.Timeout < 0:
		return nil, errors.New("redisguard: Timeout is negative")
	}
	set := setByCommand
	if options.Script {
		set = setByScript
	}
	return &Guard{
		client:  client,
		set:     set,
		prefix:  cmp.Or(options.Prefix, DefaultPrefix),
		timeout: cmp.Or(options.Timeout, DefaultTimeout),
	}, nil
}

// Bind implements [smilesig.ReplayGuard]; bound is body if seen is false. The ttl
// is rounded up to whole milliseconds, and to one at least.
//
// It returns when ctx ends, with ctx's cause wrapped, or when the Timeout is over,
// whichever is first. It wraps the client's error if the server is out of reach or
// refuses, and returns one of its own if the pair's key holds anything but a
// binding. After an error the pair may be bound to body, now or a little later, or
// not at all. A panic of the client goes on.
func (g *Guard) Bind(ctx context.Context, pair, body smilesig.Digest, ttl time.Duration) (bound smilesig.Digest, seen bool, err error) {
	tooLate := fmt.Errorf("no answer within %v: %w", g.timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, g.timeout, tooLate)
	defer cancel()

	// The client does not stop reading when a context is canceled, and by default
	// not at a deadline either. It is left to its own timeouts.
	answered := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			a.panicked = recover()
			answered <- a
		}()
		a = g.bind(ctx, pair, body, ttl)
	}()
	select {
	case a := <-answered:
		if a.panicked != nil {
			panic(a.panicked) // where the caller can recover it
		}
		if a.err == nil || ctx.Err() == nil { // else the cause says more
			return a.bound, a.seen, a.err
		}
	case <-ctx.Done():
	}
	return smilesig.Digest{}, false, fmt.Errorf("redisguard: %w", context.Cause(ctx))
}

type answer struct {
	bound    smilesig.Digest
	seen     bool
	err      error
	panicked any
}

func (g *Guard) bind(ctx context.Context, pair, body smilesig.Digest, ttl time.Duration) answer {
	key := g.prefix + hex.EncodeToString(pair[:])
	previous, err := g.set(ctx, g.client, key, body[:], wholeMilliseconds(ttl))
	switch {
	case errors.Is(err, redis.Nil): // there was nothing, and now there is body
		return answer{bound: body}
	case err != nil:
		return answer{err: fmt.Errorf("redisguard: %w", err)}
	case len(previous) != len(body):
		return answer{err: fmt.Errorf("redisguard: a key holds %d bytes that are no binding", len(previous))}
	}
	return answer{bound: smilesig.Digest([]byte(previous)), seen: true}
}

// wholeMilliseconds rounds up, because Redis counts in milliseconds and the client
// takes 0 for no end.
func wholeMilliseconds(ttl time.Duration) time.Duration {
	const unit = time.Millisecond
	ttl = min(max(ttl, unit), math.MaxInt64-unit)
	return (ttl + unit - 1).Truncate(unit)
}

package redisguard_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/redisguard"
)

// durable are the arguments of a server that Check finds nothing wrong with.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

var address = regexp.MustCompile(`redisguard: (\S+:\d+|/\S+): `)

// withoutAddress makes one error of what Check found at any server.
func withoutAddress(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(address.ReplaceAllString(err.Error(), "redisguard: "))
}

func TestCheckFindsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	client := startServer(t, durable...).client()
	guard := newGuard(t, client)
	assert.NoError(t, guard.Check(t.Context()))

	configure := func(name, value string) { require.NoError(t, client.ConfigSet(t.Context(), name, value).Err()) }
	configure("maxmemory-policy", "allkeys-lru")
	assert.NoError(t, guard.Check(t.Context()), "there is no maxmemory")
	configure("maxmemory", "100mb")
	configure("appendfsync", "everysec")
	assert.EqualError(t, withoutAddress(guard.Check(t.Context())), ""+
		`redisguard: with maxmemory-policy "allkeys-lru" a full server drops bindings; set it to noeviction`+"\n"+
		`redisguard: with appendfsync "everysec" a crash forgets the last bindings; set it to always`)
	configure("maxmemory-policy", "noeviction")
	configure("appendonly", "no")
	assert.EqualError(t, withoutAddress(guard.Check(t.Context())),
		`redisguard: with appendonly "no" a restart forgets bindings; set it to yes`)
}

func TestCheckMakesABind(t *testing.T) {
	t.Parallel()
	client := startServer(t, durable...).client()
	require.NoError(t, client.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	assert.ErrorContains(t, newGuard(t, client).Check(t.Context()), "redisguard: READONLY")
}

func TestCheckOfAServerOutOfReach(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	guard := newGuardWith(t, server.client(), redisguard.Options{})
	server.signal(syscall.SIGSTOP)
	assert.EqualError(t, guard.Check(t.Context()), "redisguard: no answer within 250ms: context deadline exceeded")
	server.kill()
	assert.ErrorIs(t, guard.Check(t.Context()), syscall.ECONNREFUSED)
}

// An oldServer is a hook that makes INFO name an old version.
type oldServer struct{}

func (oldServer) DialHook(next redis.DialHook) redis.DialHook { return next }
func (oldServer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if info, ok := cmd.(*redis.InfoCmd); ok {
			info.Val()["Server"]["redis_version"] = "6.2.14"
		}
		return err
	}
}
func (oldServer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestCheckOfAnOldServer(t *testing.T) {
	t.Parallel()
	client := startServer(t, durable...).client()
	client.AddHook(oldServer{})
	assert.EqualError(t, withoutAddress(newGuard(t, client).Check(t.Context())),
		`redisguard: version "6.2.14" refuses SET with NX and GET; set Options.Script`)
	assert.NoError(t, newGuardWith(t, client, redisguard.Options{Timeout: patience, Script: true}).Check(t.Context()))
}

func TestCheckCatchesEviction(t *testing.T) {
	t.Parallel()
	client := startServer(t, append(durable, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "3mb")...).client()
	guard := newGuard(t, client)
	pair, body := digest(), digest()
	assertFirst(t, guard, pair, body)
	for range 100 {
		require.NoError(t, client.Set(t.Context(), keyOf(digest()), strings.Repeat("x", 100_000), 0).Err())
	}
	assertFirst(t, guard, pair, digest()) // the server has forgotten the first body
	assert.ErrorContains(t, guard.Check(t.Context()), `maxmemory-policy "allkeys-lru"`)
}

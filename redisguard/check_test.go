package redisguard_test

import (
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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
	await(t, func() bool { return client.DBSize(t.Context()).Val() == 0 }) // what Check binds ends at once

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

// infoHook answers INFO.
func infoHook(text string) hook {
	return func(cmd redis.Cmder) (answered bool) {
		if cmd.Name() != "info" {
			return false
		}
		cmd.(*redis.StringCmd).SetVal(text)
		return true
	}
}

func TestCheckReadsWhatInfoHas(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	const (
		hidden  = "redisguard: not visible: maxmemory-policy: not in INFO"
		evicts  = `redisguard: with maxmemory-policy "volatile-lru" a full server drops bindings; set it to noeviction`
		replica = `redisguard: a replica: its master does not know its bindings`
	)
	for info, want := range map[string]string{
		"": hidden,
		"redis_version:7.4.0\r\nmaxmemory:100\r\n":                                  hidden,
		"# Memory\r\nmaxmemory_policy:volatile-lru\r\n":                             hidden,
		"# Memory\r\nmaxmemory_policy:noeviction\r\n":                               "",
		"# Memory\r\nother_maxmemory:1\r\nmaxmemory:0\r\n":                          "",
		"# Memory\r\nmaxmemory:0\r\n":                                               "",
		"maxmemory:100\r\nmaxmemory_policy:volatile-lru\r\n":                        evicts,
		"# Server\nredis_version:10.0.1\n# Memory\nmaxmemory:0\n":                   "",
		"# Server\r\nredis_version:unknown\r\n# Memory\r\nmaxmemory:0\r\n":          "",
		"# Server\r\nredis_version:6.2.14\r\n# Memory\r\nmaxmemory:0\r\n":           "", // because it has bound a pair
		"# Replication\r\nrole:slave\r\n# Memory\r\nmaxmemory:0\r\n":                replica,
		"role:slave\r\nmaxmemory:1\r\nmaxmemory_policy:volatile-lru\r\nend:yes\r\n": replica + "\n" + evicts,
	} {
		client := server.client()
		client.AddHook(infoHook(info))
		err := newGuard(t, client).Check(t.Context())
		if want == "" {
			assert.NoError(t, err, info)
			continue
		}
		assert.EqualError(t, withoutAddress(err), want, info)
		assert.Equal(t, want == hidden, errors.Is(err, redisguard.ErrNotVisible), info)
	}
}

func TestCheckNamesAnOldVersionThatCannotBind(t *testing.T) {
	t.Parallel()
	const old = "redisguard: version \"6.2.14\" refuses SET with NX and GET; set Options.Script"
	client := startServer(t, append(durable, "--rename-command", "SET", "")...).client()
	client.AddHook(infoHook("redis_version:6.2.14\r\nmaxmemory:0\r\n"))
	assert.ErrorContains(t, withoutAddress(newGuard(t, client).Check(t.Context())), "unknown command")
	assert.ErrorContains(t, withoutAddress(newGuard(t, client).Check(t.Context())), "\n"+old)
	err := newGuardWith(t, client, redisguard.Options{Timeout: patience, Script: true}).Check(t.Context())
	assert.NotContains(t, withoutAddress(err).Error(), old)
}

// A plain client reaches some keys of a cluster, so Check could pass by chance.
func TestCheckOfANodeOfACluster(t *testing.T) {
	t.Parallel()
	client := startServer(t, append(durable, "--cluster-enabled", "yes")...).client()
	require.NoError(t, client.ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	guard := newGuard(t, client)
	await(t, func() bool { _, _, err := guard.Bind(t.Context(), digest(), digest(), time.Minute); return err == nil })
	assert.EqualError(t, withoutAddress(guard.Check(t.Context())), "redisguard: a node of a cluster; use a redis.ClusterClient")
}

func TestCheckReadsWhatConfigHas(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const hidden = `redisguard: not visible: appendonly and appendfsync: not in CONFIG GET`
	for _, c := range []struct {
		config map[string]string
		want   string
	}{
		{nil, hidden},
		{map[string]string{"appendonly": "yes"}, hidden},
		{map[string]string{"appendfsync": "always"}, hidden},
		{map[string]string{"appendonly": "no"}, `redisguard: with appendonly "no" a restart forgets bindings; set it to yes`},
	} {
		client := server.client()
		client.AddHook(hook(func(cmd redis.Cmder) (answered bool) {
			config, ok := cmd.(*redis.MapStringStringCmd)
			if ok {
				config.SetVal(c.config)
			}
			return ok
		}))
		err := newGuard(t, client).Check(t.Context())
		assert.EqualError(t, withoutAddress(err), c.want)
		assert.Equal(t, c.want == hidden, errors.Is(err, redisguard.ErrNotVisible))
	}
}

// Managed services hide CONFIG.
func TestCheckOfAServerWithoutConfig(t *testing.T) {
	t.Parallel()
	client := startServer(t, "--rename-command", "CONFIG", "").client()
	guard := newGuard(t, client)
	err := guard.Check(t.Context())
	assert.ErrorIs(t, err, redisguard.ErrNotVisible)
	assert.ErrorContains(t, withoutAddress(err), `redisguard: not visible: appendonly and appendfsync: CONFIG GET: ERR unknown command`)
	assertFirst(t, guard, digest(), digest())

	client = startServer(t, "--rename-command", "CONFIG", "", "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru").client()
	err = newGuard(t, client).Check(t.Context())
	assert.NotErrorIs(t, err, redisguard.ErrNotVisible)
	assert.EqualError(t, withoutAddress(err), `redisguard: with maxmemory-policy "volatile-lru" a full server drops bindings; set it to noeviction`)
}

func TestAServerThatDiesDuringCheckIsAFinding(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	client := server.client(failingFast)
	client.AddHook(hook(func(cmd redis.Cmder) bool {
		if cmd.Name() == "info" {
			server.kill()
		}
		return false
	}))
	err := newGuard(t, client).Check(t.Context())
	assert.ErrorContains(t, withoutAddress(err), "redisguard: INFO: ")
	assert.ErrorContains(t, withoutAddress(err), "redisguard: CONFIG GET: ")
	assert.NotErrorIs(t, err, redisguard.ErrNotVisible)
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

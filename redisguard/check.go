package redisguard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
)

// Check reports what is wrong with the server, or with each master of the cluster.
// Call it when the program starts, and log the error or stop. It joins all findings
// (see [errors.Join]):
//
//   - A Bind fails. Check binds a random pair for a millisecond.
//   - The server is older than Redis 7.0, and Options.Script is not set.
//   - maxmemory is set, and maxmemory-policy is not noeviction.
//   - appendonly is not yes, or appendfsync is not always.
//   - The user may not call INFO or CONFIG GET, so Check cannot see the settings.
//
// If that Bind does not reach its server, this is the only finding. Check does
// not ask replicas. Each server has Timeout to answer.
func (g *Guard) Check(ctx context.Context) error {
	var pair smilesig.Digest
	rand.Read(pair[:])
	_, _, err := g.Bind(ctx, pair, pair, time.Millisecond)
	if isReply := errors.As(err, new(redis.Error)); err != nil && !isReply {
		return err
	}
	return errors.Join(err, g.checkMasters(ctx))
}

func (g *Guard) checkMasters(ctx context.Context) error {
	cluster, isCluster := g.client.(*redis.ClusterClient)
	if !isCluster {
		return g.checkServer(ctx, g.client.(*redis.Client))
	}
	// ForEachMaster returns one error only.
	var mu sync.Mutex
	var findings []error
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		finding := g.checkServer(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		findings = append(findings, finding)
		return nil
	})
	return errors.Join(append(findings, err)...)
}

func (g *Guard) checkServer(ctx context.Context, server *redis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	findings := append(g.checkInfo(ctx, server), checkPersistence(ctx, server)...)
	for i, finding := range findings {
		findings[i] = fmt.Errorf("redisguard: %s: %w", server.Options().Addr, finding)
	}
	return errors.Join(findings...)
}

func (g *Guard) checkInfo(ctx context.Context, server *redis.Client) (findings []error) {
	info, err := server.InfoMap(ctx).Result()
	if err != nil {
		return []error{fmt.Errorf("INFO: %w", err)}
	}
	if version := info["Server"]["redis_version"]; !g.script && major(version) < 7 {
		findings = append(findings, fmt.Errorf("version %q refuses SET with NX and GET; set Options.Script", version))
	}
	if limit, policy := info["Memory"]["maxmemory"], info["Memory"]["maxmemory_policy"]; limit != "0" && policy != "noeviction" {
		findings = append(findings, fmt.Errorf("with maxmemory-policy %q a full server drops bindings; set it to noeviction", policy))
	}
	return findings
}

func checkPersistence(ctx context.Context, server *redis.Client) (findings []error) {
	config, err := server.ConfigGet(ctx, "append*").Result()
	switch only, fsync := config["appendonly"], config["appendfsync"]; {
	case err != nil:
		return []error{fmt.Errorf("CONFIG GET: %w", err)}
	case only != "yes":
		return []error{fmt.Errorf("with appendonly %q a restart forgets bindings; set it to yes", only)}
	case fsync != "always":
		return []error{fmt.Errorf("with appendfsync %q a crash forgets the last bindings; set it to always", fsync)}
	}
	return nil
}

// major returns the major version, or 0 if version is not a version.
func major(version string) int {
	n, _, _ := strings.Cut(version, ".")
	m, _ := strconv.Atoi(n)
	return m
}

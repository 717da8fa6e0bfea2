package redisguard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
)

// ErrNotVisible is what [Guard.Check] returns if it found nothing wrong, but a
// server hides a setting that counts. The text names the setting. Look at it where
// the server is configured.
var ErrNotVisible = errors.New("not visible")

// Check reports what is wrong with the server, or with each master of the cluster.
// Call it when the program starts. It joins all findings (see [errors.Join]):
//
//   - A Bind fails. Check binds a random pair for a millisecond.
//   - The server is a replica: its master does not know the bindings.
//   - The server is a node of a cluster, and the client is no [redis.ClusterClient].
//     A single node may have all keys today, until a failover moves them.
//   - The server is older than Redis 7.0, and Options.Script is not set. A single
//     server that has bound the pair may have any version.
//   - maxmemory is set, and maxmemory-policy is not noeviction.
//   - appendonly is not yes, or appendfsync is not always.
//
// A server hides a setting if it refuses INFO or CONFIG GET, or leaves the setting
// out. Check then returns an error that wraps [ErrNotVisible], unless it has a finding
// to report. So a program can log ErrNotVisible and stop at every other error.
//
// If that Bind does not reach its server, this is the only finding. Check does
// not ask replicas. Each server has Timeout to answer.
func (g *Guard) Check(ctx context.Context) error {
	var pair smilesig.Digest
	rand.Read(pair[:])
	_, _, err := g.Bind(ctx, pair, pair, time.Millisecond)
	if err != nil && !errors.As(err, new(redis.Error)) {
		return err
	}
	findings := append([]error{err}, g.checkMasters(ctx, err == nil)...)
	faults := slices.DeleteFunc(slices.Clone(findings), func(finding error) bool { return errors.Is(finding, ErrNotVisible) })
	if err := errors.Join(faults...); err != nil {
		return err
	}
	return errors.Join(findings...)
}

// checkMasters takes whether the Bind of Check has worked. Of a single server, this
// proves that its version is right.
func (g *Guard) checkMasters(ctx context.Context, hasBound bool) (findings []error) {
	cluster, isCluster := g.client.(*redis.ClusterClient)
	if !isCluster {
		return g.checkServer(ctx, g.client.(*redis.Client), hasBound)
	}
	// ForEachMaster returns one error only.
	var mu sync.Mutex
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		some := g.checkServer(ctx, master, false)
		mu.Lock()
		defer mu.Unlock()
		findings = append(findings, some...)
		return nil
	})
	return append(findings, err)
}

func (g *Guard) checkServer(ctx context.Context, server *redis.Client, hasBound bool) []error {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	info, err := server.Info(ctx).Result() // not InfoMap, which panics at a field before the first section
	findings := append(g.checkInfo(info, err, hasBound), checkPersistence(ctx, server)...)
	for i, finding := range findings {
		findings[i] = fmt.Errorf("redisguard: %s: %w", server.Options().Addr, finding)
	}
	return findings
}

func (g *Guard) checkInfo(info string, err error, hasBound bool) (findings []error) {
	if field(info, "role") == "slave" {
		findings = append(findings, errors.New("a replica: its master does not know its bindings"))
	}
	if _, isSingle := g.client.(*redis.Client); isSingle && field(info, "cluster_enabled") == "1" {
		findings = append(findings, errors.New("a node of a cluster; use a redis.ClusterClient"))
	}
	limit, policy, version := field(info, "maxmemory"), field(info, "maxmemory_policy"), field(info, "redis_version")
	switch {
	case limit == "0", policy == "noeviction":
	case limit == "", policy == "":
		findings = append(findings, notShown("maxmemory-policy", "INFO", err))
	default:
		findings = append(findings, fmt.Errorf("with maxmemory-policy %q a full server drops bindings; set it to noeviction", policy))
	}
	var major int
	if n, _ := fmt.Sscanf(version, "%d.", &major); n == 1 && major < 7 && !g.script && !hasBound {
		findings = append(findings, fmt.Errorf("version %q refuses SET with NX and GET; set Options.Script", version))
	}
	return findings
}

// field returns the value of a field of INFO, or "" if it is not there.
func field(info, name string) string {
	_, rest, _ := strings.Cut("\n"+info, "\n"+name+":")
	return strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
}

func checkPersistence(ctx context.Context, server *redis.Client) []error {
	config, err := server.ConfigGet(ctx, "append*").Result()
	switch only, fsync := config["appendonly"], config["appendfsync"]; {
	case only == "", only == "yes" && fsync == "":
		return []error{notShown("appendonly and appendfsync", "CONFIG GET", err)}
	case only != "yes":
		return []error{fmt.Errorf("with appendonly %q a restart forgets bindings; set it to yes", only)}
	case fsync != "always":
		return []error{fmt.Errorf("with appendfsync %q a crash forgets the last bindings; set it to always", fsync)}
	}
	return nil
}

// notShown is the finding that a command did not show settings. err is nil if the
// command was answered without them.
func notShown(settings, command string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s: not in %s", ErrNotVisible, settings, command)
	case errors.As(err, new(redis.Error)):
		return fmt.Errorf("%w: %s: %s: %w", ErrNotVisible, settings, command, err)
	}
	return fmt.Errorf("%s: %w", command, err)
}

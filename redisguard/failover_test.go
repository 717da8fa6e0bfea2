package redisguard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/redisguard"
)

func startMasterAndReplica(t *testing.T, args ...string) (master, replica *server, masterPort string) {
	t.Helper()
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	master, masterPort = startTCPServer(t, args...)
	replica, _ = startTCPServer(t, append(args, "--replicaof", "127.0.0.1 "+masterPort)...)
	master.awaitReplica()
	return master, replica, masterPort
}

// awaitReplica waits until a replica has acknowledged a write. A replica that is
// new gets no writes for up to a second, although it is "online".
func (s *server) awaitReplica() {
	s.t.Helper()
	conn := s.admin.Conn() // WAIT is about the connection's own writes
	defer conn.Close()
	await(s.t, func() bool {
		err := conn.Set(s.t.Context(), keyOf(digest()), "x", time.Second).Err() // in a cluster perhaps not its key
		return err == nil && conn.Wait(s.t.Context(), 1, time.Second).Val() == 1
	})
}

// startSentinel returns the address of a Sentinel that watches a master and its
// replica, and calls the master down sooner than one should in production.
func startSentinel(t *testing.T, masterPort string) (address string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf") // the Sentinel writes to it
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
sentinel monitor guard 127.0.0.1 %s 1
sentinel down-after-milliseconds guard 500
sentinel failover-timeout guard 2000
`, masterPort), 0o600))
	port := freePort(t)
	s := newServer(t, "--bind", "127.0.0.1", "--port", port)
	s.args = slices.Insert(s.args, 0, config, "--sentinel")
	s.start()
	await(t, func() bool {
		return strings.Contains(s.info("sentinel"), "status=ok,address=127.0.0.1:"+masterPort+",slaves=1")
	})
	return "127.0.0.1:" + port
}

var failures = map[string]func(master *server){
	"of a master that crashed": (*server).kill,
	"of a master that hangs":   func(s *server) { s.signal(syscall.SIGSTOP) },
}

func TestAFailoverBySentinel(t *testing.T) {
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, _, port := startMasterAndReplica(t)
			sentinel := startSentinel(t, port)
			machine := func() smilesig.ReplayGuard {
				return newGuardWith(t, newSentinelClient(t, sentinel), redisguard.Options{})
			}
			d := startDeliveries(t, machine(), machine())
			d.awaitAcknowledged(1000)
			fail(master)
			failed := time.Now()
			d.awaitAcknowledged(500)
			master.process.Signal(syscall.SIGCONT) // one that hung takes itself for the master still
			d.awaitAcknowledged(500)
			d.reportLost(newGuard(t, newSentinelClient(t, sentinel)), failed)
		})
	}
}

// The master hangs, its replica takes over, and the master comes back before
// anybody has told it. It forgets its bindings when it becomes a replica.
func TestAMasterThatWasReplaced(t *testing.T) {
	t.Parallel()
	replace := func(args ...string) (before, after smilesig.ReplayGuard) {
		master, replica, _ := startMasterAndReplica(t, args...)
		before, after = newGuard(t, master.client(failingFast)), newGuard(t, replica.client())
		assertFirst(t, before, digest(), digest())
		master.signal(syscall.SIGSTOP)
		require.NoError(t, replica.admin.ReplicaOf(t.Context(), "no", "one").Err())
		master.signal(syscall.SIGCONT)
		return before, after
	}
	pair, body := digest(), digest()

	before, after := replace()
	assertFirst(t, after, pair, body)
	assertFirst(t, before, pair, digest()) // the danger

	before, _ = replace("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
	await(t, func() bool {
		_, _, err := before.Bind(t.Context(), digest(), digest(), time.Minute)
		return err != nil
	})
	assert.ErrorContains(t, assertFails(t, before, pair), "redisguard: NOREPLICAS")
}

// A cluster is some masters, and then a replica of each in the same order if any.
type cluster struct {
	servers   []*server
	addresses []string
}

func startCluster(t *testing.T, masters int, withReplicas bool, args ...string) *cluster {
	t.Helper()
	c := new(cluster)
	nodes := masters
	if withReplicas {
		nodes *= 2
	}
	for i := range nodes {
		busPort := freePort(t)
		s, port := startTCPServer(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", busPort, "--cluster-node-timeout", "1000",
			"--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
		}, args...)...)
		c.servers, c.addresses = append(c.servers, s), append(c.addresses, "127.0.0.1:"+port)
		require.NoError(t, s.admin.Do(t.Context(), "cluster", "set-config-epoch", i+1).Err())
		require.NoError(t, c.servers[0].admin.Do(t.Context(), "cluster", "meet", "127.0.0.1", port, busPort).Err())
	}
	const slots = 16384
	for i, s := range c.servers[:masters] {
		require.NoError(t, s.admin.ClusterAddSlotsRange(t.Context(), i*slots/masters, (i+1)*slots/masters-1).Err())
	}
	c.await(t, fmt.Sprintf("cluster_known_nodes:%d\r\n", nodes))
	for i, replica := range c.servers[masters:] {
		id := c.servers[i].admin.ClusterMyID(t.Context()).Val()
		require.NoError(t, replica.admin.ClusterReplicate(t.Context(), id).Err())
	}
	c.await(t, "cluster_state:ok")
	if withReplicas {
		for _, master := range c.servers[:masters] {
			master.awaitReplica()
		}
	}
	return c
}

// await waits until every node of the cluster says so.
func (c *cluster) await(t *testing.T, info string) {
	t.Helper()
	for _, s := range c.servers {
		await(t, func() bool { return strings.Contains(s.admin.ClusterInfo(t.Context()).Val(), info) })
	}
}

func (c *cluster) client(t *testing.T) *redis.ClusterClient {
	t.Helper()
	return newClusterClient(t, nil, c.addresses...)
}

func TestAFailoverInACluster(t *testing.T) {
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 3, true)
			machine := func() smilesig.ReplayGuard { return newGuardWith(t, c.client(t), redisguard.Options{}) }
			d := startDeliveries(t, machine(), machine())
			d.awaitAcknowledged(1000)
			fail(c.servers[0])
			failed := time.Now()
			await(t, func() bool { return strings.Contains(c.servers[3].info("replication"), "role:master") })
			d.awaitAcknowledged(500)
			c.servers[0].process.Signal(syscall.SIGCONT)
			d.awaitAcknowledged(500)
			d.reportLost(newGuard(t, c.client(t)), failed)
		})
	}
}

func TestTheUserOfAClusterNeedsWhatTheDocumentationSays(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, false)
	node := c.servers[0].admin
	require.NoError(t, node.ACLSetUser(t.Context(), "guard", "on", ">made-up", "~smilesig:*", "+set", "+cluster|slots").Err())
	client := newClusterClient(t, func(o *redis.ClusterOptions) { o.Username, o.Password = "guard", "made-up" }, c.addresses...)
	guard := newGuard(t, client)
	require.NoError(t, node.ConfigResetStat(t.Context()).Err())
	assertFirst(t, guard, digest(), digest())
	// The client would wait for the answer to COMMAND for longer than Timeout.
	assert.NotContains(t, c.servers[0].info("commandstats"), "cmdstat_command:")
}

func TestCheckAsksEveryMasterOfACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, false, durable...)
	guard := newGuard(t, c.client(t))
	require.NoError(t, guard.Check(t.Context()))

	require.NoError(t, c.servers[0].admin.ConfigSet(t.Context(), "appendonly", "no").Err())
	require.NoError(t, c.servers[2].admin.ConfigSet(t.Context(), "appendfsync", "everysec").Err())
	assert.ElementsMatch(t, []string{
		"redisguard: " + c.addresses[0] + `: with appendonly "no" a restart forgets bindings; set it to yes`,
		"redisguard: " + c.addresses[2] + `: with appendfsync "everysec" a crash forgets the last bindings; set it to always`,
	}, strings.Split(guard.Check(t.Context()).Error(), "\n"))
}

package redisguard_test

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/redisguard"
)

// TestMain silences the client, which logs that it cannot reach a server.
func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

const patience = 10 * time.Second

// await is more patient: elections take a while.
func await(t testing.TB, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 3*patience, 5*time.Millisecond)
}

// A server is a redis-server of the test's own, in a directory of its own.
type server struct {
	t       testing.TB
	program string
	socket  string
	args    []string
	admin   *redis.Client
	process *os.Process
	exited  chan struct{}
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := newServer(t, args...)
	s.start()
	return s
}

func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
			require.NoError(t, err)
		}
		t.Skip("redis-server is not installed")
	}
	// The path of a socket has to be short, which that of t.TempDir may not be.
	dir, err := os.MkdirTemp("", "redisguard")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, program: "redis-server", socket: filepath.Join(dir, "s")}
	s.args = append([]string{"--dir", dir, "--unixsocket", s.socket, "--port", "0", "--save", ""}, args...)
	return s
}

func (s *server) start() {
	s.t.Helper()
	cmd := exec.Command(s.program, s.args...)
	require.NoError(s.t, cmd.Start())
	s.process, s.exited = cmd.Process, make(chan struct{})
	exited := s.exited
	go func() {
		cmd.Wait()
		close(exited)
	}()
	s.t.Cleanup(s.kill)
	s.admin = s.client()
	await(s.t, func() bool { return s.admin.Ping(context.Background()).Err() == nil })
}

func (s *server) info(section string) string {
	return s.admin.Info(s.t.Context(), section).Val()
}

func (s *server) kill() {
	s.process.Kill() // also when stopped
	<-s.exited
}

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.process.Signal(signal))
}

// client returns a client on connections of its own, with what New asks for and
// what change does.
func (s *server) client(change ...func(*redis.Options)) *redis.Client {
	options := &redis.Options{Network: "unix", Addr: s.socket, ContextTimeoutEnabled: true, DialerRetries: 1}
	for _, c := range change {
		c(options)
	}
	client := redis.NewClient(options)
	s.t.Cleanup(func() { client.Close() })
	return client
}

// failingFast is for a client of a server that is to die.
func failingFast(o *redis.Options) { o.MaxRetries = -1 }

// startTCPServer returns a server that also listens on a port of 127.0.0.1.
func startTCPServer(t *testing.T, args ...string) (s *server, port string) {
	t.Helper()
	port = freePort(t)
	return startServer(t, append([]string{"--bind", "127.0.0.1", "--port", port}, args...)...), port
}

func newClusterClient(t *testing.T, change func(*redis.ClusterOptions), addresses ...string) *redis.ClusterClient {
	options := &redis.ClusterOptions{
		Addrs:                      addresses,
		ContextTimeoutEnabled:      true,
		DialerRetries:              1,
		ClusterStateReloadInterval: 500 * time.Millisecond,
	}
	if change != nil {
		change(options)
	}
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// newSentinelClient returns a client of the master that the sentinels know as "guard".
func newSentinelClient(t *testing.T, sentinels ...string) *redis.Client {
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:            "guard",
		SentinelAddrs:         sentinels,
		ContextTimeoutEnabled: true,
		DialerRetries:         1,
		MaxRetries:            1,
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// freePort returns a port below those that the system gives to clients, which
// would take it before the server does.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			listener.Close()
			return port
		}
	}
}

// newGuard returns a guard that is patient, because the machine may be busy.
func newGuard(t testing.TB, client redis.UniversalClient) *redisguard.Guard {
	t.Helper()
	return newGuardWith(t, client, redisguard.Options{Timeout: patience})
}

func newGuardWith(t testing.TB, client redis.UniversalClient, options redisguard.Options) *redisguard.Guard {
	t.Helper()
	guard, err := redisguard.New(client, options)
	require.NoError(t, err)
	return guard
}

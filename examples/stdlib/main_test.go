package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain runs main instead of the tests in a process that startProcess made.
func TestMain(m *testing.M) {
	if os.Getenv("SMILESIG_TEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A process is the server as it would run in production.
type process struct {
	command *exec.Cmd
	address string
	done    chan struct{} // when its log has ended

	mu  sync.Mutex
	log strings.Builder
}

func startProcess(t *testing.T, tenantsFile string) *process {
	p := &process{command: exec.Command(os.Args[0]), done: make(chan struct{})}
	p.command.Env = append(os.Environ(), "SMILESIG_TEST_MAIN=1", "GORACE=atexit_sleep_ms=0",
		"SMILE_LISTEN=127.0.0.1:0", "SMILE_ORIGIN="+origin, "SMILE_TENANTS="+tenantsFile)
	output, err := p.command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() { p.command.Process.Kill() })
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			p.mu.Lock()
			fmt.Fprintln(&p.log, lines.Text())
			p.mu.Unlock()
		}
	}()
	p.awaitLog(t, "listening address=127.0.0.1:", 1)
	_, rest, _ := strings.Cut(p.logged(), "address=")
	p.address, _, _ = strings.Cut(rest, "\n")
	return p
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) awaitLog(t *testing.T, text string, times int) {
	await(t, func() bool { return strings.Count(p.logged(), text) == times }, "%q in the log", text)
}

func (p *process) signal(t *testing.T, s os.Signal) { require.NoError(t, p.command.Process.Signal(s)) }

func await(t *testing.T, condition func() bool, what string, args ...any) {
	require.Eventually(t, condition, 20*time.Second, time.Millisecond, append([]any{what}, args...)...)
}

func TestKeysRotateOnHangup(t *testing.T) {
	t.Parallel()
	file := newTenantsFile(t, kenya)
	p := startProcess(t, file)
	url := "http://" + p.address + kenyaPath
	assertAccepted := func(old, new int) {
		t.Helper()
		assert.Equal(t, old, post(t, callback(kenya), url))
		assert.Equal(t, new, post(t, callback(newKenya), url))
		assert.Equal(t, http.StatusOK, post(t, callback(nigeria), "http://"+p.address+nigeriaPath))
	}
	assertAccepted(http.StatusOK, http.StatusUnauthorized)

	writeTenants(t, file, newKenya, kenya)
	p.signal(t, syscall.SIGHUP)
	p.awaitLog(t, "credentials rotated", 1)
	assertAccepted(http.StatusOK, http.StatusOK)

	writeTenants(t, file) // faulty
	p.signal(t, syscall.SIGHUP)
	p.awaitLog(t, "credentials not rotated", 1)
	assertAccepted(http.StatusOK, http.StatusOK)

	writeTenants(t, file, newKenya)
	p.signal(t, syscall.SIGHUP)
	p.awaitLog(t, "credentials rotated", 2)
	assertAccepted(http.StatusUnauthorized, http.StatusOK)

	p.signal(t, syscall.SIGTERM)
	<-p.done
	assert.NoError(t, p.command.Wait(), "exit status")
	assert.NotContains(t, p.logged(), "made-up")
	assert.NotContains(t, p.logged(), kenyaPath)
}

func TestWhatIsUnderWayIsAnswered(t *testing.T) {
	t.Parallel()
	p := startProcess(t, newTenantsFile(t, kenya))
	conn, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)

	sent := callback(kenya).Request(kenyaPath)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		kenyaPath, p.address, sent.ContentLength)
	answer, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, answer.StatusCode, "the Verifier reads the body")

	p.signal(t, syscall.SIGTERM)
	await(t, func() bool {
		other, err := net.Dial("tcp", p.address)
		if err == nil {
			other.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}, "nobody new gets in")

	_, err = io.Copy(conn, sent.Body)
	require.NoError(t, err)
	answer, err = http.ReadResponse(answers, nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	<-p.done
	assert.NoError(t, p.command.Wait(), "exit status")
}

func TestItDoesNotStartWithoutTenants(t *testing.T) {
	t.Parallel()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SMILESIG_TEST_MAIN=1", "GORACE=atexit_sleep_ms=0",
		"SMILE_LISTEN=127.0.0.1:0", "SMILE_ORIGIN="+origin, "SMILE_TENANTS=")
	output, err := command.CombinedOutput()
	assert.Error(t, err, "exit status")
	assert.Contains(t, string(output), "SMILE_TENANTS")
}

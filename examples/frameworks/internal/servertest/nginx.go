package servertest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/result"
)

// TestBehindNginx tests that the refusals of bodies that nobody reads arrive through an
// nginx with default settings, which makes a 502 of a lost answer.
func TestBehindNginx(t *testing.T, newServer NewServer) {
	t.Parallel()
	p := newPartner(t, func(context.Context, string, result.Result) error { return nil })
	client := throughNginx(t, start(t, newServer(p)))
	statuses := make(map[string]int)
	for range 15 {
		for _, size := range []int{10_000, 100_000, 900_000} {
			cb := withBody(`{"status":"clear","padding":"` + strings.Repeat("x", size) + `"}`)
			cb.Placement = smilesig.InHeader
			statuses[fmt.Sprint("guessed ", send(t, client, cb, "http://nginx/callbacks/guessed"))]++
			statuses[fmt.Sprint("forged ", send(t, client, cb.Forged(), "http://nginx"+pathOf(p, job)))]++
			statuses[fmt.Sprint("genuine ", send(t, client, cb, "http://nginx"+pathOf(p, job)))]++
		}
	}
	assert.Equal(t, map[string]int{"guessed 404": 45, "forged 401": 45, "genuine 200": 45}, statuses)
}

// throughNginx starts an nginx in front of a server and returns a client that sends
// everything to it.
func throughNginx(t *testing.T, server string) *http.Client {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx") // Debian's, not in everybody's PATH
	}
	if err != nil {
		if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("nginx is not installed")
	}
	dir, err := os.MkdirTemp("", "nginx") // the path of a socket has to be short
	require.NoError(t, err)
	// Without a master, nginx is one process with the rights of this one.
	config := `
		daemon off; master_process off; pid nginx.pid; error_log stderr crit;
		events {}
		http {
			access_log off;
			client_body_temp_path body; proxy_temp_path proxy;
			fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
			server { listen unix:` + dir + `/socket; location / { proxy_pass ` + server + `; } }
		}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600))
	nginx := exec.Command(program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	require.NoError(t, nginx.Start())
	t.Cleanup(func() {
		nginx.Process.Kill()
		nginx.Wait()
		os.RemoveAll(dir)
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "socket"))
	}
	require.Eventually(t, func() bool {
		conn, err := dial(t.Context(), "", "")
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	transport := &http.Transport{DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

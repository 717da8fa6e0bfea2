package interop

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proxy is how nginx is set up: upstream goes into its group of servers, location
// into the place that passes requests to them. The zero value is nginx's defaults.
type proxy struct{ upstream, location string }

// start runs nginx in front of servers and returns its URL.
func (p proxy) start(t *testing.T, servers ...*httptest.Server) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx") // Debian's, not in everybody's PATH
	}
	if err != nil {
		skip(t, "nginx is not installed")
	}
	var group strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&group, "server %s; ", server.Listener.Addr())
	}
	address := freeAddress(t)
	// Without a master, nginx is one process with the rights of this one.
	config := fmt.Sprintf(`
		daemon off; master_process off; pid nginx.pid; error_log stderr crit;
		events {}
		http {
			access_log off;
			client_body_temp_path body; proxy_temp_path proxy;
			fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
			upstream ours { %s %s }
			server { listen %s; location / { proxy_pass http://ours; %s } }
		}`, &group, p.upstream, address, p.location)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600))

	var log bytes.Buffer
	cmd := exec.Command(program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log("nginx: ", log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

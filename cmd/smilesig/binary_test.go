package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBinary(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "smilesig")
	output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(output))
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(os.Environ(), "SMILE_PARTNER_ID=085", "SMILE_API_KEY=made-up-key")
		return cmd
	}

	inject := command("sign", "-inject")
	inject.Stdin = strings.NewReader("{}")
	body, err := inject.Output()
	require.NoError(t, err)

	verify := command("verify")
	verify.Stdin = strings.NewReader(string(body))
	require.NoError(t, verify.Run())

	verify = command("verify", "-partner", "85")
	verify.Stdin = strings.NewReader(string(body))
	require.Error(t, verify.Run())
	assert.Equal(t, exitRefused, verify.ProcessState.ExitCode())

	misused := command("verify", "-key", "made-up-key")
	require.Error(t, misused.Run())
	assert.Equal(t, exitUsage, misused.ProcessState.ExitCode())

	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		serve := command("serve", "-addr", "127.0.0.1:0")
		stdout, err := serve.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, serve.Start())
		lines := bufio.NewScanner(stdout)
		require.True(t, lines.Scan())
		url := strings.TrimPrefix(lines.Text(), "listening on ")
		assert.Equal(t, 200, post(t, url, "/v1/job_status", `{"partner_id":"085"}`, ours))
		require.NoError(t, serve.Process.Signal(signal))
		require.True(t, lines.Scan(), "what is left is printed")
		assert.Equal(t, "POST /v1/job_status  200  accepted", lines.Text())
		assert.NoError(t, serve.Wait(), "exit code 0")
	}
}

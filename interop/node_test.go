package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sdkVersion is the version that package-lock.json pins.
const sdkVersion = "3.2.1"

// runNode runs a script with input as JSON on its stdin, and reads its stdout
// into output. Of our environment the script gets PATH only: a proxy, for
// instance, would be the SDK's to use.
func runNode(t *testing.T, script string, input, output any, env ...string) {
	t.Helper()
	requireSDK(t)
	stdin, err := json.Marshal(input)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	require.NoError(t, json.Unmarshal(stdout.Bytes(), output))
}

// requireSDK skips the test if Node or the SDK is not installed.
func requireSDK(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		skip(t, "Node is not installed")
	}
	text, err := os.ReadFile("node_modules/smile-identity-core/package.json")
	if err != nil {
		skip(t, "the SDK is not installed; run in interop/: npm ci --ignore-scripts")
	}
	var installed struct{ Version string }
	require.NoError(t, json.Unmarshal(text, &installed))
	require.Equal(t, sdkVersion, installed.Version, "run in interop/: npm ci --ignore-scripts")
}

func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

package guardtest

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

func TestRunNeedsRoomForElevenThousandBindings(t *testing.T) {
	shared := &smilesig.MemoryGuard{Limit: 11_000}
	Run(t, func(*testing.T) smilesig.ReplayGuard { return shared })
}

func TestBrokenGuardsBreakTheirPromise(t *testing.T) {
	for _, broken := range brokenGuards {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			if broken.name == afterAMicrosecond && runtime.GOMAXPROCS(0) == 1 {
				t.Skip("there is one processor only")
			}
			i := slices.IndexFunc(promises, func(p promise) bool { return p.name == broken.promise })
			require.GreaterOrEqual(t, i, 0, "no promise %q", broken.promise)
			s := suite{ReplayGuard: broken.guard(), patience: 200 * time.Millisecond}
			assert.Error(t, promises[i].check(s))
		})
	}
}

func TestAGuardMayReturnAtADeadlineOfItsOwn(t *testing.T) {
	late := whenEnded(func() answer {
		time.Sleep(20 * time.Millisecond)
		return answer{err: context.DeadlineExceeded}
	})
	Run(t, func(*testing.T) smilesig.ReplayGuard { return late() })
}

func TestEveryPromiseIsBrokenByAGuard(t *testing.T) {
	for _, p := range promises {
		assert.True(t, slices.ContainsFunc(brokenGuards, func(b brokenGuard) bool { return b.promise == p.name }), p.name)
	}
}

// TestRunFailsABrokenGuard runs itself in another process, because a test that
// fails fails its parent.
func TestRunFailsABrokenGuard(t *testing.T) {
	const child = "GUARDTEST_RUN_BROKEN_GUARD"
	if os.Getenv(child) != "" {
		Run(t, func(*testing.T) smilesig.ReplayGuard { return brokenGuards[0].guard() })
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Contains(t, string(output), "--- FAIL: "+t.Name()+"/a_first_bind_is_not_seen")
}

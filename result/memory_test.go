package result_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/result"
)

// A body may be 4 MiB long, and a stranger with a pair may choose what is in it.
func TestAHostileBodyAllocatesLittle(t *testing.T) {
	const size = 4 << 20
	fill := func(format string) string { // as many members as fit
		var members strings.Builder
		for i := 0; members.Len() < size-100; i++ {
			fmt.Fprintf(&members, format, i)
		}
		return strings.TrimSuffix(members.String(), ",")
	}
	text := `"\n` + strings.Repeat("x", size) + `"`
	for name, body := range map[string]string{
		"members":               `{` + fill(`"%x":0,`) + `}`,
		"doubled members":       `{` + strings.TrimSuffix(strings.Repeat(`"ResultCode":0,`, size/15), ",") + `}`,
		"escaped names":         `{` + fill(`"\u0041%x":0,`) + `}`,
		"steps":                 `{"ResultCode":"0810","Actions":{` + fill(`"%x":"",`) + `}}`,
		"members of params":     `{"ResultCode":"0810","PartnerParams":{` + fill(`"%x":0,`) + `}}`,
		"a long code":           `{"ResultCode":` + text + `}`,
		"a long status":         `{"status":` + text + `}`,
		"a long status, a code": `{"status":` + text + `,"ResultCode":"0810"}`,
		"a long product":        `{"status":"clear","product":` + text + `}`,
		"a long step":           `{"ResultCode":"0810","Actions":{"Liveness_Check":` + text + `}}`,
		"a long name":           `{` + text + `:0}`,
		"a long name of a step": `{"ResultCode":"0810","Actions":{` + text + `:"x"}}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := result.Parse([]byte(body))
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		allocated := after.TotalAlloc - before.TotalAlloc - uint64(len(body)) // without the copy of body
		t.Logf("%s: %.1f MiB", name, float64(allocated)/(1<<20))
		limit := uint64(size / 4)
		if strings.Contains(name, "a long") { // a text is unescaped and copied
			limit = 5 * size
		}
		assert.Less(t, allocated, limit, name)
	}
}

func TestTooManyMembersAreUnknown(t *testing.T) {
	many := func(n int) string {
		var members strings.Builder
		for i := range n {
			fmt.Fprintf(&members, `,"%d":"x"`, i)
		}
		return members.String()
	}
	for n, want := range map[int]result.Outcome{900: approved, 1_001: unknown} {
		check(t, []reading{
			{"in the body", `{"ResultCode":"0810"` + many(n) + `}`, want},
			{"in the body of v3", `{"status":"clear"` + many(n) + `}`, want},
			{"in PartnerParams", `{"ResultCode":"0810","PartnerParams":{"job_type":1` + many(n) + `}}`, want},
			{"in Actions", `{"ResultCode":"0810","Actions":{"Liveness_Check":"Passed"` + many(n) + `}}`, want},
			{"in a rejection's Actions", `{"ResultCode":"0811","Actions":{"Liveness_Check":"Passed"` + many(n) + `}}`, rejected},
			{"in a member that is not read", `{"ResultCode":"0810","FullData":{"a":0` + many(n) + `}}`, approved},
		})
	}
}

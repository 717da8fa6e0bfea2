package bench

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"example.com/smilesig/internal/jsonobject"
)

// BenchmarkScan measures the scan beside others, who only see whether a text is
// JSON. gjson and sonic take invalid UTF-8, and sonic has vector instructions, in
// assembly.
func BenchmarkScan(b *testing.B) {
	scanners := map[string]func(text []byte) bool{
		"scan":          func(text []byte) bool { return jsonobject.Check(text) == nil },
		"gjson":         gjson.ValidBytes,
		"sonic":         sonic.Valid,
		"jsontext":      func(text []byte) bool { return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) },
		"encoding/json": json.Valid,
	}
	for _, body := range slices.Concat(ordinary, hostile) {
		b.Run(body.name, func(b *testing.B) {
			var ways []way
			for name, isValid := range scanners {
				ways = append(ways, way{name: name, run: each(func() { isValid(body.json) })})
			}
			c := compare(b, wallClock, 5*time.Millisecond, ways)
			c.time("scan")
			for _, other := range []string{"gjson", "sonic", "jsontext", "encoding/json"} {
				c.ratio(other, "scan")
			}
		})
	}
}

package jsonobject_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"example.com/smilesig/internal/jsonobject"
)

// shapes are bodies of about 1.5 MB, ordinary and hostile.
func shapes() map[string]string {
	const size = 1_500_000
	repeat := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, `,"k%06d":%d`, i, i%10)
	}
	nest := strings.Repeat("[", 9_998) + strings.Repeat("]", 9_998)
	return map[string]string{
		"photo":     `{"Photo":"` + repeat("QUJD/+09") + `"}`,
		"members":   `{"":0` + keys.String() + `}`,
		"escapes":   `{"a":"` + repeat(strings.Repeat("a", 70)+`\n`) + `"}`,
		"slashes":   `{"a":"` + repeat(`\\`) + `"}`,
		"non-ASCII": `{"a":"` + repeat("ọ́é鍵") + `"}`,
		"nesting":   `{"a":[` + strings.Repeat(nest+",", size/len(nest)) + `0]}`,
	}
}

func BenchmarkScan(b *testing.B) {
	for name, shape := range shapes() {
		doc := []byte(shape)
		b.Run(name+"/scan", func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if err := jsonobject.Check(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if !json.Valid(doc) {
					b.Fatal("invalid")
				}
			}
		})
	}
}

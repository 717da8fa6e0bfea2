package bench

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// A Body is what is sent: a JSON object without a pair.
type Body struct {
	Name string
	JSON []byte
}

const (
	kilobyte = 1_000
	largest  = 1_500 * kilobyte // what Smile ID says to accept
)

// head is what every ordinary body starts with.
const head = `{"SmileJobID":"0000000001","PartnerParams":{"job_id":"job-1","user_id":"user-1","job_type":5},` +
	`"ResultType":"ID Verification","ResultText":"Exact Match","ResultCode":"1020","IsFinalResult":"true",` +
	`"Country":"NG","IDType":"BVN"`

// Members is a body of about size bytes of many small members.
func Members(size int) Body {
	var b strings.Builder
	for i := 0; len(head)+b.Len() < size-60; i++ {
		fmt.Fprintf(&b, `,{"ResultCode":"%d","ConfidenceValue":99.%d,"Final":%t}`, 1000+i%1000, i%10, i%2 == 0)
	}
	history := ""
	if b.Len() > 0 {
		history = `,"History":[` + b.String()[1:] + `]`
	}
	return Body{sizeName(size) + " members", []byte(head + history + `}`)}
}

// Photos is a body of about size bytes, nearly all of them two photos in base64.
func Photos(size int) Body {
	noise := make([]byte, size/2/4*3)
	state := uint32(1)
	for i := range noise {
		state = state*1_664_525 + 1_013_904_223
		noise[i] = byte(state >> 24)
	}
	photo := base64.StdEncoding.EncodeToString(noise)
	return Body{sizeName(size) + " photos", []byte(head + `,"Photo":"` + photo + `","Selfie":"` + photo + `"}`)}
}

// Ordinary are the bodies that Smile ID and its partners send.
func Ordinary() []Body {
	return []Body{
		Members(300), Members(4 * kilobyte), Members(100 * kilobyte), Members(largest),
		Photos(100 * kilobyte), Photos(largest),
	}
}

// Hostile are bodies of 1.5 MB that nobody sends but to cost time.
func Hostile() []Body {
	fill := func(unit string) string { return strings.Repeat(unit, largest/len(unit)) }
	inArray := func(name, unit string) Body { return Body{name, []byte(`{"a":[` + fill(unit+",") + `0]}`)} }
	inString := func(name, unit string) Body { return Body{name, []byte(`{"a":"` + fill(unit) + `"}`)} }
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, `,"k%06d":%d`, i, i%1000)
	}
	const depth = 9_998 // the deepest that every handler here reads
	return []Body{
		inString("an escape every 72 bytes", strings.Repeat("a", 70)+`\n`),
		inString("nothing but escapes", `\n`),
		inString("all non-ASCII", "ọ́é鍵"),
		{"100,000 keys", []byte(`{"":0` + keys.String() + `}`)},
		inArray("deep nesting", strings.Repeat("[", depth)+strings.Repeat("]", depth)),
		inArray("nothing but ones", `1`),
		inArray("strings of one escape", `"\n"`),
		inArray("empty strings", `""`),
		inArray("small objects", `{"":0}`),
	}
}

// Bodies are all of them.
func Bodies() []Body { return append(Ordinary(), Hostile()...) }

func sizeName(size int) string {
	switch {
	case size < kilobyte:
		return fmt.Sprintf("%d B", size)
	case size < 1000*kilobyte:
		return fmt.Sprintf("%d KB", size/kilobyte)
	}
	return fmt.Sprintf("%.1f MB", float64(size)/1000/kilobyte)
}

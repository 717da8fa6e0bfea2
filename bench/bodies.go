package bench

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// A Body is what is sent: a JSON object without a pair.
type Body struct {
	Name    string
	JSON    []byte
	Large   bool // 1.5 MB
	Doubled bool // has doubled names
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
	b.WriteString(head)
	for i := 0; b.Len() < size-60; i++ {
		if i == 0 {
			b.WriteString(`,"History":[`)
		} else {
			b.WriteString(`,`)
		}
		fmt.Fprintf(&b, `{"ResultCode":"%d","ConfidenceValue":99.%d,"Final":%t}`, 1000+i%1000, i%10, i%2 == 0)
	}
	if b.Len() > len(head) {
		b.WriteString(`]`)
	}
	return body(sizeName(size)+" members", b.String()+`}`)
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
	return body(sizeName(size)+" photos", head+`,"Photo":"`+photo+`","Selfie":"`+photo+`"}`)
}

// Hostile are bodies of 1.5 MB that nobody sends but to cost time.
func Hostile() []Body {
	fill := func(unit string) string { return strings.Repeat(unit, largest/len(unit)) }
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, `,"k%06d":%d`, i, i%1000)
	}
	const depth = 9_998 // the deepest that every way here reads
	nest := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	emptyNames := body("empty names", `{`+fill(`"":0,`)+`"":0}`)
	emptyNames.Doubled = true
	return []Body{
		body("an escape every 72 bytes", `{"a":"`+fill(strings.Repeat("a", 70)+`\n`)+`"}`),
		body("nothing but escapes", `{"a":"`+fill(`\n`)+`"}`),
		body("all non-ASCII", `{"a":"`+fill("ọ́é鍵")+`"}`),
		body("100,000 keys", `{"":0`+keys.String()+`}`),
		body("deep nesting", `{"a":[`+fill(nest+",")+`0]}`),
		body("nothing but ones", `{"a":[`+fill(`1,`)+`0]}`),
		emptyNames,
		body("strings of one escape", `{"a":[`+fill(`"\n",`)+`0]}`),
		body("empty strings", `{"a":[`+fill(`"",`)+`0]}`),
		body("small objects", `{"a":[`+fill(`{"":0},`)+`0]}`),
	}
}

// Ordinary are the bodies that Smile ID and its partners send.
func Ordinary() []Body {
	return []Body{
		Members(300), Members(4 * kilobyte), Members(100 * kilobyte), Members(largest),
		Photos(100 * kilobyte), Photos(largest),
	}
}

// Bodies are all of them.
func Bodies() []Body { return append(Ordinary(), Hostile()...) }

// Sendable are those that every way to sign a request keeps whole: decoding to
// a map loses members with doubled names.
func Sendable() []Body {
	return slices.DeleteFunc(Bodies(), func(b Body) bool { return b.Doubled })
}

func body(name, json string) Body {
	return Body{Name: name, JSON: []byte(json), Large: len(json) > largest*9/10}
}

func sizeName(size int) string {
	switch {
	case size < kilobyte:
		return fmt.Sprintf("%d B", size)
	case size < 1000*kilobyte:
		return fmt.Sprintf("%d KB", size/kilobyte)
	}
	return fmt.Sprintf("%.1f MB", float64(size)/1000/kilobyte)
}

package bench

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A sample is a body to send: a JSON object without a pair.
type sample struct {
	name string
	json []byte
}

var (
	// ordinary are bodies that Smile ID and its partners send, up to the size
	// that Smile ID says to accept.
	ordinary = []sample{
		members("300B", 300), members("4KB", 4_000), members("100KB", 100_000), members("1.5MB", 1_500_000),
		photos("100KB", 100_000), photos("1.5MB", 1_500_000),
	}
	small, medium, photo, largest = ordinary[0], ordinary[1], ordinary[4], ordinary[5]

	// hostile are bodies that nobody sends but to cost time.
	hostile = []sample{
		{"ones", []byte(`{"a":[` + strings.Repeat("1,", 750_000) + `0]}`)},
		{"objects", []byte(`{"a":[` + strings.Repeat(`{"":0},`, 200_000) + `0]}`)},
		{"escapes", []byte(`{"a":"` + strings.Repeat(`\n`, 750_000) + `"}`)},
		{"non-ASCII", []byte(`{"a":"` + strings.Repeat("鍵", 500_000) + `"}`)},
	}
)

// opening is what every ordinary body starts with.
const opening = `{"SmileJobID":"0000000001","PartnerParams":{"job_id":"job-1","user_id":"user-1","job_type":5},` +
	`"ResultType":"ID Verification","ResultText":"Exact Match","ResultCode":"1020","IsFinalResult":"true",` +
	`"Country":"NG","IDType":"BVN"`

// members is a body of about size bytes of many small members.
func members(name string, size int) sample {
	json := []byte(opening + `,"History":[0`)
	for i := 0; len(json) < size-60; i++ {
		json = fmt.Appendf(json, `,{"ResultCode":"%d","ConfidenceValue":99.%d,"Final":%t}`, 1000+i%1000, i%10, i%2 == 0)
	}
	return sample{name + "-members", append(json, "]}"...)}
}

// photos is a body of about size bytes, nearly all of them two photos in base64.
func photos(name string, size int) sample {
	noise := make([]byte, size/2/4*3)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	text := base64.StdEncoding.EncodeToString(noise)
	return sample{name + "-photos", []byte(opening + `,"Photo":"` + text + `","Selfie":"` + text + `"}`)}
}

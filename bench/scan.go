package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bytedance/sonic"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
	"github.com/valyala/fastjson"

	"example.com/smilesig"
	"example.com/smilesig/internal/jsonobject"
)

// A Scanner is a way to see whether a text is JSON.
type Scanner struct {
	Name  string
	Does  string // what it does besides
	Valid func(text []byte) bool
}

// Scan is ours.
const Scan = "scan"

// Scanners are ours and others.
func Scanners() []Scanner {
	return []Scanner{
		{Scan, "finds the members", func(text []byte) bool { return scanMembers(text) >= 0 }},
		{"gjson.ValidBytes", "", gjson.ValidBytes},
		{"fastjson.ValidateBytes", "", func(text []byte) bool { return fastjson.ValidateBytes(text) == nil }},
		{"sonic.Valid", "in assembly", sonic.Valid},
		{"jsontext.Decoder", "finds the members", func(text []byte) bool { return jsontextMembers(text) >= 0 }},
		{"jsontext.Value.IsValid", "", func(text []byte) bool { return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) }},
		{"encoding/json.Valid", "", json.Valid},
	}
}

// ScanWays are the scanners that take the body.
func ScanWays(b Body) (ways []Way) {
	body := sign(b.JSON, apiKey)
	for _, s := range Scanners() {
		if s.Valid(body) {
			ways = append(ways, Way{s.Name, func() { s.Valid(body) }})
		}
	}
	return ways
}

// Passes lists what s takes though it is no JSON object, or deeper than it is
// safe to hand to a reader that calls itself for each level.
func (s Scanner) Passes() (passed []string) {
	const deep = 10_001
	for _, probe := range []struct{ what, text string }{
		{"invalid UTF-8", "{\"a\":\"\xff\"}"},
		{"control characters in strings", "{\"a\":\"\n\"}"},
		{"escapes that are none", `{"a":"\x"}`},
		{"any depth", `{"a":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`},
		{"what is no object", `[]`},
	} {
		if s.Valid([]byte(probe.text)) {
			passed = append(passed, probe.what)
		}
	}
	return passed
}

// scanMembers counts the members; -1 if body is no JSON object.
func scanMembers(body []byte) (members int) {
	if jsonobject.Scan(body, func(jsonobject.Member) { members++ }) != nil {
		return -1
	}
	return members
}

// jsontextMembers does the same, and lets doubled names pass, as the scan does.
func jsontextMembers(body []byte) (members int) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	if begin, err := d.ReadToken(); err != nil || begin.Kind() != '{' {
		return -1
	}
	for ; d.PeekKind() == '"'; members++ {
		if errors.Join(d.SkipValue(), d.SkipValue()) != nil {
			return -1
		}
	}
	_, err := d.ReadToken()
	if _, end := d.ReadToken(); err != nil || !errors.Is(end, io.EOF) {
		return -1
	}
	return members
}

// CheckScan reports whether the scan and jsontext disagree about a body, whole
// and cut short.
func CheckScan(b Body) error {
	short := b.JSON[:len(b.JSON)-1]
	if got, want := scanMembers(b.JSON), jsontextMembers(b.JSON); got != want || got < 0 || scanMembers(short) != -1 || jsontextMembers(short) != -1 {
		return fmt.Errorf("%s: the scan finds %d members, jsontext %d, or one of them takes it cut short", b.Name, got, want)
	}
	return nil
}

// twoBlocks is what the signature of a pair cannot be had without.
func twoBlocks() {
	var block [55]byte // as much as fits into one block of SHA-256 with its padding
	sum := sha256.Sum256(block[:])
	sha256.Sum256(sum[:])
}

const (
	likeSDKs = "as the SDKs do it"
	blocks   = "limit: two blocks of SHA-256"
)

// ConfirmWays confirm a pair.
func ConfirmWays() []Way {
	pair := signer.Sign(time.Now())
	return []Way{
		{Smilesig, func() { genuine(signer.Confirm(pair.Timestamp, pair.Signature)) }},
		{likeSDKs, func() { genuine(plainSignature(apiKey, pair.Timestamp) == pair.Signature) }},
		{blocks, twoBlocks},
	}
}

func genuine(confirmed bool) {
	if !confirmed {
		panic("a genuine pair was not confirmed")
	}
}

// SignWays make a pair.
func SignWays() []Way {
	now := time.Now()
	return []Way{
		{Smilesig, func() { signer.Sign(now) }},
		{likeSDKs, func() { plainSignature(apiKey, now.UTC().Format(smilesig.TimestampLayout)) }},
		{blocks, twoBlocks},
	}
}

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/smilesig"
	"example.com/smilesig/internal/jsonobject"
)

// Names of ways that others are compared with.
const (
	SDK      = "as the SDKs do it"
	JSONText = "jsontext"
	JSON     = "encoding/json.Valid"
	Confirm  = "Signer.Confirm"
	Scan     = "scan"

	TwoBlocks = "limit: two blocks of SHA-256"
)

// PairWays confirm and make a pair, without any body.
func PairWays() []Way {
	now := time.Now()
	pair := signer.Sign(now)
	block := make([]byte, 55) // as much as fits into one block of SHA-256 with its padding
	return []Way{
		{Confirm, func() {
			if !signer.Confirm(pair.Timestamp, pair.Signature) {
				panic("a genuine pair was not confirmed")
			}
		}},
		{"confirm " + SDK, func() {
			if plainSignature(apiKey, pair.Timestamp) != pair.Signature {
				panic("a genuine pair was not confirmed")
			}
		}},
		{"Signer.Sign", func() { signer.Sign(now) }},
		{"sign " + SDK, func() { plainSignature(apiKey, now.UTC().Format(smilesig.TimestampLayout)) }},
		{TwoBlocks, func() {
			sum := sha256.Sum256(block)
			sha256.Sum256(sum[:])
		}},
	}
}

// VerifyWays verify a callback whose bytes are in hand already.
func VerifyWays(b Body) []Way {
	body := sign(b.JSON, apiKey)
	verifier := &smilesig.Verifier{Signer: signer}
	verifyWebhook := standardWebhooksVerify()
	header := standardWebhooksHeader(body, apiKey)
	header.Set("Content-Type", "application/json")
	destination := make([]byte, len(body))
	return []Way{
		{"Verifier.Verify", func() {
			if _, err := verifier.Verify(context.Background(), header, body); err != nil {
				panic(err)
			}
		}},
		{StandardWebhook + " Verify", func() {
			if err := verifyWebhook(body, header); err != nil {
				panic(err)
			}
		}},
		{"limit: memcpy", func() { copy(destination, body) }},
		{"limit: SHA-256 of the body", func() { sha256.Sum256(body) }},
	}
}

// InjectWays put a pair into a body that is in hand already.
func InjectWays(b Body) []Way {
	now := time.Now()
	return []Way{
		{"Signer.Inject", func() {
			if _, err := signer.Inject(b.JSON, now); err != nil {
				panic(err)
			}
		}},
		{"decode to a map, encode", func() {
			var members map[string]any
			if err := json.Unmarshal(b.JSON, &members); err != nil {
				panic(err)
			}
			timestamp := now.UTC().Format(smilesig.TimestampLayout)
			members["timestamp"] = timestamp
			members["signature"] = plainSignature(apiKey, timestamp)
			if _, err := json.Marshal(members); err != nil {
				panic(err)
			}
		}},
	}
}

// ScanWays check that a body is a JSON object. The scan and jsontext find its
// top-level members, too.
func ScanWays(b Body) []Way {
	body := sign(b.JSON, apiKey)
	return []Way{
		{Scan, func() {
			if _, err := scanMembers(body); err != nil {
				panic(err)
			}
		}},
		{JSONText, func() {
			if _, err := jsontextMembers(body); err != nil {
				panic(err)
			}
		}},
		{JSONText + ", validation alone", func() {
			if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
				panic("invalid")
			}
		}},
		{JSON, func() {
			if !json.Valid(body) {
				panic("invalid")
			}
		}},
	}
}

func scanMembers(body []byte) (members int, err error) {
	err = jsonobject.Scan(body, func(m jsonobject.Member) { members++ })
	return members, err
}

// jsontextMembers lets doubled names pass, as the scan does.
func jsontextMembers(body []byte) (members int, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	if begin, err := d.ReadToken(); err != nil || begin.Kind() != '{' {
		return 0, fmt.Errorf("no object: %w", err)
	}
	for d.PeekKind() == '"' {
		if err := errors.Join(d.SkipValue(), d.SkipValue()); err != nil {
			return 0, err
		}
		members++
	}
	if _, err := d.ReadToken(); err != nil {
		return 0, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("trailing data: %w", err)
	}
	return members, nil
}

// CheckScan reports whether the scan and jsontext disagree about a body, whole
// and cut short.
func CheckScan(b Body) error {
	want, err := jsontextMembers(b.JSON)
	if err != nil {
		return fmt.Errorf("jsontext, %s: %w", b.Name, err)
	}
	got, err := scanMembers(b.JSON)
	if err != nil || got != want {
		return fmt.Errorf("scan, %s: %d members instead of %d, error %w", b.Name, got, want, err)
	}
	short := b.JSON[:len(b.JSON)-1]
	if _, err := scanMembers(short); err == nil {
		return fmt.Errorf("scan, %s: cut short, but accepted", b.Name)
	}
	if _, err := jsontextMembers(short); err == nil {
		return fmt.Errorf("jsontext, %s: cut short, but accepted", b.Name)
	}
	return nil
}

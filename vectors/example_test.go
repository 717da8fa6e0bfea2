package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"example.com/smilesig"
)

// handWritten is WRONG, on purpose. It is the verifier that many teams write: it
// reads the headers or else decodes the body into a struct, signs the timestamp and
// compares. It has no clock, no limit and no guard, and the keys of its struct match
// in any letter case.
func handWritten(header http.Header, body []byte, c credential, same func(received, own string) bool) bool {
	var pair struct{ Signature, Timestamp string }
	pair.Signature, pair.Timestamp = header.Get("Response-Signature"), header.Get("Response-Timestamp")
	if pair.Signature == "" && json.NewDecoder(bytes.NewReader(body)).Decode(&pair) != nil {
		return false
	}
	return same(pair.Signature, sign(c, pair.Timestamp))
}

// This is WRONG, on purpose: the usual hand-written verifier lets through almost half
// of what negative.json has to be refused.
func Example_wrong() {
	content, err := os.ReadFile("negative.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	var file struct{ Cases []negativeCase }
	if err := json.Unmarshal(content, &file); err != nil {
		fmt.Println(err)
		return
	}
	toRefuse, wrong := 0, 0
	for _, c := range file.Cases {
		if c.Expected != "accepted" {
			toRefuse++
			if c.naive(sameText) {
				wrong++
			}
		}
	}
	fmt.Println("accepted:", wrong, "of", toRefuse)
	// Output: accepted: 120 of 261
}

// This is right: a Verifier, which here refuses a genuine pair of yesterday that
// handWritten accepts.
func Example_right() {
	ours := credential{PartnerID: "085", APIKey: "made-up-key"}
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(smilesig.TimestampLayout)
	header := http.Header{"Response-Timestamp": {yesterday}, "Response-Signature": {sign(ours, yesterday)}}
	body := []byte(`{"ResultCode":"0810"}`) // anybody's: the signature does not cover it
	fmt.Println("hand-written:", handWritten(header, body, ours, sameText))

	signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: ours.PartnerID, APIKey: ours.APIKey})
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: new(smilesig.MemoryGuard)}
	_, err = verifier.Verify(context.Background(), header, body)
	fmt.Println("smilesig:", smilesig.Reason(err))
	// Output:
	// hand-written: true
	// smilesig: stale
}

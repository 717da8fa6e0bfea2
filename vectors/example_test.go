package vectors_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example.com/smilesig"
)

// incorrect is a verifier as it is often written by hand. It is wrong on purpose: DO
// NOT COPY IT. It does not look at the clock or remember a pair, it reads keys in any
// letter case, and it reads the pair in the body if the headers have half of one.
func incorrect(header http.Header, body []byte, own credential, equal func(received, computed string) bool) bool {
	pair := struct{ Signature, Timestamp string }{header.Get("Response-Signature"), header.Get("Response-Timestamp")}
	if pair.Signature == "" && json.NewDecoder(bytes.NewReader(body)).Decode(&pair) != nil {
		return false
	}
	return equal(pair.Signature, sign(own, pair.Timestamp))
}

// equalText takes longer, the more of a signature was guessed right.
func equalText(received, computed string) bool { return received == computed }

// equalBytes accepts many texts of one signature, because base64 has many for the same
// bytes.
func equalBytes(received, computed string) bool {
	a, err := base64.StdEncoding.DecodeString(received)
	b, _ := base64.StdEncoding.DecodeString(computed)
	return err == nil && hmac.Equal(a, b)
}

// careful knows some of the traps: it looks at the clock, at the length and at the
// encoding, and compares in constant time. It is still wrong.
func careful(header http.Header, body []byte, own credential, s settings, now time.Time) bool {
	if header.Get("Content-Encoding") != "" || int64(len(body)) > s.MaxBytes {
		return false
	}
	pair := struct{ Signature, Timestamp string }{header.Get("Response-Signature"), header.Get("Response-Timestamp")}
	if pair.Signature == "" && json.Unmarshal(body, &pair) != nil {
		return false
	}
	signedAt, err := time.Parse(time.RFC3339, pair.Timestamp)
	age := now.Sub(signedAt)
	fresh := err == nil && age <= s.maxAge() && age >= -s.maxSkew()
	return fresh && hmac.Equal([]byte(pair.Signature), []byte(sign(own, pair.Timestamp)))
}

// correct is what to write instead. In a server, use verifier.Handler.
func correct(header http.Header, body []byte, verifier *smilesig.Verifier) bool {
	_, err := verifier.Verify(context.Background(), "/callbacks", header, body)
	return err == nil
}

// This example is incorrect on purpose. It counts the deliveries in negative.json that
// must be refused, and how many of them are accepted by two verifiers written by hand.
// README.md says which.
func Example_incorrect() {
	all := countAccepted()["all"]
	fmt.Println("to be refused:", all.cases)
	fmt.Println("accepted by incorrect with equalText:", all.text)
	fmt.Println("accepted by incorrect with equalBytes:", all.bytes)
	fmt.Println("accepted by careful:", all.careful)
	fmt.Println("accepted by correct:", all.correct)
	// Output:
	// to be refused: 266
	// accepted by incorrect with equalText: 124
	// accepted by incorrect with equalBytes: 133
	// accepted by careful: 45
	// accepted by correct: 0
}

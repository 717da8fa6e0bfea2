package smilesigtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"

	"example.com/smilesig"
)

// A reply is the answer to a request and what is recorded about it.
type reply struct {
	status  int
	body    map[string]any // nil is no body
	verdict string
	then    func() // what the request sets going, if anything, once it is recorded
}

func accepted(body map[string]any) reply {
	return reply{status: http.StatusOK, body: body, verdict: "accepted"}
}

// refused is an answer that has no code of Smile ID's.
func refused(status int, why string) reply {
	return reply{status: status, body: map[string]any{"error": http.StatusText(status)}, verdict: why}
}

// Smile ID's codes for a pair that it does not accept [docs].
const (
	codeInvalid     = "2204" // data missing or of the wrong type
	codeDenied      = "2205" // the signature does not match
	codeDeniedQuery = "2405" // the same, where an ID is looked up
)

// denied answers as Smile ID does; its member names are known from third parties.
func denied(code, why string) reply {
	text := "You are not authorized to do that."
	if code == codeInvalid {
		text = "A parameter is missing or of the wrong data type."
	}
	return reply{status: http.StatusBadRequest, body: map[string]any{"code": code, "error": text}, verdict: code + ": " + why}
}

// A Tampering is what a [Server] does to the pair of an answer.
type Tampering int

const (
	Untampered  Tampering = iota
	WrongPair             // signed with a key that is not the partner's
	NoPair                // left out
	UnkeyedHash           // a hash without a key, which anyone can make; one of Smile ID's samples has it
)

// signed returns body with a pair for now.
func (s *Server) signed(body map[string]any, t Tampering) map[string]any {
	timestamp := s.now().UTC().Format(smilesig.TimestampLayout)
	body = maps.Clone(body)
	body["timestamp"] = timestamp
	body["signature"] = signature(s.credential, timestamp)
	switch t {
	case WrongPair:
		other := s.credential
		other.APIKey += "-forged"
		body["signature"] = signature(other, timestamp)
	case NoPair:
		delete(body, "timestamp")
		delete(body, "signature")
	case UnkeyedHash:
		hash := sha256.Sum256([]byte("1:" + timestamp))
		body["signature"] = hex.EncodeToString(hash[:])
	}
	return body
}

// signature is written here once more, apart from smilesig's, so that the one
// checks the other.
func signature(c smilesig.Credential, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APIKey))
	mac.Write([]byte(timestamp + c.PartnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// genuine reports whether the pair is the partner's.
func (s *Server) genuine(timestamp, received string) bool {
	return hmac.Equal([]byte(signature(s.credential, timestamp)), []byte(received))
}

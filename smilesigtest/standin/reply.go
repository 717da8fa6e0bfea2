package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"example.com/smilesig"
)

// A call is a request that has been read.
type call struct {
	*http.Request
	path  string // without doubled or trailing slashes
	body  []byte
	steps []string // what was checked and holds
}

// holds adds to what was checked.
func (c *call) holds(step string) { c.steps = append(c.steps, step) }

// A reply is the answer to a request and what is recorded about it.
type reply struct {
	status  int
	header  http.Header
	body    any // nil means no body
	verdict string
	then    func() // what the request starts once it is recorded; may be nil
}

func accepted(body any) reply {
	return reply{status: http.StatusOK, body: body, verdict: "accepted"}
}

// remarking adds to the verdict, unless the remark is empty.
func (a reply) remarking(remark string) reply {
	if remark != "" {
		a.verdict += "; " + remark
	}
	return a
}

// refused returns an answer without a code of Smile ID. v3 has an envelope of its
// own.
func (c *call) refused(status int, why string) reply {
	a := reply{status: status, body: map[string]string{"error": http.StatusText(status)}, verdict: why}
	if strings.HasPrefix(c.path, "/v3/") {
		a.body = map[string]string{"status": http.StatusText(status), "message": http.StatusText(status)}
	}
	return a
}

func (c *call) notAllowed(method string) reply {
	a := c.refused(http.StatusMethodNotAllowed, "the endpoint takes "+method+" only")
	a.header = http.Header{"Allow": {method}}
	return a
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
	return reply{status: http.StatusBadRequest, body: map[string]string{"code": code, "error": text}, verdict: code + ": " + why}
}

// A Tampering is what a [Server] does to the pair of an answer.
type Tampering int

const (
	Untampered  Tampering = iota
	WrongPair             // signed with a key that is not the partner's
	NoPair                // left out
	UnkeyedHash           // a hash without a key, which anyone can make; one of Smile ID's samples has it
)

// pair returns the pair for now, or nil for NoPair.
func (s *Server) pair(t Tampering) *smilesig.Pair {
	timestamp := s.now().UTC().Format(smilesig.TimestampLayout)
	switch t {
	case WrongPair:
		other := s.credential
		other.APIKey += "-forged"
		return &smilesig.Pair{Timestamp: timestamp, Signature: signature(other, timestamp)}
	case NoPair:
		return nil
	case UnkeyedHash:
		hash := sha256.Sum256([]byte("1:" + timestamp))
		return &smilesig.Pair{Timestamp: timestamp, Signature: hex.EncodeToString(hash[:])}
	}
	return &smilesig.Pair{Timestamp: timestamp, Signature: signature(s.credential, timestamp)}
}

// signed returns body, an object with members, with a pair for now before them.
func (s *Server) signed(body any, t Tampering) json.RawMessage {
	object, _ := json.Marshal(body) // made of texts and JSON
	pair := s.pair(t)
	if pair == nil {
		return object
	}
	start, _ := json.Marshal(pair)
	return slices.Concat(start[:len(start)-1], []byte(","), object[1:])
}

// signature is written here apart from smilesig's code, so that each checks the
// other.
func signature(c smilesig.Credential, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APIKey))
	mac.Write([]byte(timestamp + c.PartnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// genuine reports whether the pair is the partner's.
func (s *Server) genuine(timestamp, received string) bool {
	return hmac.Equal([]byte(signature(s.credential, timestamp)), []byte(received))
}

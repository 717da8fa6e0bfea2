package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"example.com/smilesig"
)

// A Tampering is what a [Server] does to the pair of an answer.
type Tampering int

const (
	Untampered  Tampering = iota
	WrongPair             // signed with a key that is not the partner's
	NoPair                // left out
	UnkeyedHash           // a hash without a key, which anyone can make; one of Smile ID's samples has it
)

// pair returns a pair of a credential for now, or nil for NoPair.
func (s *Server) pair(c smilesig.Credential, t Tampering) *smilesig.Pair {
	timestamp := s.now().UTC().Format(smilesig.TimestampLayout)
	switch t {
	case WrongPair:
		c.APIKey += "-forged"
	case NoPair:
		return nil
	case UnkeyedHash:
		hash := sha256.Sum256([]byte("1:" + timestamp))
		return &smilesig.Pair{Timestamp: timestamp, Signature: hex.EncodeToString(hash[:])}
	}
	return &smilesig.Pair{Timestamp: timestamp, Signature: signature(c, timestamp)}
}

// signed returns body, an object with members, with a pair for now before them.
func (s *Server) signed(body any, t Tampering) json.RawMessage {
	object, _ := json.Marshal(body) // made of texts and JSON
	pair := s.pair(s.credential, t)
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

// judgePairInBody lets a request through if its JSON has the partner's ID and pair.
func (s *Server) judgePairInBody(c *call) *reply {
	partner := "partner_id"
	if c.path == "/v1/upload" {
		partner = "smile_client_id"
	}
	err := json.Unmarshal(c.body, &c.object)
	id, timestamp, signature := c.object.text(partner), c.object.text("timestamp"), c.object.text("signature")
	switch {
	case err != nil || c.object == nil:
		return denied(codeInvalid, "the body is not a JSON object")
	case id == "":
		return denied(codeInvalid, "no "+partner+" that is a string")
	case timestamp == "" || signature == "":
		return denied(codeInvalid, "no timestamp and signature that are strings")
	}
	c.holds("the body is a JSON object with " + partner + ", timestamp and signature")
	signedFor, err := smilesig.ParseTimestamp(timestamp)
	if err != nil {
		return denied(codeInvalid, "the timestamp is none that Smile ID's SDKs write")
	}
	return s.confirm(c, id, timestamp, signature, signedFor)
}

// judgePairInHeader lets a request through if it has the partner's ID and pair in
// its headers. It accepts one layout of the timestamp only, because Smile ID may
// check a timestamp in headers more strictly than one in a body.
func (s *Server) judgePairInHeader(c *call) *reply {
	for _, name := range []string{"SmileID-Partner-ID", "SmileID-Timestamp", "SmileID-Request-Signature"} {
		if len(c.Header.Values(name)) != 1 {
			return denied(codeInvalid, "not one "+name)
		}
	}
	c.holds("each of the three headers is there once")
	timestamp := c.Header.Get("SmileID-Timestamp")
	signedFor, err := time.Parse(smilesig.TimestampLayout, timestamp)
	if err != nil || signedFor.Format(smilesig.TimestampLayout) != timestamp {
		return denied(codeInvalid, "the timestamp has another layout")
	}
	return s.confirm(c, c.Header.Get("SmileID-Partner-ID"), timestamp, c.Header.Get("SmileID-Request-Signature"), signedFor)
}

// A timestamp of local time is off by less than this.
const largestOffset = 15 * time.Hour

// confirm checks who signed, and when. How old a request may be is not known. So
// the limits are those of a Verifier, and a bad age is a fault only with
// RefuseStale.
func (s *Server) confirm(c *call, partnerID, timestamp, received string, signedFor time.Time) *reply {
	code := codeDenied
	if c.route.proof == pairInBody && c.route.product != "" && c.path != "/v1/upload" {
		code = codeDeniedQuery
	}
	if partnerID != s.credential.PartnerID {
		return denied(code, "another partner")
	}
	c.holds("the partner ID is ours")
	if !equal(signature(s.credential, timestamp), received) {
		return denied(code, "the signature does not match")
	}
	c.holds("the signature matches")
	age := s.now().Sub(signedFor).Round(time.Millisecond)
	if age <= smilesig.DefaultMaxAge && -age <= smilesig.DefaultMaxSkew {
		c.holds("the timestamp is recent")
		return nil
	}
	odd := fmt.Sprintf("the timestamp is %v old", age)
	if age < 0 {
		odd = fmt.Sprintf("the timestamp is %v ahead", -age)
	}
	if age.Abs() < largestOffset {
		odd += ": is it local time?"
	}
	if s.RefuseStale {
		return denied(code, odd)
	}
	c.remark(odd)
	return nil
}

func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

package standin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/internal/smileid"
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

// tokenLife is how long a token is good for [docs].
const tokenLife = 15 * time.Minute

// An issued token, and what is bound into it. A token is looked up in this list; it
// has no signature.
type issued struct {
	token, userID, product  string
	callbackID, callbackURL string // the name that the token shows, and what stands behind it
	expires                 time.Time
}

var withoutZeros = regexp.MustCompile(`^[1-9]\d*$`)

func (s *Server) bareID() string { return strings.TrimLeft(s.credential.PartnerID, "0") }

// judgeAPIKey looks at the headers of POST /v3/token [spec].
func (s *Server) judgeAPIKey(c *call) *reply {
	partnerID, key := c.Header.Get("smileid-partner-id"), c.Header.Get("smileid-api-key")
	switch {
	case partnerID == "":
		return v3Refused(http.StatusBadRequest, "smileid-partner-id header is required.")
	case !withoutZeros.MatchString(partnerID):
		return v3Refused(http.StatusBadRequest, "smileid-partner-id must be numeric with no leading zeros.")
	case key == "":
		return v3Refused(http.StatusBadRequest, "smileid-api-key header is required.")
	case partnerID != s.bareID():
		return v3Unauthorized("another partner")
	case !equal(key, s.credential.APIKey):
		return v3Unauthorized("another API key")
	}
	c.holds("the partner ID, without leading zeros, and the API key are ours")
	return nil
}

func v3Unauthorized(why string) *reply {
	return v3Refused(http.StatusUnauthorized, "Invalid authentication credentials.").because(why)
}

// giveToken answers POST /v3/token. What identifies a person is bound into the
// token under an opaque name, and so is the callback_url [spec].
func (s *Server) giveToken(c *call) *reply {
	t := issued{userID: c.form["user_id"], product: c.form["product"]}
	shown := members{}
	payload, named := c.form["payload"], len(t.userID)+len(t.product)
	if payload != "" && json.Unmarshal([]byte(payload), &shown) != nil || len(payload) > largestURL || named > largestName {
		return v3Refused(http.StatusBadRequest, "Field 'payload' is invalid.")
	}
	for name := range shown {
		switch value := shown.text(name); name {
		case "id_type":
		case "country":
			if !countryCode.MatchString(value) {
				return missing(name)
			}
		case "consent":
			if refusal := judgeConsent(shown[name]); refusal != nil {
				return refusal
			}
		case "callback_url":
			url, refusal := s.v3CallbackURL(c, value)
			if refusal != nil || url == "" {
				return missing(name).because("no callback_url that v3 takes")
			}
			t.callbackURL, t.callbackID = url, smileid.NewTypeID("callback")
			shown[name], _ = json.Marshal(t.callbackID)
		default:
			shown[name], _ = json.Marshal(smileid.NewTypeID("pii"))
		}
	}
	return accepted(http.StatusOK, map[string]string{"token": s.issue(t, shown)})
}

// webToken answers with a token for the web SDK, made like those of /v3/token.
func (s *Server) webToken(*call) *reply {
	return accepted(http.StatusOK, map[string]any{"success": true, "token": s.issue(issued{}, nil)})
}

// issue returns a JWT, because Smile ID's SDKs read exp [sdk]. Its last part is no
// signature.
func (s *Server) issue(t issued, payload members) string {
	t.expires = s.now().Add(tokenLife)
	claims, _ := json.Marshal(map[string]any{
		"iss": "smilesig standin; made up, good for tests only", "partner_id": s.bareID(), "user_id": t.userID,
		"product": t.product, "payload": payload, "iat": s.now().Unix(), "exp": t.expires.Unix(),
	})
	base64url := base64.RawURLEncoding.EncodeToString
	t.token = base64url([]byte(`{"alg":"none-made-for-tests","typ":"JWT"}`)) + "." + base64url(claims) + "." + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = newest(append(s.tokens, t), s.Keep)
	return t.token
}

// boundURL returns the URL behind a name that a token shows.
func (s *Server) boundURL(name string) (url string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tokens, func(t issued) bool { return name != "" && t.callbackID == name })
	if i < 0 {
		return "", false
	}
	return s.tokens[i].callbackURL, true
}

// judgeToken looks at the token of a request to v3.
func (s *Server) judgeToken(c *call) *reply {
	given := c.Header.Get("SmileID-Token")
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tokens, func(t issued) bool { return equal(t.token, given) })
	switch {
	case given == "":
		return v3Unauthorized("no SmileID-Token")
	case i < 0:
		return v3Unauthorized("a token that is not from this stand-in")
	case !s.now().Before(s.tokens[i].expires):
		return v3Unauthorized("the token has expired")
	}
	c.issued = s.tokens[i]
	c.holds("the token is genuine and fresh")
	if of := c.issued.product; of != "" && c.route.product != "" && of != c.route.product {
		c.remark("the token is for another product; what Smile ID says to that is not known")
	}
	return nil
}

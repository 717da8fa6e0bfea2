package standin

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"example.com/smilesig/smilesigtest/internal/smileid"
)

// tokenLife is how long a token is good for [docs].
const tokenLife = 15 * time.Minute

// claims are what a token says. Smile ID's tokens are opaque, except for exp: its
// SDKs read that [sdk].
type claims struct {
	Issuer    string            `json:"iss"`
	PartnerID string            `json:"partner_id"`
	UserID    string            `json:"user_id,omitempty"`
	Product   string            `json:"product,omitempty"`
	Payload   map[string]string `json:"payload,omitempty"` // what is bound into it
	IssuedAt  int64             `json:"iat"`
	Expires   int64             `json:"exp"`
}

const issuer = "smilesig standin; made up, good for tests only"

// A binding is the URL that stands behind an opaque name in tokens.
type binding struct{ name, callbackURL string }

var withoutZeros = regexp.MustCompile(`^[1-9]\d*$`)

// token answers POST /v3/token. Such a request has the API key itself in a
// header.
func (s *Server) token(c *call) reply {
	partnerID, key := c.Header.Get("smileid-partner-id"), c.Header.Get("smileid-api-key")
	switch {
	case partnerID == "":
		return v3Refused(http.StatusBadRequest, "smileid-partner-id header is required.")
	case !withoutZeros.MatchString(partnerID):
		return v3Refused(http.StatusBadRequest, "smileid-partner-id must be numeric with no leading zeros.")
	case key == "":
		return v3Refused(http.StatusBadRequest, "smileid-api-key header is required.")
	case partnerID != strings.TrimLeft(s.credential.PartnerID, "0"):
		return v3Unauthorized("another partner")
	case !hmac.Equal([]byte(key), []byte(s.credential.APIKey)):
		return v3Unauthorized("another API key")
	}
	c.holds("the partner ID, without leading zeros, and the API key are ours")
	form, refusal := v3Form(c, optional)
	if refusal != nil {
		return *refusal
	}
	bound, refusal := s.bind(form.text("payload"))
	if refusal != nil {
		return *refusal
	}
	return accepted(map[string]string{"token": s.newToken(&claims{
		UserID: form.text("user_id"), Product: form.text("product"), Payload: bound,
	})})
}

// bind returns the payload of a token as the token shows it. Opaque names stand
// for the callback_url and for what identifies a person.
func (s *Server) bind(payload string) (shown map[string]string, refusal *reply) {
	if payload == "" {
		return nil, nil
	}
	var m members
	if json.Unmarshal([]byte(payload), &m) != nil || len(payload) > largestKept {
		a := v3Refused(http.StatusBadRequest, "Field 'payload' is invalid.")
		return nil, &a
	}
	shown = map[string]string{}
	for name := range m {
		switch name {
		case "country", "id_type":
			shown[name] = m.text(name)
		case "callback_url":
			url, remark, fault := s.v3CallbackURL(m.text(name))
			if url == "" {
				a := v3Refused(http.StatusBadRequest, "Field 'payload.callback_url' is invalid.").remarking(cmp.Or(fault, remark))
				return nil, &a
			}
			shown[name] = s.addBinding(url)
		default:
			shown[name] = smileid.NewTypeID("pii")
		}
	}
	return shown, nil
}

func (s *Server) addBinding(url string) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = smileid.NewTypeID("callback")
	s.bindings = newest(append(s.bindings, binding{name, url}), s.Keep)
	return name
}

func (s *Server) boundURL(name string) (url string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bindings {
		if b.name == name {
			return b.callbackURL, true
		}
	}
	return "", false
}

// newToken returns a JWT that is good for 15 minutes. Only this Server can make
// and check its last part. That part says that it was made for tests.
func (s *Server) newToken(c *claims) string {
	if c == nil {
		c = new(claims)
	}
	c.Issuer, c.PartnerID = issuer, strings.TrimLeft(s.credential.PartnerID, "0")
	c.IssuedAt, c.Expires = s.now().Unix(), s.now().Add(tokenLife).Unix()
	text, _ := json.Marshal(c) // texts and numbers
	signed := base64url([]byte(`{"alg":"none-made-for-tests","typ":"JWT"}`)) + "." + base64url(text)
	return signed + "." + s.tokenMAC(signed)
}

func (s *Server) tokenMAC(signed string) string {
	mac := hmac.New(sha256.New, s.tokenSecret)
	mac.Write([]byte(signed))
	return base64url(mac.Sum([]byte("made-for-tests:")))
}

func newTokenSecret() []byte { return []byte(rand.Text()) }

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// readToken returns the claims of the request's token, or why it has none.
func (s *Server) readToken(c *call) (claims, string) {
	token := c.Header.Get("SmileID-Token")
	if token == "" {
		return claims{}, "no SmileID-Token"
	}
	end := strings.LastIndex(token, ".")
	if end < 0 || !hmac.Equal([]byte(token[end+1:]), []byte(s.tokenMAC(token[:end]))) {
		return claims{}, "a token that is not from this stand-in"
	}
	_, payload, _ := strings.Cut(token[:end], ".")
	text, _ := base64.RawURLEncoding.DecodeString(payload) // ours
	var read claims
	json.Unmarshal(text, &read)
	if s.now().Unix() >= read.Expires {
		return claims{}, "the token has expired"
	}
	c.holds("the token is genuine and fresh")
	return read, ""
}

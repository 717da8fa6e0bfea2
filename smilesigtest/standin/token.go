package standin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/smilesig/smilesigtest/internal/smileid"
)

// tokenLife is how long a token is good for [docs].
const tokenLife = 15 * time.Minute

// An issued token, and what is bound into it. The Server knows its tokens by heart.
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
	if payload := c.form["payload"]; payload != "" && (json.Unmarshal([]byte(payload), &shown) != nil || len(payload) > largestParams) {
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

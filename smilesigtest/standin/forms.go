package standin

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A form has the parts of a multipart body that are not files.
type form map[string]string

func isMultipart(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == "multipart/form-data"
}

// readForm reads a multipart body, the only kind that v3 takes [spec].
func (c *call) readForm() *reply {
	isOptional := c.path == "/v3/token" || strings.HasPrefix(c.path, "/v3/replay/")
	if len(c.body) == 0 && isOptional {
		return nil
	}
	if !isMultipart(c.Header) {
		return v3Refused(http.StatusUnsupportedMediaType, "Unsupported Media Type. Required Content-Type is multipart/form-data")
	}
	_, params, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
	c.form = form{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			c.holds("the body is multipart/form-data")
			return nil
		}
		var value []byte
		if err == nil && part.FileName() == "" {
			value, err = io.ReadAll(part)
			c.form[part.FormName()] = string(value)
		}
		if err != nil { // it may quote the body
			return v3Refused(http.StatusBadRequest, "Invalid request.").because("the multipart body cannot be read")
		}
	}
}

// partnerParams returns partner_params with the sandbox_result that some requests
// have beside it [sdk, spec]. Its values must be texts [spec].
func (f form) partnerParams() (params json.RawMessage, ok bool) {
	text, asked := f["partner_params"], f["sandbox_result"]
	if text == "" && asked == "" {
		return nil, true
	}
	values := members{}
	if text != "" && (len(text) > largestParams || json.Unmarshal([]byte(text), &values) != nil || values == nil) {
		return nil, false
	}
	for _, value := range values {
		if value[0] != '"' {
			return nil, false
		}
	}
	if asked != "" && values["sandbox_result"] == nil {
		values["sandbox_result"], _ = json.Marshal(asked)
	}
	params, _ = json.Marshal(values)
	return params, true
}

var (
	countryCode    = regexp.MustCompile(`^[A-Z]{2}$`)
	idempotencyKey = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)
)

// judgeFields refuses what v3 refuses in the fields that a request has [spec]. It
// does not ask for what is not there, so that a test can be short.
func (c *call) judgeFields() *reply {
	_, isSandboxResult := outcomesFor(c.form["sandbox_result"], c.route.product)
	var countries []string
	json.Unmarshal([]byte(c.form["countries"]), &countries)
	isNoCountry := func(code string) bool { return !countryCode.MatchString(code) }
	key := c.Header.Get("SmileID-Idempotency-Key")
	switch {
	case c.form["country"] != "" && isNoCountry(c.form["country"]):
		return missing("country")
	case c.form["countries"] != "" && (len(countries) == 0 || slices.ContainsFunc(countries, isNoCountry)):
		return missing("countries")
	case !isSandboxResult:
		return v3Refused(http.StatusBadRequest, "Field 'sandbox_result' is invalid.")
	case key != "" && !idempotencyKey.MatchString(key):
		return v3Refused(http.StatusBadRequest, "SmileID-Idempotency-Key is invalid.")
	case c.form["consent"] != "":
		return judgeConsent([]byte(c.form["consent"]))
	}
	return nil
}

// judgeConsent refuses a consent that is not whole [spec].
func judgeConsent(object []byte) *reply {
	var consent struct {
		Granted   bool      `json:"granted"`
		GrantedAt time.Time `json:"granted_at"`
		Language  string    `json:"notice_language"`
		PolicyURL string    `json:"notice_privacy_policy_url"`
	}
	json.Unmarshal(object, &consent) // what cannot be read is missing
	switch {
	case !consent.Granted:
		return missing("consent.granted")
	case consent.GrantedAt.IsZero():
		return missing("consent.granted_at")
	case len(consent.Language) != 2:
		return missing("consent.notice_language")
	case !strings.HasPrefix(consent.PolicyURL, "http"):
		return missing("consent.notice_privacy_policy_url")
	}
	return nil
}

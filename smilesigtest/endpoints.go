package smilesigtest

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"

	"example.com/smilesig"
)

// answer answers a request to the API. Its paths stand here apart from those of
// smilesig, so that the one checks the other.
func (s *Server) answer(r *http.Request, body []byte) reply {
	endpoint := path.Clean("/" + r.URL.Path)
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return s.services(endpoint)
	case http.MethodPost:
	default:
		return refused(http.StatusMethodNotAllowed, "no endpoint takes this method")
	}
	switch endpoint {
	case "/v1/upload":
		return s.inBody(body, "smile_client_id", codeDenied, s.prepareUpload)
	case "/v1/job_status":
		return s.inBody(body, "partner_id", codeDenied, s.jobStatus)
	case "/v1/id_verification", "/v2/verify", "/v1/business_verification", "/v1/aml":
		return s.inBody(body, "partner_id", codeDeniedQuery, s.verifyNow)
	case "/v1/async_id_verification", "/v1/async_business_verification", "/v2/verify_async":
		return s.inBody(body, "partner_id", codeDeniedQuery, s.verifyLater)
	case "/v1/auth_smile":
		return s.authSmile(body)
	case "/v2/smart-selfie-enroll", "/v2/smart-selfie-authentication", "/v2/smart-selfie-compare",
		"/v2/verify-phone-number", "/v2/async-verify-phone",
		"/v1/async-verify-address", "/v2/async-verify-address":
		return s.inHeader(r.Header)
	case "/api/v2/partner/wallet_balance", "/api/v2/partner/id_status":
		return s.inBody(body, "partner_id", codeDenied, success)
	}
	switch {
	case strings.HasPrefix(endpoint, "/v1/"), strings.HasPrefix(endpoint, "/v2/"):
		return s.inBody(body, "partner_id", codeDenied, success)
	case strings.HasPrefix(endpoint, "/v3/"):
		return success(nil)
	}
	return refused(http.StatusNotFound, "no such endpoint")
}

// members is a JSON object.
type members map[string]json.RawMessage

// text returns a member's value; "" if it is missing, null or no string.
func (m members) text(name string) string {
	var text string
	if json.Unmarshal(m[name], &text) != nil {
		return ""
	}
	return text
}

// inBody lets a request through whose JSON has the partner ID, in the member
// named partner, and the partner's pair.
func (s *Server) inBody(body []byte, partner, codeDenied string, then func(members) reply) reply {
	var m members
	if json.Unmarshal(body, &m) != nil {
		return denied(codeInvalid, "the body is not a JSON object")
	}
	if m.text(partner) == "" {
		return denied(codeInvalid, "no "+partner+" that is a string")
	}
	if m.text("timestamp") == "" || m.text("signature") == "" {
		return denied(codeInvalid, "no timestamp and signature that are strings")
	}
	if _, err := smilesig.ParseTimestamp(m.text("timestamp")); err != nil {
		return denied(codeInvalid, "the timestamp is none that Smile ID's SDKs write")
	}
	if m.text(partner) != s.credential.PartnerID {
		return denied(codeDenied, "another partner")
	}
	if !s.genuine(m.text("timestamp"), m.text("signature")) {
		return denied(codeDenied, "the signature does not match")
	}
	return then(m)
}

// inHeader lets a request through with the partner ID and the partner's pair in
// its headers. Their timestamp has one layout only, because it may be checked more
// strictly than one in a body.
func (s *Server) inHeader(h http.Header) reply {
	for _, name := range []string{"SmileID-Partner-ID", "SmileID-Timestamp", "SmileID-Request-Signature"} {
		if len(h.Values(name)) != 1 {
			return denied(codeInvalid, "not one "+name)
		}
	}
	timestamp := h.Get("SmileID-Timestamp")
	t, err := time.Parse(smilesig.TimestampLayout, timestamp)
	switch {
	case err != nil || t.Format(smilesig.TimestampLayout) != timestamp:
		return denied(codeInvalid, "the timestamp has another layout")
	case h.Get("SmileID-Partner-ID") != s.credential.PartnerID:
		return denied(codeDenied, "another partner")
	case !s.genuine(timestamp, h.Get("SmileID-Request-Signature")):
		return denied(codeDenied, "the signature does not match")
	}
	return success(nil)
}

func success(members) reply { return accepted(map[string]any{"success": true}) }

func (s *Server) services(endpoint string) reply {
	if endpoint != "/v1/services" {
		return success(nil)
	}
	return accepted(map[string]any{
		"id_types": map[string]any{"NG": map[string]any{"BVN": []string{"country", "id_type", "id_number"}}},
	})
}

func (s *Server) verifyNow(m members) reply {
	return accepted(s.signed(map[string]any{
		"SmileJobID":    s.addJob(&job{}),
		"PartnerParams": m["partner_params"],
		"ResultText":    "Exact Match",
		"ResultCode":    "1020",
		"Actions":       map[string]string{"Verify_ID_Number": "Verified"},
	}, Untampered))
}

func (s *Server) verifyLater(m members) reply {
	j := newJob(m)
	s.addJob(j)
	a := success(m)
	a.then = func() { s.complete(j) }
	return a
}

// authSmile wants the boolean that says that a pair is asked for.
func (s *Server) authSmile(body []byte) reply {
	var request struct{ Signature bool }
	if json.Unmarshal(body, &request) != nil || !request.Signature {
		return denied(codeInvalid, `no "signature": true`)
	}
	return accepted(s.signed(map[string]any{
		"success": true, "partner_id": s.credential.PartnerID,
	}, Untampered))
}

func (s *Server) jobStatus(m members) reply {
	j := s.completeJob(m.text("user_id"), m.text("job_id"))
	answer := map[string]any{"code": "2302", "job_complete": j != nil, "job_success": j != nil}
	if j != nil {
		answer["result"] = j.result()
	}
	return accepted(s.signed(answer, s.JobStatus))
}

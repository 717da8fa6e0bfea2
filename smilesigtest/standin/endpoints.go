package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// An endpoint takes one method. A GET endpoint takes HEAD, too.
type endpoint struct {
	method string
	answer func(*Server, *call) reply
}

// endpoints is written apart from the table of smilesig, so that each checks the
// other. A path that ends in /* stands for every path below it.
var endpoints = map[string]endpoint{
	"/v1/upload":                      post(inBody("smile_client_id", codeDenied, (*Server).prepareUpload)),
	"/v1/job_status":                  post(inBody("partner_id", codeDenied, (*Server).jobStatus)),
	"/v1/id_verification":             post(verifyNow("enhanced_kyc")),
	"/v2/verify":                      post(verifyNow("basic_kyc")),
	"/v1/business_verification":       post(verifyNow("business_verification")),
	"/v1/aml":                         post(verifyNow("aml_check")),
	"/v1/async_id_verification":       post(verifyLater("enhanced_kyc")),
	"/v1/async_business_verification": post(verifyLater("business_verification")),
	"/v2/verify_async":                post(verifyLater("basic_kyc")),
	"/v1/token":                       post(inBody("partner_id", codeDenied, (*Server).webToken)),
	"/v1/smile_links":                 succeed,
	"/v1/smile_links/*":               succeed,
	"/v1/products_config":             succeed,
	"/v1/valid_documents":             succeed,
	"/v1/totp_consent":                succeed,
	"/v1/totp_consent/*":              succeed,
	"/v1/backfill_users":              succeed,
	"/api/v2/partner/wallet_balance":  succeed,
	"/api/v2/partner/id_status":       succeed,
	"/v1/auth_smile":                  post((*Server).authSmile),
	"/v1/services":                    get((*Server).services),

	"/v2/smart-selfie-enroll":         headers,
	"/v2/smart-selfie-authentication": headers,
	"/v2/smart-selfie-compare":        headers,
	"/v2/verify-phone-number":         headers,
	"/v2/async-verify-phone":          headers,
	"/v1/async-verify-address":        headers,
	"/v2/async-verify-address":        headers,

	"/v3/token":                           post((*Server).token),
	"/v3/aml/sync":                        post(v3Now("one_time_aml")),
	"/v3/enhanced_kyc/sync":               post(v3Now("enhanced_kyc")),
	"/v3/aml":                             post(v3Later("one_time_aml")),
	"/v3/aml/monitoring":                  post(v3Later("aml")),
	"/v3/address":                         post(v3Later("address_verification")),
	"/v3/authentication":                  post(v3Later("smart_selfie_authentication")),
	"/v3/biometric_kyc":                   post(v3Later("biometric_kyc")),
	"/v3/compare":                         post(v3Later("smart_selfie_compare")),
	"/v3/document_verification":           post(v3Later("document_verification")),
	"/v3/enhanced_document_verification":  post(v3Later("enhanced_document_verification")),
	"/v3/enhanced_kyc":                    post(v3Later("enhanced_kyc")),
	"/v3/registration":                    post(v3Later("smart_selfie_registration")),
	"/v3/residency_document_verification": post(v3Later("residency_document_verification")),
	"/v3/status/*":                        get((*Server).v3Status),
	"/v3/replay/*":                        post((*Server).v3Replay),
	"/v3/users/*":                         post((*Server).v3ReportFraud),
	"/v3/services/*":                      get((*Server).v3Services),
}
var (
	succeed = post(inBody("partner_id", codeDenied, (*Server).succeed))
	headers = post((*Server).inHeader)
)

func post(answer func(*Server, *call) reply) endpoint { return endpoint{http.MethodPost, answer} }
func get(answer func(*Server, *call) reply) endpoint  { return endpoint{http.MethodGet, answer} }

// findEndpoint returns the endpoint at a path.
func findEndpoint(path string) (endpoint, bool) {
	if e, ok := endpoints[path]; ok {
		return e, true
	}
	for above := path; strings.Contains(above[1:], "/"); {
		above = above[:strings.LastIndex(above, "/")]
		if e, ok := endpoints[above+"/*"]; ok {
			return e, true
		}
	}
	return endpoint{}, false
}

// answer answers a request to the API.
func (s *Server) answer(c *call) reply {
	e, ok := findEndpoint(c.path)
	switch {
	case !ok:
		return c.refused(http.StatusNotFound, noEndpoint)
	case c.Method != e.method && !(c.Method == http.MethodHead && e.method == http.MethodGet):
		return c.notAllowed(e.method)
	}
	return e.answer(s, c)
}

const noEndpoint = "the stand-in has no such endpoint"

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

// inBody lets a request through if its JSON has the partner's pair, and the
// partner ID in the member named partner.
func inBody(partner, codeDenied string, then func(*Server, *call, members) reply) func(*Server, *call) reply {
	return func(s *Server, c *call) reply {
		var m members
		if json.Unmarshal(c.body, &m) != nil || m == nil {
			return denied(codeInvalid, "the body is not a JSON object")
		}
		if m.text(partner) == "" {
			return denied(codeInvalid, "no "+partner+" that is a string")
		}
		if m.text("timestamp") == "" || m.text("signature") == "" {
			return denied(codeInvalid, "no timestamp and signature that are strings")
		}
		c.holds("the body is a JSON object with " + partner + ", timestamp and signature")
		signedFor, err := smilesig.ParseTimestamp(m.text("timestamp"))
		if err != nil {
			return denied(codeInvalid, "the timestamp is none that Smile ID's SDKs write")
		}
		remark, fault := s.confirm(c, m.text(partner), m.text("timestamp"), m.text("signature"), signedFor)
		if fault != "" {
			return denied(codeDenied, fault)
		}
		return then(s, c, m).remarking(remark)
	}
}

// inHeader lets a request through with the partner ID and the partner's pair in
// its headers. It accepts one layout of the timestamp only, because Smile ID may
// check a timestamp in headers more strictly than one in a body.
func (s *Server) inHeader(c *call) reply {
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
	remark, fault := s.confirm(c, c.Header.Get("SmileID-Partner-ID"), timestamp, c.Header.Get("SmileID-Request-Signature"), signedFor)
	if fault != "" {
		return denied(codeDenied, fault)
	}
	return s.succeed(c, nil).remarking(remark)
}

// confirm checks who signed, and when. How old a request may be is not known. So
// the limits are those of a Verifier, and a bad age is a fault only with
// RefuseStale.
func (s *Server) confirm(c *call, partnerID, timestamp, signature string, signedFor time.Time) (remark, fault string) {
	if partnerID != s.credential.PartnerID {
		return "", "another partner"
	}
	c.holds("the partner ID is ours")
	if !s.genuine(timestamp, signature) {
		return "", "the signature does not match"
	}
	c.holds("the signature matches")
	age := s.now().Sub(signedFor).Round(time.Millisecond)
	switch {
	case age > smilesig.DefaultMaxAge:
		remark = fmt.Sprintf("the timestamp is %v old: is it local time?", age)
	case -age > smilesig.DefaultMaxSkew:
		remark = fmt.Sprintf("the timestamp is %v ahead: is it local time?", -age)
	default:
		c.holds("the timestamp is recent")
	}
	if s.RefuseStale && remark != "" {
		return "", remark
	}
	return remark, ""
}

func (s *Server) succeed(*call, members) reply { return accepted(map[string]any{"success": true}) }

func (s *Server) services(*call) reply {
	return accepted(map[string]any{
		"id_types": map[string]any{"NG": map[string]any{"BVN": []string{"country", "id_type", "id_number"}}},
	})
}

// webToken answers with a token for the web SDK, made like those of /v3/token.
func (s *Server) webToken(*call, members) reply {
	return accepted(map[string]any{"success": true, "token": s.newToken(nil)})
}

// verifyNow answers with the result. From then on, job_status reports it.
func verifyNow(product string) func(*Server, *call) reply {
	return inBody("partner_id", codeDeniedQuery, func(s *Server, c *call, m members) reply {
		j, remark, fault := s.newJob(m, product)
		if fault != "" {
			return denied(codeInvalid, fault)
		}
		if j.CallbackURL != "" && remark == "" {
			remark = "the answer has the result, so callback_url is ignored"
		}
		j.Product, j.CallbackURL = product, ""
		s.addJob(j)
		o := s.decideNow(j)
		a := accepted(s.signed(s.result(j, o), Untampered)).remarking(remark)
		a.then = func() { s.reach(j, o) }
		return a
	})
}

// result returns the body that reports the outcome o, which j may not have
// reached yet.
func (s *Server) result(j *job, o smilesigtest.Outcome) json.RawMessage {
	reported := j.Job
	if reported.Completed.IsZero() {
		reported.Completed = s.now()
	}
	return reported.Callback(s.credential, o).Body
}

// decideNow returns the last outcome. Without an outcome it returns Approved,
// because an answer cannot wait.
func (s *Server) decideNow(j *job) smilesigtest.Outcome {
	outcomes := s.decide(j)
	if len(outcomes) == 0 {
		return smilesigtest.Approved
	}
	return outcomes[len(outcomes)-1]
}

// verifyLater sends the result to the callback_url.
func verifyLater(product string) func(*Server, *call) reply {
	return inBody("partner_id", codeDeniedQuery, func(s *Server, c *call, m members) reply {
		j, remark, fault := s.newJob(m, product)
		if fault != "" {
			return denied(codeInvalid, fault)
		}
		if product != "enhanced_kyc" { // the one path with several products
			j.Product = product
		}
		s.addJob(j)
		a := accepted(map[string]any{"success": true, "smile_job_id": j.ID}).remarking(remark)
		a.then = func() { s.conclude(j, s.decide(j)) }
		return a
	})
}

// authSmile wants the boolean member that asks for a pair.
func (s *Server) authSmile(c *call) reply {
	var request struct{ Signature bool }
	if json.Unmarshal(c.body, &request) != nil || !request.Signature {
		return denied(codeInvalid, `no "signature": true`)
	}
	return accepted(s.signed(map[string]any{"success": true, "partner_id": s.credential.PartnerID}, Untampered))
}

func (s *Server) jobStatus(_ *call, m members) reply {
	j := s.decided(m.text("user_id"), m.text("job_id"))
	answer := map[string]any{"code": "2302", "job_complete": j != nil, "job_success": false}
	if j != nil {
		answer["job_success"] = slices.Contains([]smilesigtest.Outcome{smilesigtest.Approved, smilesigtest.Provisional}, j.outcome())
		answer["result"] = s.result(j, j.outcome())
	}
	return accepted(s.signed(answer, s.Answers))
}

// decided returns the decided job that has the partner's two names, or nil.
func (s *Server) decided(userID, jobID string) *job {
	return s.findJob(func(j *job) bool {
		return j.isDecided() && j.Placement == smilesig.InBody && j.UserID == userID && j.JobID == jobID
	})
}

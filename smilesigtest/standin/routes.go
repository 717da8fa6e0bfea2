package standin

import (
	"net/http"
	"path"
)

// A proof is what a request must have so that Smile ID believes it.
type proof int

const (
	noProof       proof = iota
	pairInBody          // of the JSON
	pairInHeader        // three headers
	keyInHeader         // the API key itself
	tokenInHeader       // of /v3/token
)

// A route is one method of an endpoint. Its path may have * for a segment.
type route struct {
	method, path string
	proof        proof
	product      string // of the job that a request asks for; "" if it asks for none
	isSync       bool   // the answer has the result
	answer       func(*Server, *call) *reply
}

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
)

// routes is written apart from the table of smilesig, so that each checks the
// other.
var routes = []route{
	{post, "/v1/upload", pairInBody, "biometric_kyc", false, (*Server).prepareUpload},
	{post, "/v1/job_status", pairInBody, "", true, (*Server).jobStatus},
	{post, "/v1/id_verification", pairInBody, "enhanced_kyc", true, (*Server).verify},
	{post, "/v2/verify", pairInBody, "basic_kyc", true, (*Server).verify},
	{post, "/v1/business_verification", pairInBody, "business_verification", true, (*Server).verify},
	{post, "/v1/aml", pairInBody, "aml_check", true, (*Server).verify},
	{post, "/v1/async_id_verification", pairInBody, "enhanced_kyc", false, (*Server).verify},
	{post, "/v1/async_business_verification", pairInBody, "business_verification", false, (*Server).verify},
	{post, "/v2/verify_async", pairInBody, "basic_kyc", false, (*Server).verify},
	{post, "/v1/token", pairInBody, "", true, (*Server).webToken},
	{post, "/v1/smile_links", pairInBody, "", true, (*Server).createLink},
	{put, "/v1/smile_links/*", pairInBody, "", true, (*Server).link},
	{get, "/v1/smile_links/*", noProof, "", true, (*Server).link},
	{post, "/v1/products_config", pairInBody, "", true, always("success")},
	{post, "/v1/valid_documents", pairInBody, "", true, always("success")},
	{post, "/v1/totp_consent", pairInBody, "", true, always("success")},
	{post, "/v1/totp_consent/*", pairInBody, "", true, always("success")},
	{post, "/v1/backfill_users", pairInBody, "", true, always("success")},
	{post, "/api/v2/partner/wallet_balance", pairInBody, "", true, always("success")},
	{post, "/api/v2/partner/id_status", pairInBody, "", true, always("success")},
	{post, "/v1/auth_smile", noProof, "", true, (*Server).authSmile},
	{get, "/v1/services", noProof, "", true, always("v1_services")},

	{post, "/v2/smart-selfie-enroll", pairInHeader, "smartselfie_enrollment", true, (*Server).smartSelfie},
	{post, "/v2/smart-selfie-authentication", pairInHeader, "smartselfie_authentication", true, (*Server).smartSelfie},
	{post, "/v2/smart-selfie-compare", pairInHeader, "", true, always("success")},
	{post, "/v2/verify-phone-number", pairInHeader, "", true, always("success")},
	{post, "/v2/async-verify-phone", pairInHeader, "", false, always("success")},
	{post, "/v1/async-verify-address", pairInHeader, "", false, always("success")},
	{post, "/v2/async-verify-address", pairInHeader, "", false, always("success")},

	{post, "/v3/token", keyInHeader, "", true, (*Server).giveToken},
	{post, "/v3/aml/sync", tokenInHeader, "one_time_aml", true, (*Server).verify},
	{post, "/v3/enhanced_kyc/sync", tokenInHeader, "enhanced_kyc", true, (*Server).verify},
	{post, "/v3/aml", tokenInHeader, "one_time_aml", false, (*Server).verify},
	{post, "/v3/aml/monitoring", tokenInHeader, "aml", false, (*Server).verify},
	{post, "/v3/address", tokenInHeader, "address_verification", false, (*Server).verify},
	{post, "/v3/authentication", tokenInHeader, "smart_selfie_authentication", false, (*Server).verify},
	{post, "/v3/biometric_kyc", tokenInHeader, "biometric_kyc", false, (*Server).verify},
	{post, "/v3/compare", tokenInHeader, "smart_selfie_compare", false, (*Server).verify},
	{post, "/v3/document_verification", tokenInHeader, "document_verification", false, (*Server).verify},
	{post, "/v3/enhanced_document_verification", tokenInHeader, "enhanced_document_verification", false, (*Server).verify},
	{post, "/v3/enhanced_kyc", tokenInHeader, "enhanced_kyc", false, (*Server).verify},
	{post, "/v3/registration", tokenInHeader, "smart_selfie_registration", false, (*Server).verify},
	{post, "/v3/residency_document_verification", tokenInHeader, "residency_document_verification", false, (*Server).verify},
	{get, "/v3/status/*", tokenInHeader, "", true, (*Server).v3Status},
	{post, "/v3/replay/*", tokenInHeader, "", false, (*Server).v3Replay},
	{post, "/v3/users/*/report_fraud", tokenInHeader, "", false, (*Server).reportFraud},
	{get, "/v3/aml/monitoring/*/news/*", tokenInHeader, "", true, (*Server).news},
	{post, "/v3/smile_links", tokenInHeader, "", true, (*Server).createLink},
	{get, "/v3/smile_links/*", tokenInHeader, "", true, (*Server).link},
	{get, "/v3/services/bank_codes", noProof, "", true, always("bank_codes")},
	{get, "/v3/services/supported_id_types", noProof, "", true, always("supported_id_types")},
	{get, "/v3/services/supported_documents", noProof, "", true, always("supported_documents")},
	{get, "/v3/services/id_status", tokenInHeader, "", true, (*Server).idStatus},
}

// findRoute returns the route of a method at a path. If the path has other methods
// only, it returns them.
func findRoute(method, at string) (found route, others []string) {
	for _, r := range routes {
		isAt, _ := path.Match(r.path, at) // the patterns are well formed
		switch {
		case !isAt:
		case method == r.method, method == http.MethodHead && r.method == get:
			return r, nil
		default:
			others = append(others, r.method)
		}
	}
	return route{}, others
}

package standin

import "path"

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
	isSync       bool   // the answer has the result of that job
	answer       func(*Server, *call) *reply
}

// routes is written apart from the table of smilesig, so that each checks the
// other.
var routes = []route{
	{"POST", "/v1/upload", pairInBody, "biometric_kyc", false, (*Server).prepareUpload},
	{"POST", "/v1/job_status", pairInBody, "", false, (*Server).jobStatus},
	{"POST", "/v1/id_verification", pairInBody, "enhanced_kyc", true, (*Server).verify},
	{"POST", "/v2/verify", pairInBody, "basic_kyc", true, (*Server).verify},
	{"POST", "/v1/business_verification", pairInBody, "business_verification", true, (*Server).verify},
	{"POST", "/v1/aml", pairInBody, "aml_check", true, (*Server).verify},
	{"POST", "/v1/async_id_verification", pairInBody, "enhanced_kyc", false, (*Server).verify},
	{"POST", "/v1/async_business_verification", pairInBody, "business_verification", false, (*Server).verify},
	{"POST", "/v2/verify_async", pairInBody, "basic_kyc", false, (*Server).verify},
	{"POST", "/v1/token", pairInBody, "", false, (*Server).webToken},
	{"POST", "/v1/smile_links", pairInBody, "", false, (*Server).createLink},
	{"PUT", "/v1/smile_links/*", pairInBody, "", false, (*Server).link},
	{"GET", "/v1/smile_links/*", noProof, "", false, (*Server).link},
	{"POST", "/v1/products_config", pairInBody, "", false, always("success")},
	{"POST", "/v1/valid_documents", pairInBody, "", false, always("success")},
	{"POST", "/v1/totp_consent", pairInBody, "", false, always("success")},
	{"POST", "/v1/totp_consent/*", pairInBody, "", false, always("success")},
	{"POST", "/v1/backfill_users", pairInBody, "", false, always("success")},
	{"POST", "/api/v2/partner/wallet_balance", pairInBody, "", false, always("success")},
	{"POST", "/api/v2/partner/id_status", pairInBody, "", false, always("success")},
	{"POST", "/v1/auth_smile", noProof, "", false, (*Server).authSmile},
	{"GET", "/v1/services", noProof, "", false, always("v1_services")},

	{"POST", "/v2/smart-selfie-enroll", pairInHeader, "smartselfie_enrollment", true, (*Server).smartSelfie},
	{"POST", "/v2/smart-selfie-authentication", pairInHeader, "smartselfie_authentication", true, (*Server).smartSelfie},
	{"POST", "/v2/smart-selfie-compare", pairInHeader, "", false, always("success")},
	{"POST", "/v2/verify-phone-number", pairInHeader, "", false, always("success")},
	{"POST", "/v2/async-verify-phone", pairInHeader, "", false, always("success")},
	{"POST", "/v1/async-verify-address", pairInHeader, "", false, always("success")},
	{"POST", "/v2/async-verify-address", pairInHeader, "", false, always("success")},

	{"POST", "/v3/token", keyInHeader, "", false, (*Server).giveToken},
	{"POST", "/v3/aml/sync", tokenInHeader, "one_time_aml", true, (*Server).verify},
	{"POST", "/v3/enhanced_kyc/sync", tokenInHeader, "enhanced_kyc", true, (*Server).verify},
	{"POST", "/v3/aml", tokenInHeader, "one_time_aml", false, (*Server).verify},
	{"POST", "/v3/aml/monitoring", tokenInHeader, "aml", false, (*Server).verify},
	{"POST", "/v3/address", tokenInHeader, "address_verification", false, (*Server).verify},
	{"POST", "/v3/authentication", tokenInHeader, "smart_selfie_authentication", false, (*Server).verify},
	{"POST", "/v3/biometric_kyc", tokenInHeader, "biometric_kyc", false, (*Server).verify},
	{"POST", "/v3/compare", tokenInHeader, "smart_selfie_compare", false, (*Server).verify},
	{"POST", "/v3/document_verification", tokenInHeader, "document_verification", false, (*Server).verify},
	{"POST", "/v3/enhanced_document_verification", tokenInHeader, "enhanced_document_verification", false, (*Server).verify},
	{"POST", "/v3/enhanced_kyc", tokenInHeader, "enhanced_kyc", false, (*Server).verify},
	{"POST", "/v3/registration", tokenInHeader, "smart_selfie_registration", false, (*Server).verify},
	{"POST", "/v3/residency_document_verification", tokenInHeader, "residency_document_verification", false, (*Server).verify},
	{"GET", "/v3/status/*", tokenInHeader, "", false, (*Server).v3Status},
	{"POST", "/v3/replay/*", tokenInHeader, "", false, (*Server).v3Replay},
	{"POST", "/v3/users/*/report_fraud", tokenInHeader, "", false, (*Server).reportFraud},
	{"GET", "/v3/aml/monitoring/*/news/*", tokenInHeader, "", false, (*Server).news},
	{"POST", "/v3/smile_links", tokenInHeader, "", false, (*Server).createLink},
	{"GET", "/v3/smile_links/*", tokenInHeader, "", false, (*Server).link},
	{"GET", "/v3/services/bank_codes", noProof, "", false, always("bank_codes")},
	{"GET", "/v3/services/supported_id_types", noProof, "", false, always("supported_id_types")},
	{"GET", "/v3/services/supported_documents", noProof, "", false, always("supported_documents")},
	{"GET", "/v3/services/id_status", tokenInHeader, "", false, (*Server).idStatus},
}

// findRoute returns the route of a method at a path. If the path has other methods
// only, it returns them.
func findRoute(method, at string) (found route, others []string) {
	for _, r := range routes {
		isAt, _ := path.Match(r.path, at) // the patterns are well formed
		switch {
		case !isAt:
		case method == r.method, method == "HEAD" && r.method == "GET":
			return r, nil
		default:
			others = append(others, r.method)
		}
	}
	return route{}, others
}

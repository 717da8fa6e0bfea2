package smilesig

import (
	"net/http"
	"path"
	"strings"
)

// This file is the one place for what Smile ID wants where. Each fact says how
// it is known: [sdk], read in the source of the official SDKs; [docs], the
// official documentation; [3p], third parties only. None was observed against
// Smile ID's own servers.

// Headers of a request that is signed in its headers [docs, sdk].
const (
	headerPartnerID = "SmileID-Partner-ID"
	headerSignature = "SmileID-Request-Signature"
	headerTimestamp = "SmileID-Timestamp"
)

// Headers of a v3 webhook [3p]; a v1 or v2 callback has its pair in the body [sdk, docs].
const (
	headerCallbackSignature = "Response-Signature"
	headerCallbackTimestamp = "Response-Timestamp"
)

// Members of a body that make the pair, and those that name the partner [sdk].
const (
	memberSignature = "signature"
	memberTimestamp = "timestamp"
	memberPartnerID = "partner_id"
	memberClientID  = "smile_client_id"
)

// Placement says where in a request or a callback the pair is.
type Placement int

const (
	Unsigned Placement = iota // no pair
	InBody                    // top-level members of the JSON body
	InHeader                  // headers; the body is not looked at
)

// String returns the name of the constant.
func (p Placement) String() string {
	switch p {
	case Unsigned:
		return "Unsigned"
	case InBody:
		return "InBody"
	case InHeader:
		return "InHeader"
	}
	return "Placement(invalid)"
}

// DefaultOrigins returns the origins of Smile ID: production, sandbox, and the
// two that serve wallet balance and ID status. API keys differ between
// environments. The slice is the caller's own.
func DefaultOrigins() []string {
	return []string{
		"https://api.smileidentity.com",     // production [sdk]
		"https://testapi.smileidentity.com", // sandbox [sdk]
		"https://portal.smileidentity.com",  // [docs]
		"https://prod.smileidentity.com",    // [docs]
	}
}

// placements is where known paths want the pair, whatever the Content-Type.
var placements = map[string]Placement{
	"/v1/upload":                      InBody, // [sdk], like those below
	"/v1/id_verification":             InBody,
	"/v1/async_id_verification":       InBody,
	"/v1/business_verification":       InBody,
	"/v1/async_business_verification": InBody,
	"/v1/job_status":                  InBody,
	"/v1/token":                       InBody,
	"/v1/aml":                         InBody,
	"/v1/smile_links":                 InBody,
	"/v1/products_config":             InBody,
	"/v1/valid_documents":             InBody,
	"/v1/totp_consent":                InBody,
	"/v1/backfill_users":              InBody,
	"/v2/verify":                      InBody, // [docs], like those below
	"/v2/verify_async":                InBody,
	"/api/v2/partner/wallet_balance":  InBody,
	"/api/v2/partner/id_status":       InBody,

	"/v2/verify-phone-number":         InHeader, // [docs], like those below
	"/v2/async-verify-phone":          InHeader,
	"/v2/async-verify-address":        InHeader,
	"/v1/async-verify-address":        InHeader,
	"/v2/smart-selfie-enroll":         InHeader, // [docs, sdk], like those below
	"/v2/smart-selfie-authentication": InHeader,
	"/v2/smart-selfie-compare":        InHeader,

	"/v1/auth_smile": Unsigned, // its "signature": true is its own [sdk]
	"/v1/services":   Unsigned, // [sdk]
}

// The zip that goes to the upload_url of /v1/upload is not looked at, though some
// SDKs put a pair into its info.json [sdk]; whether it has to be there is not known.

// placementsBelow is for every path below these, too [sdk].
var placementsBelow = []string{"/v1/smile_links/", "/v1/totp_consent/"}

// PlacementFor returns where Smile ID wants the pair of a request, by its
// method, path and Content-Type. GET, HEAD and OPTIONS have none, and neither
// has /v3/, which takes a token. An unknown path below /v1/ or /v2/ is InBody
// when its Content-Type is JSON or absent. It does not look at the origin or
// the body, and a doubled or trailing slash does not matter.
//
// The table is from the official SDKs and docs; nothing in it was tried against
// Smile ID's servers. Set [Transport.Placement] where you know better.
func PlacementFor(req *http.Request) Placement {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return Unsigned
	}
	endpoint := endpointOf(req)
	if placement, known := placements[endpoint]; known {
		return placement
	}
	for _, above := range placementsBelow {
		if strings.HasPrefix(endpoint, above) {
			return InBody
		}
	}
	versioned := strings.HasPrefix(endpoint, "/v1/") || strings.HasPrefix(endpoint, "/v2/")
	if versioned && isJSONOrAbsent(req.Header) {
		return InBody
	}
	return Unsigned
}

// answersSigned reports whether Smile ID signs every successful answer to the
// request [sdk].
func answersSigned(req *http.Request) bool {
	return endpointOf(req) == "/v1/job_status"
}

// endpointOf is the path as the tables above have it, without doubled or trailing
// slashes.
func endpointOf(req *http.Request) string { return path.Clean("/" + req.URL.Path) }

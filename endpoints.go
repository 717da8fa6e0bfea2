package smilesig

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// This file has every fact about what Smile ID wants in which place. Each fact
// says how it is known:
//
//   - [sdk]: read in the source of the official SDKs
//   - [spec]: Smile ID's published OpenAPI description of v3
//   - [docs]: the official documentation
//   - [3p]: third parties only
//
// None was tried against Smile ID's own servers.

// Headers of a request that is signed in its headers [docs, sdk].
const (
	headerPartnerID = "SmileID-Partner-ID"
	headerSignature = "SmileID-Request-Signature"
	headerTimestamp = "SmileID-Timestamp"
)

// Headers of a v3 webhook, and of the answers to v3's synchronous calls. The
// signature covers the timestamp and the partner ID, with the API key [spec].
// There, only third parties say that the message ends in sid_request [3p]. A v1
// or v2 callback has its pair in the body [sdk, docs].
const (
	headerCallbackSignature = "Response-Signature"
	headerCallbackTimestamp = "Response-Timestamp"
)

// v3 requests are not signed: the only signature for them covers the body and
// needs another secret, and Smile ID has not published how it is made [spec].
// These two headers authenticate them instead: the API key where a token is made,
// the token everywhere else [spec].
const (
	headerToken   = "SmileID-Token"
	headerAPIKey  = "smileid-api-key"
	tokenEndpoint = "/v3/token"
)

// headerJobID is in the answers to v3's synchronous calls [spec].
const headerJobID = "SmileID-Job-ID"

// Members of a body: the two of the pair, and the two that name the partner
// [sdk].
const (
	memberSignature = "signature"
	memberTimestamp = "timestamp"
	memberPartnerID = "partner_id"
	memberClientID  = "smile_client_id"
)

// A Placement says where a request or a callback has its pair.
type Placement int

const (
	Unsigned    Placement = iota // no pair
	InBody                       // top-level members of the JSON body
	InHeader                     // headers
	KeyInHeader                  // no pair, but the partner ID and the API key in two headers, for POST /v3/token
)

// String returns the name of the constant.
func (p Placement) String() string {
	names := []string{"Unsigned", "InBody", "InHeader", "KeyInHeader"}
	if p < 0 || int(p) >= len(names) {
		return fmt.Sprintf("Placement(%d)", int(p))
	}
	return names[p]
}

// DefaultOrigins returns the origins of Smile ID: production, sandbox, and the
// two that serve wallet balance and ID status. API keys differ between
// environments. The slice is the caller's own.
func DefaultOrigins() []string { return slices.Clone(defaultOrigins) }

var defaultOrigins = []string{
	"https://api.smileidentity.com",     // production [sdk]
	"https://testapi.smileidentity.com", // sandbox [sdk]
	"https://portal.smileidentity.com",  // [docs]
	"https://prod.smileidentity.com",    // [docs]
}

// placements says where known paths want the pair, whatever the Content-Type.
var placements = map[string]Placement{
	"/v1/upload":                      InBody, // [sdk]
	"/v1/id_verification":             InBody, // [sdk]
	"/v1/async_id_verification":       InBody, // [sdk]
	"/v1/business_verification":       InBody, // [sdk]
	"/v1/async_business_verification": InBody, // [sdk]
	"/v1/job_status":                  InBody, // [sdk]
	"/v1/token":                       InBody, // [sdk]
	"/v1/aml":                         InBody, // [sdk]
	"/v1/smile_links":                 InBody, // [sdk]
	"/v1/products_config":             InBody, // [sdk]
	"/v1/valid_documents":             InBody, // [sdk]
	"/v1/totp_consent":                InBody, // [sdk]
	"/v1/backfill_users":              InBody, // [sdk]
	"/v2/verify":                      InBody, // [docs]
	"/v2/verify_async":                InBody, // [docs]
	"/api/v2/partner/wallet_balance":  InBody, // [docs]
	"/api/v2/partner/id_status":       InBody, // [docs]

	"/v2/verify-phone-number":         InHeader, // [docs]
	"/v2/async-verify-phone":          InHeader, // [docs]
	"/v2/async-verify-address":        InHeader, // [docs]
	"/v1/async-verify-address":        InHeader, // [docs]
	"/v2/smart-selfie-enroll":         InHeader, // [docs, sdk]
	"/v2/smart-selfie-authentication": InHeader, // [docs, sdk]
	"/v2/smart-selfie-compare":        InHeader, // [docs, sdk]

	"/v1/auth_smile": Unsigned, // its "signature": true is its own [sdk]
	"/v1/services":   Unsigned, // [sdk]
}

// Nothing here looks into the zip that goes to the upload_url of /v1/upload. Some
// SDKs put a pair into its info.json [sdk]. Whether Smile ID needs it there is
// not known.

// Every path below these wants the pair in the body, too [sdk].
var placementsBelow = []string{"/v1/smile_links/", "/v1/totp_consent/"}

// PlacementFor returns where Smile ID wants the pair of a request. It looks at
// the method, the path and the Content-Type. A GET, HEAD or OPTIONS request has
// no pair. Requests below /v3/ carry a token and no pair. POST /v3/token carries
// the API key. An unknown path below /v1/ or /v2/ is InBody if its Content-Type is
// JSON or absent. PlacementFor ignores the origin and the body. Doubled and
// trailing slashes do not matter.
//
// The table comes from the official SDKs and docs; nothing in it was tried
// against Smile ID's servers. Set [Transport.Placement] where you know better.
func PlacementFor(req *http.Request) Placement {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return Unsigned
	}
	endpoint := endpointOf(req)
	if placement, known := placements[endpoint]; known {
		return placement
	}
	isBelow := func(above string) bool { return strings.HasPrefix(endpoint, above) }
	switch {
	case endpoint == tokenEndpoint && req.Method == http.MethodPost:
		return KeyInHeader
	case slices.ContainsFunc(placementsBelow, isBelow), (isBelow("/v1/") || isBelow("/v2/")) && isJSONOrUntyped(req.Header):
		return InBody
	}
	return Unsigned
}

// signedAnswers are the endpoints that sign every successful answer.
var signedAnswers = map[string]bool{
	"/v1/job_status":        true, // in the body [sdk]
	"/v3/aml/sync":          true, // in the headers [spec]
	"/v3/enhanced_kyc/sync": true, // in the headers [spec]
}

func answersSigned(req *http.Request) bool { return signedAnswers[endpointOf(req)] }

// isV3 reports whether the answer to a request has its pair, if any, in the headers.
func isV3(req *http.Request) bool { return strings.HasPrefix(endpointOf(req), "/v3/") }

// endpointOf returns the path as the tables above write it, without doubled or
// trailing slashes.
func endpointOf(r *http.Request) string { return path.Clean("/" + strings.TrimLeft(r.URL.Path, "/")) }

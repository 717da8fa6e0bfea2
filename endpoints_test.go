package smilesig_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
)

func TestPlacementForKnownPaths(t *testing.T) {
	for want, paths := range map[smilesig.Placement][]string{
		smilesig.InBody: {
			"/v1/upload", "/v1/id_verification", "/v1/async_id_verification", "/v1/business_verification",
			"/v1/async_business_verification", "/v1/job_status", "/v1/token", "/v1/aml", "/v1/smile_links", "/v1/smile_links/abc",
			"/v1/products_config", "/v1/valid_documents", "/v1/totp_consent", "/v1/totp_consent/otp", "/v1/backfill_users",
			"/v2/verify", "/v2/verify_async", "/api/v2/partner/wallet_balance", "/api/v2/partner/id_status",
		},
		smilesig.InHeader: {
			"/v2/verify-phone-number", "/v2/async-verify-phone", "/v2/async-verify-address", "/v1/async-verify-address",
			"/v2/smart-selfie-enroll", "/v2/smart-selfie-authentication", "/v2/smart-selfie-compare",
		},
		smilesig.Unsigned: {"/v1/auth_smile", "/v1/services", "/v3/verify"},
	} {
		for _, path := range paths {
			for _, contentType := range []string{"application/json", "multipart/form-data", "text/plain", ""} {
				req := newRequest(t, "POST", "https://api.smileidentity.com"+path, contentType, nil)
				assert.Equal(t, want, smilesig.PlacementFor(req), "%s %s", path, contentType)
			}
		}
	}
}

func TestPlacementForOtherRequests(t *testing.T) {
	const inBody, inHeader, unsigned = smilesig.InBody, smilesig.InHeader, smilesig.Unsigned
	const isJSON, text = "application/json", "text/plain"
	for _, tt := range []struct {
		want                      smilesig.Placement
		method, path, contentType string
	}{
		{inBody, "POST", "/v1/unknown", isJSON},
		{inBody, "POST", "/v1/unknown", ""},
		{inBody, "POST", "/v2/unknown", "text/json"},
		{unsigned, "POST", "/v1/unknown", text},
		{unsigned, "POST", "/v1/unknown", "multipart/form-data"},
		{unsigned, "POST", "/v2/unknown", "application/x-ndjson"},
		{unsigned, "POST", "/other", isJSON},
		{unsigned, "POST", "/v1", isJSON},
		{unsigned, "POST", "", isJSON},

		{smilesig.KeyInHeader, "POST", "/v3/token", isJSON},
		{smilesig.KeyInHeader, "POST", "/v3/token", ""},
		{smilesig.KeyInHeader, "POST", "//v3/token/", text},
		{unsigned, "PUT", "/v3/token", isJSON},
		{unsigned, "GET", "/v3/token", ""},
		{unsigned, "post", "/v3/token", isJSON},
		{unsigned, "POST", "/v3/token/refresh", isJSON},
		{unsigned, "POST", "/v3/Token", isJSON},

		{inBody, "DELETE", "/v1/unknown", isJSON},
		{inBody, "PUT", "/v1/token", isJSON},
		{inBody, "CONNECT", "/v1/token", isJSON},
		{inBody, "QUERY", "/v1/unknown", ""},
		{inBody, "get", "/v1/token", isJSON}, // net/http sends it as it stands
		{unsigned, "GET", "/v1/token", isJSON},
		{unsigned, "", "/v1/token", isJSON},
		{unsigned, "HEAD", "/v1/token", isJSON},
		{unsigned, "OPTIONS", "/v2/smart-selfie-enroll", ""},

		{inBody, "POST", "//v1///token//", text},
		{inBody, "POST", "/v1%2ftoken", text},
		{inBody, "POST", "/v3/..%2f..%2f../v1/token", text},
		{inBody, "POST", "/v1/auth_smile/../token", text},
		{inHeader, "POST", "/v2/smart-selfie-enroll/", text},
		{inHeader, "POST", "/v1/smile_links/../../v2/smart-selfie-enroll", text},
		{smilesig.KeyInHeader, "POST", "/v1/../v3/token", isJSON},
		{unsigned, "POST", "/V1/token", isJSON}, // no path of Smile ID's
		{inBody, "POST", "/v1/AUTH_SMILE", isJSON},
		{inBody, "POST", "/v1/auth_smile;x=1", isJSON},
	} {
		req := newRequest(t, "POST", "https://api.smileidentity.com"+tt.path, tt.contentType, nil)
		req.Method = tt.method
		assert.Equal(t, tt.want, smilesig.PlacementFor(req), "%s %s %s", tt.method, tt.path, tt.contentType)
	}
}

func TestPlacementForOddContentTypes(t *testing.T) {
	for want, values := range map[smilesig.Placement][][]string{
		smilesig.InBody:   {{"text/plain", "application/json"}, {""}, {"Application/JSON; charset=utf-8"}, {"application/problem+json"}, {"application/json\r\n"}},
		smilesig.Unsigned: {{"text/plain;application/json"}, {"text/plain", ""}},
	} {
		for _, contentTypes := range values {
			req := newRequest(t, "POST", "https://api.smileidentity.com/v1/unknown", "", nil)
			req.Header = http.Header{"content-type": contentTypes}
			assert.Equal(t, want, smilesig.PlacementFor(req), "%q", contentTypes)
		}
	}
}

func TestPlacementsHaveNames(t *testing.T) {
	assert.Equal(t, "Unsigned InBody InHeader KeyInHeader Placement(4) Placement(-1)",
		fmt.Sprint(smilesig.Unsigned, smilesig.InBody, smilesig.InHeader, smilesig.KeyInHeader, smilesig.Placement(4), smilesig.Placement(-1)))
}

func TestDefaultOriginsAreTheCallersOwn(t *testing.T) {
	smilesig.DefaultOrigins()[0] = "https://evil.example"
	assert.Equal(t, "https://api.smileidentity.com", smilesig.DefaultOrigins()[0])
}

package standin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// The two tables are written apart from each other.
func TestRoutesAgreeWithPlacementFor(t *testing.T) {
	t.Parallel()
	for _, r := range standin.Routes() {
		for _, contentType := range []string{"application/json", "multipart/form-data"} {
			req := newRequest(t, r.Method, "https://api.smileidentity.com"+strings.ReplaceAll(r.Path, "*", "x"), contentType, "")
			assert.Equal(t, r.Placement, smilesig.PlacementFor(req), "%s %s", r.Method, r.Path)
		}
	}
}

func TestRoutesHaveTheirProducts(t *testing.T) {
	t.Parallel()
	unknown := []string{"aml", "address_verification"} // nobody knows a body of theirs
	for _, r := range standin.Routes() {
		placement := smilesig.InBody
		isLater := strings.Contains(r.Path, "async") || r.Path == "/v1/upload"
		if strings.HasPrefix(r.Path, "/v3/") {
			placement = smilesig.InHeader
			isLater = r.Method == http.MethodPost && !strings.HasSuffix(r.Path, "/sync") && r.Path != "/v3/token" && r.Path != "/v3/smile_links"
		}
		if r.Product != "" && !slices.Contains(unknown, r.Product) {
			assert.Contains(t, smilesigtest.Products(placement), r.Product, r.Path)
		}
		assert.Equal(t, isLater, !r.IsSync, r.Path)
	}
}

package standin_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

func TestEachKnownPathHasARoute(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../endpoints.go")
	require.NoError(t, err)
	paths := regexp.MustCompile(`"(/(v\d|api)/[^"]+)"`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(paths), 30)
	for _, match := range paths {
		path := match[1]
		if strings.HasSuffix(path, "/") {
			path += "x" // every path below it
		}
		assert.True(t, standin.HasRoute(path), path)
	}
}

// The products of v3 that package result knows, and those of the routes.
func TestTheProductsOfV3(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../result/tables.go")
	require.NoError(t, err)
	_, list, _ := strings.Cut(string(source), "\nconst products = ")
	list, _, _ = strings.Cut(list, "\n\n")
	var known []string
	for _, text := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(list, -1) {
		known = append(known, strings.Fields(text[1])...)
	}
	routed := []string{"basic_kyc", "phone_number_verification"} // v3 has no endpoint for them
	for _, r := range standin.Routes() {
		if strings.HasPrefix(r.Path, "/v3/") && r.Product != "" {
			routed = append(routed, r.Product)
		}
	}
	slices.Sort(routed)
	assert.ElementsMatch(t, slices.Compact(routed), known)
}

func TestRoutesHaveTheirProducts(t *testing.T) {
	t.Parallel()
	unknown := []string{"aml", "address_verification"} // nobody knows a body of theirs
	for _, r := range standin.Routes() {
		placement, isSync := smilesig.InBody, !strings.Contains(r.Path, "async") && r.Path != "/v1/upload"
		if strings.HasPrefix(r.Path, "/v3/") {
			placement, isSync = smilesig.InHeader, strings.HasSuffix(r.Path, "/sync")
		}
		if r.Product != "" && !slices.Contains(unknown, r.Product) {
			assert.Contains(t, smilesigtest.Products(placement), r.Product, r.Path)
		}
		assert.Equal(t, isSync && r.Product != "", r.IsSync, r.Path)
	}
}

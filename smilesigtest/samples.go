package smilesigtest

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"example.com/smilesig"
)

//go:embed samples/*/*.json samples/outcomes.json
var samples embed.FS

// Products returns the sorted names of the products that [Sample] knows. InBody means
// those of v1 and v2, InHeader those of v3: the names differ. Other placements have
// none.
func Products(placement smilesig.Placement) []string {
	files, _ := fs.Glob(samples, samplePath("*", placement)) // the pattern is well formed
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".json")
	}
	return files
}

// Sample returns the body of a callback of a product, about nobody real, and
// whether there is one: with InBody a v1 or v2 callback, with InHeader a v3
// webhook. It has no pair; [NewCallback] and [NewWebhook] sign it. v1 bodies follow
// Smile ID's docs in an abridged form. samples/README.md says how sure each v3 shape
// is.
func Sample(product string, placement smilesig.Placement) (body []byte, ok bool) {
	body, err := samples.ReadFile(samplePath(product, placement))
	return body, err == nil
}

// samplePath returns a path that no file has if there is no sample with placement.
func samplePath(product string, placement smilesig.Placement) string {
	version := map[smilesig.Placement]string{smilesig.InBody: "v1", smilesig.InHeader: "v3"}[placement]
	return "samples/" + version + "/" + product + ".json"
}

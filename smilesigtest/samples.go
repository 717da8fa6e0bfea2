package smilesigtest

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"example.com/smilesig"
)

//go:embed samples
var samples embed.FS

// Products returns the names of the products that [Sample] has a callback of, sorted.
func Products() []string {
	files, _ := fs.Glob(samples, "samples/v1/*.json") // the pattern is well formed
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".json")
	}
	return files
}

// Sample returns the body of a callback of a product, about nobody real, and
// whether there is one: with InBody a v1 or v2 callback, with InHeader a v3
// webhook. It has no pair; [NewCallback] and [NewWebhook] sign it. v1 bodies follow
// Smile ID's docs in an abridged form; v3 bodies, third parties.
func Sample(product string, placement smilesig.Placement) (body []byte, ok bool) {
	version := "v1"
	switch placement {
	case smilesig.InBody:
	case smilesig.InHeader:
		version = "v3"
	default:
		return nil, false
	}
	body, err := samples.ReadFile("samples/" + version + "/" + product + ".json")
	return body, err == nil
}

package smilesig

import (
	"net/http"
	"strings"
)

// headerValues returns all values of a header. Its name may be in any letter
// case, and in several: API gateways hand over names that are not canonical, and
// a map that somebody filled by hand may hold both.
func headerValues(h http.Header, name string) []string {
	var all []string
	for key, values := range h {
		if strings.EqualFold(key, name) {
			all = append(all, values...)
		}
	}
	return all
}

// replaceHeader leaves value as the only one, in whatever letter case others stood.
func replaceHeader(h http.Header, name, value string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			delete(h, key)
		}
	}
	h.Set(name, value)
}

// isEncoded reports whether a Content-Encoding other than identity is declared.
func isEncoded(h http.Header) bool {
	for _, encoding := range headerValues(h, "Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return true
		}
	}
	return false
}

// isJSON reports whether a Content-Type of JSON is declared.
func isJSON(h http.Header) bool {
	for _, contentType := range headerValues(h, "Content-Type") {
		mediaType, _, _ := strings.Cut(contentType, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
		if mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json") {
			return true
		}
	}
	return false
}

// isJSONOrAbsent is isJSON, or no Content-Type at all, or an empty one.
func isJSONOrAbsent(h http.Header) bool {
	return strings.Join(headerValues(h, "Content-Type"), "") == "" || isJSON(h)
}

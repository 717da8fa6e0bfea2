package smilesig

import (
	"net/http"
	"slices"
	"strings"
)

// equalASCII reports whether text is ascii in any letter case. The equal lengths
// rule out what EqualFold takes for an ASCII letter, such as U+017F for an s.
func equalASCII(text, ascii string) bool {
	return len(text) == len(ascii) && strings.EqualFold(text, ascii)
}

// headerValues returns all values of a header, in any letter case. API gateways
// hand over names that are not canonical, and a map that somebody filled by hand
// may hold a name in several cases.
func headerValues(h http.Header, name string) (all []string) {
	for field, values := range h {
		switch {
		case !equalASCII(field, name):
		case all == nil:
			all = values
		default:
			all = slices.Concat(all, values)
		}
	}
	return all
}

const headerEncoding = "Content-Encoding"

// isEncoding reports whether a value of headerEncoding says that the body is
// encoded.
func isEncoding(value string) bool { return value != "" && !strings.EqualFold(value, "identity") }

func isEncoded(h http.Header) bool {
	return slices.ContainsFunc(headerValues(h, headerEncoding), isEncoding)
}

// isJSONOrUntyped reports whether a Content-Type of JSON is declared, or none.
func isJSONOrUntyped(h http.Header) bool {
	all := headerValues(h, "Content-Type")
	return strings.Join(all, "") == "" || slices.ContainsFunc(all, isJSON)
}

func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

// looksLikeJSON reports whether a Content-Type names JSON in any way, such as
// application/x-json.
func looksLikeJSON(h http.Header) bool {
	return strings.Contains(strings.ToLower(strings.Join(headerValues(h, "Content-Type"), ",")), "json")
}

// hasSecret reports whether h has what authenticates a request to Smile ID.
func hasSecret(h http.Header) bool {
	return len(headerValues(h, headerToken))+len(headerValues(h, headerAPIKey))+len(headerValues(h, headerSignature)) > 0
}

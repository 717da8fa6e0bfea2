package smilesig

import (
	"net/http"
	"slices"
	"strings"
)

// isNamed reports whether key is name in any letter case. API gateways hand over
// names that are not canonical, and a map that somebody filled by hand may hold a
// name in several cases.
func isNamed(key, name string) bool { return len(key) == len(name) && strings.EqualFold(key, name) }

// headerValues returns all values of a header.
func headerValues(h http.Header, name string) (all []string) {
	for key, values := range h {
		switch {
		case !isNamed(key, name):
		case all == nil:
			all = values
		default:
			all = slices.Concat(all, values)
		}
	}
	return all
}

// replaceHeader makes value the only value of a header.
func replaceHeader(h http.Header, name, value string) {
	for key := range h {
		if isNamed(key, name) {
			delete(h, key)
		}
	}
	h.Set(name, value)
}

// A messageHead is what the headers of a callback or of an answer say.
type messageHead struct {
	pair      receivedPair
	isEncoded bool // has a Content-Encoding other than identity
	hasLength bool // has a Content-Length
}

// readHead goes through the headers once, because every callback pays for it.
func readHead(h http.Header) (head messageHead) {
	for key, values := range h {
		switch {
		case isNamed(key, headerCallbackSignature):
			head.pair.signature.addAll(values)
		case isNamed(key, headerCallbackTimestamp):
			head.pair.timestamp.addAll(values)
		case isNamed(key, "Content-Encoding"):
			head.isEncoded = head.isEncoded || slices.ContainsFunc(values, isEncoding)
		case isNamed(key, "Content-Length"):
			head.hasLength = true
		}
	}
	return head
}

func isEncoding(contentEncoding string) bool {
	return contentEncoding != "" && !strings.EqualFold(contentEncoding, "identity")
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

// looksLikeJSON reports whether a Content-Type names JSON in any way, such as
// application/x-json.
func looksLikeJSON(h http.Header) bool {
	return strings.Contains(strings.ToLower(strings.Join(headerValues(h, "Content-Type"), ",")), "json")
}

// hasSecret reports whether h has what authenticates a request to Smile ID.
func hasSecret(h http.Header) bool {
	for key := range h {
		if isNamed(key, headerToken) || isNamed(key, headerAPIKey) || isNamed(key, headerSignature) {
			return true
		}
	}
	return false
}

// isUntyped reports whether no Content-Type is declared.
func isUntyped(h http.Header) bool { return strings.Join(headerValues(h, "Content-Type"), "") == "" }

func isJSONOrUntyped(h http.Header) bool { return isUntyped(h) || isJSON(h) }

// A receivedPair is a pair as a message carries it, right or wrong.
type receivedPair struct{ timestamp, signature half }

type half struct {
	count      int    // how often it is given
	text       []byte // its first value; in a body, a part of that body
	notAString bool
}

func (h *half) add(text []byte, isString bool) {
	if h.count++; h.count == 1 {
		h.text, h.notAString = text, !isString
	}
}

func (h *half) addAll(texts []string) {
	if h.count == 0 && len(texts) > 0 {
		h.text = []byte(texts[0])
	}
	h.count += len(texts)
}

// hasAny reports whether there is at least half of a pair.
func (p receivedPair) hasAny() bool { return p.timestamp.count+p.signature.count > 0 }

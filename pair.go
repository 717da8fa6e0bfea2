package smilesig

import (
	"net/http"

	"example.com/smilesig/internal/jsonobject"
)

// A receivedPair is a pair as a message carries it, right or wrong.
type receivedPair struct{ timestamp, signature half }

type half struct {
	count      int    // how often it is given
	text       string // its first value; nobody looks at more than maxTimestampLen
	notAString bool
}

func (h *half) add(value string) {
	if h.count++; h.count == 1 {
		h.text = value
	}
}

func (h *half) addMember(m jsonobject.Member) {
	if h.count++; h.count == 1 {
		text, isString := m.Text()
		h.text, h.notAString = string(text[:min(len(text), maxTimestampLen+1)]), !isString
	}
}

// hasAny reports whether there is at least half of a pair.
func (p receivedPair) hasAny() bool { return p.timestamp.count+p.signature.count > 0 }

// pairInHeaders returns the pair in the headers of a callback or of an answer, and
// whether they declare an encoding of the body. It looks for all three headers in
// one walk, because each walk takes 4 % of the time that a small callback takes.
func pairInHeaders(h http.Header) (pair receivedPair, encoded bool) {
	for name, values := range h {
		for _, value := range values {
			switch {
			case equalASCII(name, headerCallbackTimestamp):
				pair.timestamp.add(value)
			case equalASCII(name, headerCallbackSignature):
				pair.signature.add(value)
			case equalASCII(name, headerEncoding) && isEncoding(value):
				encoded = true
			}
		}
	}
	return pair, encoded
}

// pairInBody returns the top-level pair of a JSON object. If body is not a JSON
// object, it returns the error of jsonobject.
func pairInBody(body []byte) (pair receivedPair, err error) {
	err = jsonobject.Scan(body, func(m jsonobject.Member) {
		switch {
		case m.Is(memberSignature):
			pair.signature.addMember(m)
		case m.Is(memberTimestamp):
			pair.timestamp.addMember(m)
		}
	})
	return pair, err
}

// fault says why nobody can confirm a pair: it is malformed or missing. It returns
// no error for a pair whose halves are strings that are given once.
func (p receivedPair) fault() (reason string, kind error) {
	timestamp, signature := p.timestamp, p.signature
	switch {
	case timestamp.count > 1 || signature.count > 1:
		return "signature or timestamp given more than once", ErrMalformed
	case timestamp.notAString || signature.notAString:
		return "signature or timestamp is not a string", ErrMalformed
	case timestamp.count == 0:
		return "no timestamp", ErrMissing
	case signature.count == 0:
		return "no signature", ErrMissing
	}
	return "", nil
}

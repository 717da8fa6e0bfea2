package smilesig

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// confirmAnswer checks the pair in the answer to a signed request, and leaves
// res with its whole body. It returns ErrSignature or ErrMissing only.
func (t *Transport) confirmAnswer(req *http.Request, res *http.Response) error {
	mustBeSigned := answersSigned(req)
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if mustBeSigned {
			return fmt.Errorf("%w: a client would follow the redirect with a GET, whose answer is not confirmed", ErrMissing)
		}
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil
	}
	if !mustBeSigned && (isEncoded(res.Header) || !isJSONOrAbsent(res.Header)) {
		return nil
	}
	pair, err := peekPair(res)
	switch {
	case pair.timestamp.count > 0 && pair.signature.count > 0:
		if pair.check() != nil || !t.Signer.Confirm(pair.timestamp.text, pair.signature.text) {
			return fmt.Errorf("%w in the answer", ErrSignature)
		}
	case mustBeSigned && err != nil:
		return fmt.Errorf("%w in the answer: %w", ErrMissing, err)
	case mustBeSigned:
		return fmt.Errorf("%w in the answer", ErrMissing)
	}
	return nil
}

// peekPair reads the pair in the body of an answer, unless that is no JSON or
// longer than DefaultMaxBytes, and puts back what it read.
func peekPair(res *http.Response) (receivedPair, error) {
	if res.Body == nil { // a Base that is not net/http's
		res.Body = http.NoBody
	}
	var start buffer // not pooled: the caller reads on from it
	err := start.readAll(res.Body, res.ContentLength, DefaultMaxBytes)
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failedReader{err}
	}
	body := start.Bytes()
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), res.Body}
	switch {
	case err != nil:
		return receivedPair{}, err
	case len(body) > DefaultMaxBytes:
		return receivedPair{}, ErrTooLarge
	}
	return bodyPair(body)
}

// A failedReader repeats the error that ended an earlier read.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

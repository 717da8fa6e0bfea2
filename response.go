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
	if mustBeSigned && res.StatusCode/100 == 3 {
		return fmt.Errorf("%w in the answer: it redirects to one that need not be signed", ErrMissing)
	}
	if res.StatusCode/100 != 2 {
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
		return &readError{fmt.Errorf("%w in the answer", ErrMissing), err}
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
		return receivedPair{}, fmt.Errorf("longer than %d bytes", DefaultMaxBytes)
	}
	return bodyPair(body)
}

// A failedReader repeats the error that ended an earlier read.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

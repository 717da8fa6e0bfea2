package smilesig

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The reasons for refusing a callback, a request or an answer. Any other error
// means a request body or an answer that cannot be read. [StatusCode] and [Reason]
// tell these errors apart.
var (
	ErrMalformed = errors.New("smilesig: malformed")               // the message cannot be read as Smile ID writes it
	ErrMissing   = errors.New("smilesig: signature missing")       // no pair, or half of one
	ErrSignature = errors.New("smilesig: signature mismatch")      // no credential has made this signature
	ErrStale     = errors.New("smilesig: stale")                   // the timestamp is older than MaxAge, or cannot be read
	ErrFuture    = errors.New("smilesig: timestamp in the future") // the timestamp is ahead by more than MaxSkew
	ErrReplayed  = errors.New("smilesig: replayed")                // the pair came with another body or to another target before
	ErrTooLarge  = errors.New("smilesig: body too large")          // the body is longer than MaxBytes
	ErrEncoded   = errors.New("smilesig: encoded body")            // the body has a Content-Encoding
	ErrGuard     = errors.New("smilesig: replay guard failed")     // the guard could not decide
	ErrOrigin    = errors.New("smilesig: origin refused")          // the request must not go to its origin
	ErrPartner   = errors.New("smilesig: another partner's body")  // the body names another partner than the credential
	ErrConfig    = errors.New("smilesig: faulty configuration")    // a faulty Verifier, Transport, readback.Reader or argument: another try fails, too
)

// An AgeError reports a timestamp that is too old or too far in the future. It
// unwraps to [ErrStale] or [ErrFuture].
type AgeError struct {
	Age   time.Duration // of the timestamp; negative for one in the future
	Limit time.Duration // the MaxAge or MaxSkew that Age exceeds
}

func (e *AgeError) Error() string {
	if e.Age < 0 {
		return fmt.Sprintf("%v: %v ahead, limit %v", ErrFuture, e.Age.Abs(), e.Limit)
	}
	return fmt.Sprintf("%v: %v old, limit %v", ErrStale, e.Age, e.Limit)
}

// Unwrap returns [ErrFuture] if Age is negative, else [ErrStale].
func (e *AgeError) Unwrap() error {
	if e.Age < 0 {
		return ErrFuture
	}
	return ErrStale
}

// classes has the word and the HTTP status of each error. The first match
// counts. ErrGuard and ErrReplayed come early, because the error of a user's
// guard may wrap any other.
var classes = []struct {
	err    error
	reason string
	status int
}{
	{nil, "", http.StatusOK},
	{ErrGuard, "guard", http.StatusServiceUnavailable},
	{ErrReplayed, "replayed", http.StatusServiceUnavailable},
	{ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge},
	{ErrEncoded, "encoded", http.StatusUnsupportedMediaType},
	{ErrMissing, "missing", http.StatusUnauthorized},
	{ErrSignature, "signature", http.StatusUnauthorized},
	{ErrStale, "stale", http.StatusUnauthorized},
	{ErrFuture, "future", http.StatusUnauthorized},
	{ErrMalformed, "malformed", http.StatusBadRequest},
	{ErrOrigin, "origin", http.StatusInternalServerError},
	{ErrPartner, "partner", http.StatusInternalServerError},
	{ErrConfig, "config", http.StatusInternalServerError},
}

func classOf(err error) (reason string, status int) {
	for _, class := range classes {
		if errors.Is(err, class.err) {
			return class.reason, class.status
		}
	}
	return "other", http.StatusInternalServerError
}

// StatusCode returns the HTTP status for the sender of a callback that was
// refused with err:
//
//   - 400 for ErrMalformed
//   - 401 for ErrMissing, ErrSignature, ErrStale and ErrFuture
//   - 413 for ErrTooLarge and 415 for ErrEncoded
//   - 503 for ErrReplayed and ErrGuard, because the callback may be genuine: read
//     its job back
//   - 500 for any other error, such as ErrConfig
//   - 200 for nil
func StatusCode(err error) int {
	_, status := classOf(err)
	return status
}

// Reason returns one word for err, for logs and metrics: "malformed",
// "missing", "signature", "stale", "future", "replayed", "too_large",
// "encoded", "guard", "origin", "partner" or "config"; "other" for any other
// error, and "" for nil.
func Reason(err error) string {
	reason, _ := classOf(err)
	return reason
}

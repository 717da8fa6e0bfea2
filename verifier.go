package smilesig

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"
)

// The limits of a [Verifier] whose fields are 0.
const (
	DefaultMaxAge   = 15 * time.Minute
	DefaultMaxSkew  = time.Minute
	DefaultMaxBytes = 4 << 20
)

// A Verifier decides whether a callback carries a confirmed and fresh pair. Set
// its fields before use. It is then safe for concurrent use. The zero value
// rejects everything.
//
// A pair does not cover the body. So a verified callback proves that its sender
// has, or has seen, a recent pair for the partner, and no more: see the package
// documentation.
type Verifier struct {
	// Signer has the credentials that callbacks may be signed with. Required.
	// Use one Verifier and one path for each environment, or look at
	// Callback.Label: a callback signed with the sandbox key must not pass for
	// one of production.
	Signer *Signer

	// MaxAge is the oldest accepted age of a timestamp. 0 means DefaultMaxAge. A
	// negative MaxAge rejects everything. Do not raise it while pairs are bound
	// that a shorter MaxAge has bound.
	MaxAge time.Duration

	// MaxSkew is how far in the future a timestamp may be. 0 means
	// DefaultMaxSkew. A negative MaxSkew rejects everything.
	MaxSkew time.Duration

	// MaxBytes limits the body. 0 means DefaultMaxBytes. A negative MaxBytes
	// rejects everything.
	MaxBytes int64

	// Guard, if not nil, binds each pair to the body and the target (path and
	// query) that it came with first, and refuses it with any other. Without a
	// Guard, whoever has seen a pair can send any body with it until the pair is
	// stale. Method, headers, host and trailers are bound by nothing.
	//
	// Under one pair no second body is accepted, as long as no two clocks that
	// decide differ by more than MaxAge, nobody raises MaxAge within a binding's
	// life, and the store neither forgets nor jumps ahead. A pair is bound for
	// 2 × MaxAge + 2 × the larger of MaxSkew and a minute.
	//
	// The price: two genuine callbacks signed in the same millisecond share a
	// pair, and the second is refused with 503 until it is stale. At 10,000
	// callbacks a day that is one in about two days. Keep what OnReject gets, or
	// read the job back. Also, a callback that is sent to a second URL of yours
	// is refused there.
	Guard ReplayGuard

	// OnReject sees every callback that Handler rejects and returns the HTTP
	// status of the answer. Any value outside 200–599 means StatusCode(err). A
	// 2xx tells the sender not to send the callback again. OnReject is called
	// concurrently. If it is nil, Handler logs a warning through log/slog.
	//
	// Its request has the body as far as it was read, until OnReject returns. The
	// body is empty if the callback was refused unread, as for a forged pair in
	// headers or a declared length over MaxBytes. A body that turned out longer
	// than MaxBytes is cut there. ErrStale, ErrFuture, ErrReplayed and ErrGuard
	// come only after the pair was confirmed: keep these callbacks for a person
	// to look at. Bound what you keep, because with one pair anybody can send any
	// number of bodies.
	OnReject func(r *http.Request, err error) (status int)

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// A Callback describes a verified callback.
type Callback struct {
	PartnerID string    // of the credential that confirmed the pair
	Label     string    // of the same credential
	Timestamp string    // as received
	Time      time.Time // Timestamp parsed, in UTC
	Placement Placement // InBody or InHeader

	// SeenBefore says that the guard has admitted this pair with this body
	// before. The handler of that delivery may or may not have finished.
	SeenBefore bool
}

// Verify decides about a callback that arrived without net/http, for example from
// a queue. The names in header may be in any letter case. Pass the body exactly as
// it was received. Verify keeps neither. ctx is for the guard.
//
// If the header has either half of a pair, the pair is in the header, and the body
// is not looked at. Else the pair is in the body. Verify returns the first of
// these errors that applies:
//
//   - an error of its own for a faulty configuration
//   - [ErrEncoded]
//   - [ErrTooLarge]
//   - [ErrMalformed], [ErrMissing] or [ErrSignature], for the pair
//   - [ErrStale], for a confirmed timestamp that [ParseTimestamp] refuses
//   - an [*AgeError], which is [ErrStale] or [ErrFuture]
//   - [ErrReplayed], or [ErrGuard], which wraps the guard's error
//   - an [*AgeError] again, for a callback that became stale while the guard answered
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte) (Callback, error) {
	head := readHead(header)
	pair, err := v.checkHead(head, int64(len(body)))
	if err != nil {
		return Callback{}, err
	}
	return v.checkBody(ctx, pair, "", body)
}

// A confirmedPair is a pair that a credential has signed, of whatever age.
type confirmedPair struct {
	Pair
	partnerID, label string
	placement        Placement // Unsigned where there is no pair
}

// checkHead makes the decisions that need no body, so that nobody makes us read
// one with a forged pair. The pair is zero if there is none in the headers.
func (v *Verifier) checkHead(head messageHead, declaredLen int64) (confirmedPair, error) {
	switch {
	case v.Signer.load() == nil:
		return confirmedPair{}, fmt.Errorf("smilesig: faulty Verifier: %w", errNoCredential)
	case v.MaxAge < 0, v.MaxSkew < 0, v.MaxBytes < 0:
		return confirmedPair{}, errors.New("smilesig: faulty Verifier: MaxAge, MaxSkew or MaxBytes is negative")
	case head.isEncoded:
		return confirmedPair{}, fmt.Errorf("%w: only identity is accepted", ErrEncoded)
	case declaredLen > v.maxBytes():
		return confirmedPair{}, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, declaredLen, v.maxBytes())
	case head.pair.hasAny():
		return v.confirm(head.pair, InHeader)
	}
	return confirmedPair{}, nil
}

// checkBody makes the rest of the decision. pair is the one in the headers, if
// there is one.
func (v *Verifier) checkBody(ctx context.Context, pair confirmedPair, target string, body []byte) (Callback, error) {
	if pair.placement == Unsigned {
		if len(body) == 0 {
			return Callback{}, fmt.Errorf("%w: the body is empty; perhaps something in front has read it", ErrMalformed)
		}
		received, err := bodyPair(body)
		if err != nil {
			return Callback{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if pair, err = v.confirm(received, InBody); err != nil {
			return Callback{}, err
		}
	}
	t, ok := parseTimestamp(pair.Timestamp)
	if !ok {
		return Callback{}, fmt.Errorf("%w: confirmed, but not a timestamp that Smile ID writes", ErrStale)
	}
	if err := v.checkAge(t); err != nil {
		return Callback{}, err
	}
	seen, err := v.bind(ctx, pair, target, body)
	if err != nil {
		return Callback{}, err
	}
	// The guard may have taken longer than the pair lives.
	if err := v.checkAge(t); err != nil {
		return Callback{}, err
	}
	return Callback{
		PartnerID:  pair.partnerID,
		Label:      pair.label,
		Timestamp:  pair.Timestamp,
		Time:       t,
		Placement:  pair.placement,
		SeenBefore: seen,
	}, nil
}

func (v *Verifier) maxAge() time.Duration  { return cmp.Or(v.MaxAge, DefaultMaxAge) }
func (v *Verifier) maxSkew() time.Duration { return cmp.Or(v.MaxSkew, DefaultMaxSkew) }
func (v *Verifier) maxBytes() int64        { return cmp.Or(v.MaxBytes, DefaultMaxBytes) }

// confirm refuses a pair that is not two strings, given once each and signed with
// one of our credentials.
func (v *Verifier) confirm(received receivedPair, placement Placement) (confirmedPair, error) {
	timestamp, signature := received.timestamp, received.signature
	switch {
	case timestamp.count > 1 || signature.count > 1:
		return confirmedPair{}, fmt.Errorf("%w: signature or timestamp given more than once", ErrMalformed)
	case timestamp.notAString || signature.notAString:
		return confirmedPair{}, fmt.Errorf("%w: signature or timestamp is not a string", ErrMalformed)
	case timestamp.count == 0:
		return confirmedPair{}, fmt.Errorf("%w: no timestamp", ErrMissing)
	case signature.count == 0:
		return confirmedPair{}, fmt.Errorf("%w: no signature", ErrMissing)
	}
	pair := Pair{timestamp.text, signature.text}
	signedBy := v.Signer.confirm(pair)
	if signedBy == nil {
		return confirmedPair{}, ErrSignature
	}
	return confirmedPair{pair, signedBy.partnerID, signedBy.label, placement}, nil
}

func (v *Verifier) checkAge(t time.Time) error {
	age := currentTime(v.Now).Sub(t) // saturates
	switch {
	case age > v.maxAge() || age == math.MaxInt64:
		return &AgeError{Age: age, Limit: v.maxAge()}
	case age < -v.maxSkew():
		return &AgeError{Age: age, Limit: v.maxSkew()}
	}
	return nil
}

// bind asks the guard, if there is one, and reports whether it has admitted the
// same pair, target and body before.
func (v *Verifier) bind(ctx context.Context, pair confirmedPair, target string, body []byte) (seen bool, err error) {
	if v.Guard == nil {
		return false, nil
	}
	content := contentDigest(pair.Signature, target, body)
	bound, seen, err := v.Guard.Bind(ctx, pairDigest(pair.Signature), content, v.bindingLife())
	switch {
	case errors.Is(err, ErrGuard):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrGuard, err)
	case seen && bound != content:
		return false, fmt.Errorf("%w: the pair came with another body or to another target before", ErrReplayed)
	}
	return seen, nil
}

// bindingLife is how long a pair is bound, from now on. The age of the pair does
// not count, because this machine's clock may be wrong about it: one clock may be
// MaxAge ahead when a pair is bound, and another one MaxAge behind when it is
// accepted again.
func (v *Verifier) bindingLife() time.Duration {
	age, skew := v.maxAge(), max(v.maxSkew(), time.Minute)
	if age > math.MaxInt64/2-skew {
		return math.MaxInt64
	}
	return 2 * (age + skew)
}

// pairDigest is what a guard knows a pair by. It is not the pair itself, which
// somebody who reads the guard's store could use.
func pairDigest(signature string) Digest {
	return sha256.Sum256([]byte("smilesig: pair " + signature))
}

// contentDigest is what a pair is bound to. The signature in it keeps a reader of
// the store from telling which of two likely bodies it was. The lengths keep the
// parts apart.
func contentDigest(signature, target string, body []byte) (digest Digest) {
	h := sha256.New()
	fmt.Fprintf(h, "smilesig: content %d %d %d %s%s", len(signature), len(target), len(body), signature, target)
	h.Write(body)
	h.Sum(digest[:0])
	return digest
}

// currentTime reads a clock that may be nil.
func currentTime(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}

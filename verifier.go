package smilesig

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/smilesig/internal/jsonobject"
)

// Zero fields of a [Verifier] mean these limits and [DefaultMaxBytes].
const (
	DefaultMaxAge  = 15 * time.Minute
	DefaultMaxSkew = time.Minute
)

// A Verifier decides whether a callback has a confirmed and fresh pair. Set its
// fields before use and do not copy it afterwards. It is then safe for concurrent
// use. The zero value accepts nothing.
//
// A pair does not cover the body. So a verified callback proves only that its
// sender knows the API key or has seen a recent pair: see the package
// documentation.
type Verifier struct {
	// Signer has the credentials that callbacks may be signed with. Required. Use
	// one Verifier and one path for each environment, or check Callback.Label: a
	// callback signed with the sandbox key must not count in production.
	Signer *Signer

	// MaxAge is the oldest accepted age of a timestamp. 0 means DefaultMaxAge. Do
	// not raise it while the Guard holds pairs that were bound under a shorter
	// MaxAge.
	MaxAge time.Duration

	// MaxSkew is how far in the future a timestamp may be. 0 means
	// DefaultMaxSkew.
	MaxSkew time.Duration

	// MaxBytes limits the body. 0 means DefaultMaxBytes.
	MaxBytes int64

	// Guard binds each pair to the first body and target (path and query) that it
	// comes with. The Verifier then refuses the pair with any other. Nothing binds
	// the method, the headers, the host or the trailers.
	//
	// nil means a MemoryGuard of this Verifier's own, with its default Limit. That
	// fits one Verifier in one process. Verifiers that accept the same credentials
	// must share one Guard, in all processes and in all instances of a function.
	//
	// NoGuard means none: whoever has seen a pair can then send any body with it
	// until the pair is stale.
	//
	// The Guard accepts one body and one target for each pair, if:
	//
	//   - all Verifiers of the Guard have the same MaxAge
	//   - their clocks differ by MaxAge at most
	//   - nobody raises MaxAge while pairs are bound
	//   - the store of the Guard forgets nothing
	//   - the clock of that store does not jump ahead
	//
	// A binding lasts 2 × (MaxAge + the larger of MaxSkew and a minute): 32 minutes
	// by default.
	//
	// A Guard has a price. Two genuine callbacks that are signed in the same
	// millisecond share a pair, and the second is refused with ErrReplayed until
	// it is stale. With n callbacks a day, spread evenly, this happens about
	// n × n ÷ 172,800,000 times a day: 0.6 times with 10,000 callbacks. A callback
	// that is sent to two of your URLs is refused at the second. So a callback that
	// is refused with ErrReplayed may be genuine: read its job back from Smile ID.
	Guard ReplayGuard

	// OnReject sees every callback that Handler rejects and returns the HTTP
	// status of the answer. Any value outside 200–599 means StatusCode(err). A
	// 2xx tells the sender not to send the callback again. OnReject is called
	// concurrently. If it is nil, Handler logs a warning through log/slog,
	// with the job if joburl has put one into the context.
	//
	// Until OnReject returns, it can read from its request what Handler has read
	// of the body. The body is empty if Handler refused the callback unread, for
	// example for a forged pair in headers or a declared length over MaxBytes. A
	// body that turned out longer than MaxBytes is cut off there. ErrStale,
	// ErrFuture, ErrReplayed and ErrGuard come only after the pair was confirmed:
	// keep these callbacks for a person to look at. Limit how much you keep,
	// because anybody with one pair can send any number of bodies.
	OnReject func(r *http.Request, err error) (status int)

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	ownGuard MemoryGuard // used if Guard is nil
}

// A Callback describes a verified callback.
type Callback struct {
	PartnerID string    // of the credential that confirmed the pair
	Label     string    // of the same credential
	Timestamp string    // as received
	Time      time.Time // Timestamp parsed, in UTC
	Placement Placement // InBody or InHeader

	// SeenBefore says that the guard has admitted this pair with this body and
	// target before. The handler of that delivery may or may not have finished.
	SeenBefore bool
}

// Verify decides about a callback that arrived without net/http, for example in
// an event of a cloud function. It passes ctx to the Guard.
//
// target is what the pair is bound to beside the body: the path and query that
// the callback came to, as in [http.Request.RequestURI]. If target is an absolute
// URL, Verify uses its path and query only. The names in header may be in any
// letter case. Pass the body exactly as it was received. Verify keeps neither header
// nor body.
//
// If header has either half of a pair, Verify takes the pair from there, and
// otherwise from the body. Verify returns the first of these errors that applies:
//
//   - [ErrConfig], for a faulty Verifier, or a target that is neither a path nor an absolute URL
//   - [ErrEncoded]
//   - [ErrTooLarge]
//   - [ErrMalformed], [ErrMissing] or [ErrSignature], for a pair in headers
//   - [ErrMalformed], for a body that is not one JSON object
//   - [ErrMalformed], [ErrMissing] or [ErrSignature], for a pair in the body
//   - [ErrStale], for a confirmed timestamp that [ParseTimestamp] refuses
//   - an [*AgeError], which is [ErrStale] or [ErrFuture]
//   - [ErrReplayed], or [ErrGuard] together with the guard's own error
//   - an [*AgeError] again, for a callback that became stale while the guard answered
//
// # Queues
//
// Verify a callback once, where it arrives, and queue what was verified. If only
// the worker verifies, queue the RequestURI unchanged, with the headers and the
// body, and pass them to Verify. What the worker does with an error:
//
//   - ErrGuard: try the message again later
//   - ErrConfig: keep the message and repair the configuration
//   - ErrStale, ErrFuture, ErrReplayed: read the job back; the message is refused
//     at every try
//   - ErrSignature: drop the message and count it; during a change of keys it may
//     be genuine, so read back the jobs that stay open
//   - any other: drop the message and count it; it is a stranger's, or was damaged
//
// A callback that waits in the queue for longer than MaxAge is stale. Do not set Now
// to the time when it came: the Guard forgets pairs by the clock of its store, and a
// second body could pass. If a worker verifies again with the same Guard, pass the
// identical target. SeenBefore is then always true.
func (v *Verifier) Verify(ctx context.Context, target string, header http.Header, body []byte) (Callback, error) {
	target, err := pathAndQuery(target)
	if err != nil {
		return Callback{}, err
	}
	pair, err := v.checkHead(header, int64(len(body)))
	if err != nil {
		return Callback{}, err
	}
	return v.checkBody(ctx, pair, target, body)
}

// pathAndQuery returns the part of a target that a pair is bound to.
func pathAndQuery(target string) (string, error) {
	if strings.HasPrefix(target, "/") {
		return target, nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%w: the target of Verify is neither a path nor an absolute URL", ErrConfig)
	}
	return u.RequestURI(), nil
}

// A confirmedPair is a pair that a credential has signed, of whatever age.
type confirmedPair struct {
	Callback         // as far as the pair tells; Unsigned where there is none
	signature string // signatureLen long
}

// check returns ErrConfig for a Verifier that cannot work.
func (v *Verifier) check() error {
	switch {
	case v.Signer.load() == nil:
		return errNoCredential
	case v.Guard == ReplayGuard((*MemoryGuard)(nil)), v.MaxAge < 0, v.MaxSkew < 0, v.MaxBytes < 0:
		return fmt.Errorf("%w: MaxAge, MaxSkew or MaxBytes of the Verifier is negative, or its Guard is a nil *MemoryGuard", ErrConfig)
	}
	return nil
}

// checkHead makes the decisions that need no body, so that a forged pair in
// headers does not make us read one. The returned pair is zero if there is none
// in the headers.
func (v *Verifier) checkHead(header http.Header, declaredLen int64) (pair confirmedPair, err error) {
	received, encoded := pairInHeaders(header)
	switch err = v.check(); {
	case err != nil:
	case encoded:
		err = fmt.Errorf("%w: only identity is accepted; if something in front inflates bodies, it must delete the header", ErrEncoded)
	case declaredLen > v.maxBytes():
		err = fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, declaredLen, v.maxBytes())
	case received.hasAny():
		pair, err = v.checkPair(received, InHeader)
	}
	return pair, err
}

// checkBody makes the rest of the decision. pair is the one in the headers, if
// there is one.
func (v *Verifier) checkBody(ctx context.Context, pair confirmedPair, target string, body []byte) (_ Callback, err error) {
	var received receivedPair
	if pair.Placement == InHeader {
		err = jsonobject.Check(body)
	} else {
		received, err = pairInBody(body)
	}
	if err != nil {
		return Callback{}, notAnObject(body, err)
	}
	if pair.Placement == Unsigned {
		if pair, err = v.checkPair(received, InBody); err != nil {
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
	pair.Time, pair.SeenBefore = t, seen
	return pair.Callback, nil
}

func (v *Verifier) maxAge() time.Duration  { return cmp.Or(v.MaxAge, DefaultMaxAge) }
func (v *Verifier) maxSkew() time.Duration { return cmp.Or(v.MaxSkew, DefaultMaxSkew) }
func (v *Verifier) maxBytes() int64        { return cmp.Or(v.MaxBytes, DefaultMaxBytes) }

// notAnObject says what body looks like, where that is plain.
func notAnObject(body []byte, err error) error {
	var start [3]byte
	n, _ := base64.StdEncoding.Decode(start[:], body[:min(4, len(body))])
	switch {
	case len(body) == 0:
		return fmt.Errorf("%w: the body is empty", ErrMalformed)
	case n > 0 && start[0] == '{':
		return fmt.Errorf("%w: the body looks like base64; decode it first", ErrMalformed)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// checkPair refuses a pair unless both halves are strings that are given once, and
// one of our credentials has signed it.
func (v *Verifier) checkPair(received receivedPair, placement Placement) (confirmedPair, error) {
	if reason, kind := received.fault(); kind != nil {
		return confirmedPair{}, fmt.Errorf("%w: %s", kind, reason)
	}
	timestamp, signature := received.timestamp.text, received.signature.text
	signedBy := v.Signer.signedBy(timestamp, signature)
	if signedBy == nil {
		return confirmedPair{}, ErrSignature
	}
	return confirmedPair{Callback{PartnerID: signedBy.partnerID, Label: signedBy.label, Timestamp: timestamp, Placement: placement}, signature}, nil
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

// bind asks the guard and reports whether it has admitted the same pair, target
// and body before.
func (v *Verifier) bind(ctx context.Context, pair confirmedPair, target string, body []byte) (seen bool, err error) {
	guard := cmp.Or[ReplayGuard](v.Guard, &v.ownGuard)
	if guard == NoGuard {
		return false, nil
	}
	content := contentDigest(pair.signature, target, body)
	bound, seen, err := guard.Bind(ctx, pairDigest(pair.signature), content, v.bindingLife())
	switch {
	case errors.Is(err, ErrGuard):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrGuard, err)
	case seen && bound != content:
		return false, fmt.Errorf("%w: the pair came with another body or to another target before; if it may be genuine, read the job back", ErrReplayed)
	}
	return seen, nil
}

// bindingLife returns how long a pair is bound, counted from now. It does not
// depend on the age of the pair, because this machine's clock may be wrong. One
// clock accepts a pair for MaxSkew + MaxAge, and the clock that accepts it again
// may be MaxAge behind the clock that bound it.
func (v *Verifier) bindingLife() time.Duration {
	age, skew := v.maxAge(), max(v.maxSkew(), time.Minute)
	if age > math.MaxInt64/2-skew {
		return math.MaxInt64
	}
	return 2 * (age + skew)
}

// pairDigest returns the name of a pair in a guard. It is not the pair itself,
// because whoever reads the guard's store could use that. What is hashed is as long
// as fits into one block of SHA-256.
func pairDigest(signature string) Digest {
	text := make([]byte, 0, 64) // on the stack
	return sha256.Sum256(append(append(text, "replay pair"...), signature...))
}

// contentDigest returns what a pair is bound to. Because it covers the signature,
// a reader of the store cannot tell which of two likely bodies it was. The
// signature has a fixed length, and the length of the target separates it from
// the body.
func contentDigest(signature, target string, body []byte) (digest Digest) {
	head := append(make([]byte, 0, 512), "replay content"...) // on the stack
	head = append(head, signature...)
	head = binary.BigEndian.AppendUint64(head, uint64(len(target)))
	head = append(head, target...)
	h := sha256.New() // on the stack, too, because no interface gets it
	h.Write(head)
	h.Write(body)
	h.Sum(digest[:0])
	return digest
}

package smilesig

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/smilesig/internal/jsonobject"
)

// The limits of a [Verifier] whose fields are 0.
const (
	DefaultMaxAge   = 15 * time.Minute
	DefaultMaxSkew  = time.Minute
	DefaultMaxBytes = 4 << 20
)

// A Verifier decides whether a callback carries a pair that is ours and fresh.
// Set its fields before use; it is then safe for concurrent use. The zero value
// rejects everything.
//
// A pair does not cover the body, so a verified callback proves that its sender
// has, or has seen, a recent pair for the partner, and no more: see the package
// documentation.
type Verifier struct {
	// Signer has the credentials that callbacks may be signed with. Required.
	Signer *Signer

	// MaxAge is the oldest accepted timestamp; 0 is DefaultMaxAge. Negative
	// rejects everything. Verifiers that share a Guard need the same MaxAge and
	// MaxSkew, because a pair is bound for as long as the first one accepts it.
	MaxAge time.Duration

	// MaxSkew is how far ahead of our clock a timestamp may be; 0 is
	// DefaultMaxSkew. Negative rejects everything.
	MaxSkew time.Duration

	// MaxBytes limits the body; 0 is DefaultMaxBytes. Negative rejects everything.
	MaxBytes int64

	// Guard, if not nil, refuses a pair that comes with a second body. Without
	// one, whoever has seen a pair can send any body with it until it is stale.
	//
	// The price: two genuine callbacks signed in the same millisecond share a
	// pair, and the second is refused with 503 until it is stale. At 10,000
	// callbacks a day that is one in about two days. Senders that retry are not
	// helped by that, so keep what OnReject gets, or read the job back.
	Guard ReplayGuard

	// OnReject sees every callback that Handler rejects and returns the status
	// to answer with; 0, or what is no final HTTP status, is StatusCode(err).
	// Returning 2xx tells the sender not to come again. It is called concurrently.
	// nil logs a warning through log/slog; otherwise you log.
	//
	// Its request has the body as far as it was read, until OnReject returns:
	// nothing if it was refused before that, as for a forged pair in headers or a
	// declared length over MaxBytes; MaxBytes of a body that turned out longer.
	// So a refused callback that may be genuine can be kept for a person to look
	// at. ErrStale, ErrFuture, ErrReplayed and ErrGuard come only after the pair
	// was confirmed: keep these, and not what any stranger can send. Bound what
	// you keep, because with one pair anybody can send any number of bodies.
	OnReject func(r *http.Request, err error) (status int)

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Callback says what confirmed a callback.
type Callback struct {
	PartnerID string    // of the credential that confirmed the pair
	Label     string    // of the same credential
	Timestamp string    // as received
	Time      time.Time // Timestamp parsed, in UTC
	Placement Placement // InBody or InHeader

	// SeenBefore says that the guard has admitted this pair with this very body
	// before. The handler of that delivery may or may not have finished.
	SeenBefore bool
}

// Verify decides about a callback that arrived without net/http: from a queue,
// in a cloud function. The names in header may be in any letter case. Pass the
// body as it was received, to the byte; Verify keeps neither.
//
// If the header has either part of a pair, the pair is in the header and the
// body is not looked at; else it is in the body. In this order, Verify returns an
// error of its own for a faulty configuration, [ErrEncoded], [ErrTooLarge],
// [ErrMalformed], [ErrMissing], [ErrSignature], and an [*AgeError]; a
// confirmed timestamp that [ParseTimestamp] refuses is [ErrStale]. Last it asks the
// guard: [ErrReplayed], or [ErrGuard] wrapping the cause. ctx is for the guard.
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte) (Callback, error) {
	return v.verify(ctx, header, int64(len(body)), func() ([]byte, error) { return body, nil })
}

// verify calls read once, and only when the body has to be looked at or, with
// the pair confirmed, passed on. declaredLen is negative if nothing is declared.
func (v *Verifier) verify(ctx context.Context, header http.Header, declaredLen int64, read func() ([]byte, error)) (Callback, error) {
	if err := v.checkConfiguration(); err != nil {
		return Callback{}, err
	}
	if isEncoded(header) {
		return Callback{}, fmt.Errorf("%w: only identity is accepted", ErrEncoded)
	}
	if declaredLen > v.maxBytes() {
		return Callback{}, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, declaredLen, v.maxBytes())
	}
	received, err := v.confirmReceived(header, read)
	if err != nil {
		return Callback{}, err
	}
	t, ok := parseTimestamp(received.timestamp)
	if !ok {
		return Callback{}, fmt.Errorf("%w: confirmed, but not a timestamp that Smile ID writes", ErrStale)
	}
	now := currentTime(v.Now)
	if err := v.checkAge(now.Sub(t)); err != nil {
		return Callback{}, err
	}
	// The guard's clock may be ahead of ours, hence MaxSkew on top.
	ttl := t.Add(v.maxAge()).Add(v.maxSkew()).Sub(now)
	seen, err := v.askGuard(ctx, received.confirmation, received.body, ttl)
	if err != nil {
		return Callback{}, err
	}
	return Callback{
		PartnerID:  received.partnerID,
		Label:      received.label,
		Timestamp:  received.timestamp,
		Time:       t,
		Placement:  received.placement,
		SeenBefore: seen,
	}, nil
}

func (v *Verifier) checkConfiguration() error {
	switch {
	case v.Signer.load() == nil:
		return fmt.Errorf("smilesig: faulty Verifier: %w", errNoCredential)
	case v.MaxAge < 0, v.MaxSkew < 0, v.MaxBytes < 0:
		return errors.New("smilesig: faulty Verifier: MaxAge, MaxSkew or MaxBytes is negative")
	}
	return nil
}

func (v *Verifier) maxAge() time.Duration  { return cmp.Or(v.MaxAge, DefaultMaxAge) }
func (v *Verifier) maxSkew() time.Duration { return cmp.Or(v.MaxSkew, DefaultMaxSkew) }
func (v *Verifier) maxBytes() int64        { return cmp.Or(v.MaxBytes, DefaultMaxBytes) }

// A received callback has a pair that is confirmed, of whatever age.
type received struct {
	confirmation
	timestamp string
	placement Placement
	body      []byte
}

// confirmReceived takes the pair from the headers if they have any of it, else from
// the body. With a pair in headers it reads the body only once that is confirmed, so
// that nobody makes us read with a forged one.
func (v *Verifier) confirmReceived(header http.Header, read func() ([]byte, error)) (r received, err error) {
	pair := headerPair(header)
	if pair.isPresent() {
		if r, err = v.confirm(pair, InHeader); err != nil {
			return received{}, err
		}
		r.body, err = read()
		return r, err
	}
	body, err := read()
	if err != nil {
		return received{}, err
	}
	if pair, err = bodyPair(body); err != nil {
		return received{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r, err = v.confirm(pair, InBody)
	r.body = body
	return r, err
}

func (v *Verifier) confirm(p receivedPair, placement Placement) (received, error) {
	if err := p.check(); err != nil {
		return received{}, err
	}
	confirmed, ok := v.Signer.confirm(p.timestamp.text, p.signature.text)
	if !ok {
		return received{}, ErrSignature
	}
	return received{confirmation: confirmed, timestamp: p.timestamp.text, placement: placement}, nil
}

func (v *Verifier) checkAge(age time.Duration) error {
	switch {
	case age > v.maxAge():
		return &AgeError{Age: age, Limit: v.maxAge()}
	case age < -v.maxSkew():
		return &AgeError{Age: age, Limit: v.maxSkew()}
	}
	return nil
}

// askGuard binds the pair to the body, if there is a guard, and reports whether
// it was bound to it before.
func (v *Verifier) askGuard(ctx context.Context, pair confirmation, body []byte, ttl time.Duration) (seen bool, err error) {
	if v.Guard == nil {
		return false, nil
	}
	digest := Digest(sha256.Sum256(body))
	bound, seen, err := v.Guard.Bind(ctx, pair.digest(), digest, ttl)
	switch {
	case errors.Is(err, ErrGuard):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrGuard, err)
	case seen && bound != digest:
		return false, fmt.Errorf("%w: the pair came with another body before", ErrReplayed)
	}
	return seen, nil
}

// digest is what a guard knows a pair by: not the pair itself, which whoever
// reads the guard's store could use. It is of our own text of the signature.
func (c confirmation) digest() Digest {
	return sha256.Sum256(append([]byte("smilesig: pair "), c.signature[:]...))
}

// currentTime asks a clock that may be nil.
func currentTime(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}

// A receivedPair is the pair as a message carries it, whatever its shape.
type receivedPair struct{ timestamp, signature half }

type half struct {
	count      int    // how often it is given
	text       string // its first value
	notAString bool
}

func (p receivedPair) isPresent() bool { return p.timestamp.count+p.signature.count > 0 }

// check refuses a pair that is not two strings, given once each.
func (p receivedPair) check() error {
	switch {
	case p.timestamp.count > 1 || p.signature.count > 1:
		return fmt.Errorf("%w: signature or timestamp given more than once", ErrMalformed)
	case p.timestamp.notAString || p.signature.notAString:
		return fmt.Errorf("%w: signature or timestamp is not a string", ErrMalformed)
	case p.timestamp.count == 0:
		return fmt.Errorf("%w: no timestamp", ErrMissing)
	case p.signature.count == 0:
		return fmt.Errorf("%w: no signature", ErrMissing)
	}
	return nil
}

func headerPair(h http.Header) receivedPair {
	read := func(name string) half {
		values := headerValues(h, name)
		if len(values) == 0 {
			return half{}
		}
		return half{count: len(values), text: values[0]}
	}
	return receivedPair{timestamp: read(headerCallbackTimestamp), signature: read(headerCallbackSignature)}
}

// bodyPair returns jsonobject's error if body is not a JSON object.
func bodyPair(body []byte) (receivedPair, error) {
	var p receivedPair
	err := jsonobject.Scan(body, func(m jsonobject.Member) {
		var h *half
		switch {
		case m.Is(memberSignature):
			h = &p.signature
		case m.Is(memberTimestamp):
			h = &p.timestamp
		default:
			return
		}
		if h.count++; h.count == 1 {
			text, isString := m.Text()
			h.text, h.notAString = text, !isString
		}
	})
	if err != nil {
		return receivedPair{}, err
	}
	return p, nil
}

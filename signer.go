package smilesig

import (
	"bytes"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/smilesig/internal/jsonobject"
)

// signedSuffix ends every signed message, after the timestamp and the partner ID.
const signedSuffix = "sid_request"

// signatureLen is the length of every signature: padded standard base64 of an
// HMAC-SHA256.
const signatureLen = (sha256.Size + 2) / 3 * 4

var errNoCredential = fmt.Errorf("%w: the Signer has no credential: it is nil or was not made by NewSigner", ErrConfig)

// A Credential is a partner ID and one of its API keys. Both are used as they
// are: the signatures for 085 and 85 differ, and a key is never decoded.
//
// Printing, logging and JSON show REDACTED for the key. A Credential cannot redact
// where its methods are not called: in an unexported field printed by fmt, with %p
// or a misplaced %w, and in encoders other than encoding/json.
type Credential struct {
	PartnerID string
	APIKey    string

	// Label is your own name for the credential, such as "sandbox". It is not
	// secret and may be empty. [Callback] reports it.
	Label string
}

const redacted = "REDACTED"

// Format implements [fmt.Formatter]. It prints REDACTED for the key.
func (c Credential) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{PartnerID:%s APIKey:%s Label:%s}", c.PartnerID, redacted, c.Label)
}

// LogValue implements [slog.LogValuer]. It shows REDACTED for the key.
func (c Credential) LogValue() slog.Value {
	return slog.GroupValue(slog.String("PartnerID", c.PartnerID), slog.String("APIKey", redacted), slog.String("Label", c.Label))
}

// MarshalJSON writes REDACTED for the key, so JSON cannot store a Credential.
func (c Credential) MarshalJSON() ([]byte, error) {
	type plain Credential
	c.APIKey = redacted
	return json.Marshal(plain(c))
}

func (c Credential) check(name string) error {
	return errors.Join(
		checkPart(name, "partner ID", c.PartnerID),
		checkPart(name, "API key", c.APIKey),
	)
}

func checkPart(name, part, value string) error {
	for _, check := range []struct {
		fails bool
		fault string
	}{
		{value == "", "is empty"},
		{strings.TrimSpace(value) != value, "has white space around it"},
		{strings.Trim(value, "\"'`") != value, "has quotation marks around it"},
		{fips140.Enforced() && part == "API key" && len(value) < 14, "is too short for FIPS 140-only mode"}, // crypto/hmac would panic
	} {
		if check.fails {
			return fmt.Errorf("smilesig: %s credential: the %s %s", name, part, check.fault)
		}
	}
	return nil
}

// A Pair is a timestamp and the signature over it and the partner ID.
type Pair struct {
	Timestamp string `json:"timestamp"`
	Signature string `json:"signature"`
}

// A Signer signs with one credential and confirms with any of several. It is
// safe for concurrent use. Use [NewSigner]: the zero value cannot sign and
// confirms nothing.
type Signer struct {
	keys atomic.Pointer[[]*key] // the current one first; the slice never changes
}

// NewSigner returns a Signer that signs with current and confirms the pairs that
// current or one of accepted has signed. During a rotation, pass the old
// credential in accepted. If two credentials confirm a pair, the first one counts.
//
// NewSigner refuses a partner ID or an API key that is empty or has white space or
// quotation marks around it. With GODEBUG=fips140=only, it refuses an API key of
// fewer than 14 bytes. The error names every fault.
func NewSigner(current Credential, accepted ...Credential) (*Signer, error) {
	s := new(Signer)
	if err := s.Rotate(current, accepted...); err != nil {
		return nil, err
	}
	return s, nil
}

// Rotate replaces all credentials at once. Calls that start afterwards use the
// new ones. Rotate refuses what [NewSigner] refuses, and then it changes nothing.
func (s *Signer) Rotate(current Credential, accepted ...Credential) error {
	keys := []*key{newKey(current)}
	err := current.check("current")
	for i, c := range accepted {
		keys = append(keys, newKey(c))
		err = errors.Join(err, c.check(fmt.Sprintf("accepted[%d]", i)))
	}
	if err == nil {
		s.keys.Store(&keys)
	}
	return err
}

// PartnerID returns the partner ID of the current credential. It is "" for a nil
// or zero Signer.
func (s *Signer) PartnerID() string {
	if keys := s.load(); keys != nil {
		return keys[0].partnerID
	}
	return ""
}

// Sign returns the current credential's pair for t, truncated to the millisecond.
// It panics on a nil or zero Signer, because an empty signature must not be sent.
func (s *Signer) Sign(t time.Time) Pair {
	keys := s.load()
	if keys == nil {
		panic(errNoCredential)
	}
	return keys[0].pair(formatTimestamp(t))
}

// SignTimestamp returns the current credential's pair for timestamp. It signs the
// text as it is. It returns ErrConfig if the Signer is nil or zero,
// and an error if [ParseTimestamp] refuses timestamp.
func (s *Signer) SignTimestamp(timestamp string) (Pair, error) {
	keys := s.load()
	if keys == nil {
		return Pair{}, errNoCredential
	}
	if _, err := ParseTimestamp(timestamp); err != nil {
		return Pair{}, err
	}
	return keys[0].pair(timestamp), nil
}

// Confirm reports whether one of the credentials has signed timestamp with
// signature. It compares the received characters in constant time and never
// decodes them: only the 44 characters of padded standard base64 can be right. It
// is false for a timestamp that is empty or longer than 64 bytes. It does not
// check the age of timestamp; a [Verifier] does. It never panics and does not
// allocate.
func (s *Signer) Confirm(timestamp, signature string) bool {
	return s.signedBy(timestamp, signature) != nil
}

// signedBy returns the key that has signed timestamp with signature, or nil.
func (s *Signer) signedBy(timestamp, signature string) (signer *key) {
	if len(timestamp) == 0 || len(timestamp) > maxTimestampLen || len(signature) != signatureLen {
		return nil
	}
	for _, k := range s.load() {
		own := k.sign(timestamp)
		if subtle.ConstantTimeCompare(own[:], []byte(signature)) == 1 && signer == nil {
			signer = k
		}
	}
	return signer
}

// Inject returns a copy of body, a JSON object, with the current credential's
// pair for t as its first members. It drops top-level signature and timestamp
// members that body has already. Every other byte stays as it is.
//
// Inject returns
//
//   - [ErrConfig] if the Signer is nil or zero
//   - [ErrMalformed] unless body is one JSON object in valid UTF-8, without a
//     byte-order mark and nested at most 10,000 deep; the error says what is
//     wrong and at what offset
//   - [ErrPartner] if a top-level partner_id or smile_client_id is not the current
//     credential's partner ID as a string; the error quotes it if it is short
func (s *Signer) Inject(body []byte, t time.Time) ([]byte, error) {
	keys := s.load()
	if keys == nil {
		return nil, errNoCredential
	}
	return keys[0].inject(body, formatTimestamp(t))
}

// load returns the keys, the current one first. It returns nil for a nil or zero
// Signer.
func (s *Signer) load() []*key {
	if s == nil {
		return nil
	}
	if keys := s.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// A key signs for one credential. The API key itself is only in closures, where
// nothing that prints a Signer can reach it.
type key struct {
	partnerID string
	label     string
	apiKey    func() string // for Smile ID only
	suffix    []byte        // what follows the timestamp in the signed message
	macs      sync.Pool     // of *mac
}

// A mac is the working memory of one signature.
type mac struct {
	hash    hash.Hash
	message []byte
	sum     [sha256.Size]byte
}

func newKey(c Credential) *key {
	apiKey := []byte(c.APIKey)
	return &key{
		partnerID: c.PartnerID,
		label:     c.Label,
		apiKey:    func() string { return c.APIKey },
		suffix:    []byte(c.PartnerID + signedSuffix),
		macs:      sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, apiKey)} }},
	}
}

func (k *key) pair(timestamp string) Pair {
	signature := k.sign(timestamp)
	return Pair{Timestamp: timestamp, Signature: string(signature[:])}
}

func (k *key) sign(timestamp string) (signature [signatureLen]byte) {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.message = append(append(m.message[:0], timestamp...), k.suffix...)
	m.hash.Reset()
	m.hash.Write(m.message)
	base64.StdEncoding.Encode(signature[:], m.hash.Sum(m.sum[:0]))
	return signature
}

// inject writes the pair behind the opening brace and then the body, member by
// member. Each member except the first is copied together with the comma before
// it, so that members can be left out one by one.
func (k *key) inject(body []byte, timestamp string) ([]byte, error) {
	signature := k.sign(timestamp)
	pair := `"` + memberSignature + `":"` + string(signature[:]) + `","` + memberTimestamp + `":"` + timestamp + `"`
	copied := bytes.IndexByte(body, '{') + 1 // how much of body is in signed
	signed := make([]byte, 0, len(body)+len(pair)+len(","))
	signed = append(append(signed, body[:copied]...), pair...)

	var partnerErr error
	err := jsonobject.Scan(body, func(m jsonobject.Member) {
		switch {
		case m.Is(memberSignature), m.Is(memberTimestamp):
			if m.Comma >= 0 {
				signed = append(signed, body[copied:m.Comma]...)
				copied = m.Comma + 1
			}
			signed = append(signed, body[copied:m.Start]...)
			copied = m.End
			return
		case m.Is(memberPartnerID), m.Is(memberClientID):
			if id, isString := m.Text(); partnerErr == nil && (!isString || string(id) != k.partnerID) {
				partnerErr = partnerError(string(id), isString, k.partnerID)
			}
		}
		if m.Comma < 0 {
			signed = append(signed, ',')
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if partnerErr != nil {
		return nil, partnerErr
	}
	return append(signed, body[copied:]...), nil
}

// partnerError quotes what can be a partner ID, and nothing else of the body.
func partnerError(inBody string, isString bool, ours string) error {
	switch {
	case !isString:
		return fmt.Errorf("%w: the partner ID in the body is not a string, the credential is of partner %s", ErrPartner, ours)
	case inBody == "" || len(inBody) > 12:
		return fmt.Errorf("%w: the credential is of partner %s", ErrPartner, ours)
	}
	return fmt.Errorf("%w: the body says %q, the credential %s", ErrPartner, inBody, ours)
}

package smilesig

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A Transport signs requests to Smile ID. It puts the pair into the JSON body or
// the headers, as the endpoint wants it, and hands a request of its own to Base.
// Use it as the Transport of an [http.Client]. It is safe for concurrent use once
// its fields are set.
//
// The timestamp is taken at signing. Put retries outside the Transport, so that
// each attempt is signed afresh. Put a RoundTripper that needs the signed bytes
// inside, as Base.
//
// If RoundTrip returns an error of this package, nothing was sent. The exceptions
// are the two errors of ConfirmResponses.
type Transport struct {
	// Signer signs with its current credential. Required for requests that are
	// to be signed, and for ConfirmResponses.
	Signer *Signer

	// Base sends the requests. nil means http.DefaultTransport.
	Base http.RoundTripper

	// Origins lists the origins to sign for, as "scheme://host[:port]". Nil means
	// DefaultOrigins(); an empty slice means none. If an entry is not an origin,
	// every RoundTrip returns an error.
	//
	// RoundTrip refuses, with ErrOrigin, to send these to any other origin:
	//
	//   - a request with a Content-Type that looks like JSON
	//   - a redirected request with a body
	//   - a request with the header SmileID-Token, smileid-api-key or
	//     SmileID-Request-Signature
	//   - a request that is plainly meant for Smile ID: by the table of
	//     PlacementFor, its path wants the pair in headers, or in the body and it
	//     has no Content-Type
	//
	// Every other request passes unsigned, such as the zip of an upload.
	Origins []string

	// Placement says where the pair goes in a request to a listed origin. nil
	// means PlacementFor.
	Placement func(*http.Request) Placement

	// ConfirmResponses checks the answers of listed origins, after the request
	// was sent. It does not check the age of a pair.
	//
	// If a 2xx JSON answer to a signed request has a pair in its body, Signer
	// must confirm that pair. Otherwise RoundTrip returns ErrSignature. The
	// answer of /v1/job_status must have a pair and must not redirect. Otherwise
	// RoundTrip returns ErrMissing. RoundTrip reads DefaultMaxBytes of such an
	// answer at most.
	//
	// If an answer below /v3/ has either half of a pair in its headers, it must
	// have a pair that Signer confirms. Otherwise RoundTrip returns ErrSignature.
	// A 2xx answer of /v3/aml/sync or /v3/enhanced_kyc/sync must have a pair, and
	// these two must not redirect. Otherwise RoundTrip returns ErrMissing. Do not
	// repeat such a call, because it was made and billed. The error names the
	// job: read the job's status.
	//
	// Only third parties say that the message of a v3 signature ends in
	// sid_request. If your v3 answers are refused, use a Transport without
	// ConfirmResponses for them.
	//
	// All other answers pass, so check the status. A client that follows a
	// redirect may get an answer without a pair.
	ConfirmResponses bool

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// RoundTrip signs and sends req. It closes the body of req and changes nothing
// else in req. A body that gets a pair is read to its end first. Any other body
// passes unread.
//
// It returns these errors before anything is sent:
//
//   - [ErrOrigin] for a request that must not go to an origin that is not listed
//   - [ErrMalformed] if the body to be signed is missing, is not a JSON object,
//     or is not as long as declared
//   - [ErrEncoded] if such a body has a Content-Encoding
//   - [ErrPartner] if such a body names another partner
//   - the cause, if such a body cannot be read or the request's context ends
//   - [ErrConfig] for a faulty configuration
//
// After sending, it returns the error of Base, or [ErrSignature] or [ErrMissing]
// with ConfirmResponses.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	signed, decision, err := t.sign(req)
	if err != nil {
		return nil, err
	}
	res, err := t.base().RoundTrip(signed)
	if err != nil || res == nil {
		return res, err
	}
	res.Request = req // not ours, with a pair or the key in its headers
	if !t.ConfirmResponses || !decision.listed {
		return res, nil
	}
	if res.Body == nil { // a Base that is not net/http's
		res.Body = http.NoBody
	}
	if err := t.confirmAnswer(req, res, decision.placement); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// CloseIdleConnections closes the idle connections of Base. [http.Client] calls it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper { return cmp.Or(t.Base, http.DefaultTransport) }

// sign returns the request to send. If it returns none, it closes the body, even
// if the caller's Placement or Now panics.
func (t *Transport) sign(req *http.Request) (signed *http.Request, d decision, err error) {
	defer func() {
		if signed == nil && d.placement != InBody { // signBody closes what it reads
			closeBody(req)
		}
	}()
	if d, err = t.decide(req); err != nil {
		return nil, decision{}, err
	}
	switch d.placement {
	case InHeader:
		signed = t.signHeader(req)
	case InBody:
		signed, err = t.signBody(req)
	case KeyInHeader:
		signed, err = t.addKey(req)
	default:
		signed = req
	}
	return signed, d, err
}

type decision struct {
	listed    bool // the origin
	placement Placement
}

// decide refuses what can be refused without reading the body.
func (t *Transport) decide(req *http.Request) (decision, error) {
	if req.URL == nil {
		return decision{}, fmt.Errorf("%w: the request has no URL", ErrConfig)
	}
	listed, err := t.isListed(req.URL)
	switch {
	case err != nil:
		return decision{}, err
	case !listed && mustStay(req):
		return decision{}, fmt.Errorf("%w: %s://%s", ErrOrigin, req.URL.Scheme, req.URL.Host)
	case !listed:
		return decision{}, nil
	case t.ConfirmResponses && t.Signer.load() == nil:
		return decision{}, errNoCredential
	}
	placement, err := t.place(req)
	return decision{listed: true, placement: placement}, err
}

// mustStay reports whether req must not go to an origin that is not listed.
func mustStay(req *http.Request) bool {
	redirected := req.Response != nil
	placement := PlacementFor(req)
	isForSmileID := placement == InHeader || placement == InBody && isUntyped(req.Header)
	return redirected && hasBody(req) || looksLikeJSON(req.Header) || hasSecret(req.Header) || isForSmileID
}

// place returns where the pair goes in a request to a listed origin.
func (t *Transport) place(req *http.Request) (Placement, error) {
	choose := t.Placement
	if choose == nil {
		choose = PlacementFor
	}
	placement := choose(req)
	switch {
	case placement == Unsigned:
		return Unsigned, nil
	case placement == KeyInHeader:
		return t.placeKey(req)
	case placement != InBody && placement != InHeader:
		return Unsigned, fmt.Errorf("%w: no such placement: %v", ErrConfig, placement)
	case t.Signer.load() == nil:
		return Unsigned, errNoCredential
	case placement == InHeader:
		return InHeader, nil
	case !hasBody(req):
		return Unsigned, fmt.Errorf("%w: the request has no body for the pair", ErrMalformed)
	case !isJSONOrUntyped(req.Header):
		return Unsigned, fmt.Errorf("%w: the body for the pair is not JSON", ErrMalformed)
	case isEncoded(req.Header):
		return Unsigned, fmt.Errorf("%w: it cannot be signed", ErrEncoded)
	}
	return InBody, nil
}

// placeKey returns Unsigned for a request that gets no key: it has one already, or
// a redirect led to it.
func (t *Transport) placeKey(req *http.Request) (Placement, error) {
	partnerIDs, apiKeys := headerValues(req.Header, headerPartnerID), headerValues(req.Header, headerAPIKey)
	switch {
	case !isEncryptedOrLocal(req.URL):
		return Unsigned, fmt.Errorf("%w: the API key goes by https only, or to this machine", ErrOrigin)
	case (len(partnerIDs) == 0) != (len(apiKeys) == 0):
		return Unsigned, fmt.Errorf("%w: the request has one of the headers %s and %s without the other", ErrConfig, headerPartnerID, headerAPIKey)
	case len(apiKeys) > 0, req.Response != nil:
		return Unsigned, nil
	case t.Signer.load() == nil:
		return Unsigned, errNoCredential
	}
	return KeyInHeader, nil
}

// isEncryptedOrLocal reports whether no other machine can read what is sent to u.
func isEncryptedOrLocal(u *url.URL) bool {
	address, _ := netip.ParseAddr(u.Hostname())
	return equalASCII(u.Scheme, "https") || equalASCII(u.Hostname(), "localhost") || address.IsLoopback()
}

var originForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?/?$`)

// isListed compares scheme, host and port. It looks at every entry, so that a
// faulty one shows at once.
func (t *Transport) isListed(u *url.URL) (listed bool, err error) {
	for _, origin := range t.Origins {
		if !originForm.MatchString(origin) {
			named := origin[strings.LastIndexByte(origin, '@')+1:] // what is in front of an @ may be a password
			return false, fmt.Errorf("%w: %q in Origins of the Transport is not scheme://host[:port]", ErrConfig, named)
		}
	}
	origins := t.Origins
	if origins == nil {
		origins = defaultOrigins
	}
	isASCII := strings.IndexFunc(u.Host, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	comparable := u.User == nil && u.Opaque == "" && isASCII
	return comparable && slices.ContainsFunc(origins, func(origin string) bool {
		scheme, host, _ := strings.Cut(strings.TrimSuffix(origin, "/"), "://")
		return strings.EqualFold(scheme, u.Scheme) &&
			strings.EqualFold(withoutDefaultPort(scheme, host), withoutDefaultPort(u.Scheme, u.Host))
	}), nil
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

func withoutDefaultPort(scheme, host string) string {
	return strings.TrimSuffix(host, defaultPorts[strings.ToLower(scheme)])
}

func (t *Transport) signHeader(req *http.Request) *http.Request {
	k := t.Signer.load()[0]
	pair := k.pair(formatTimestamp(currentTime(t.Now)))
	return withHeaders(req, map[string]string{
		headerPartnerID: k.partnerID, headerSignature: pair.Signature, headerTimestamp: pair.Timestamp,
	})
}

// addKey writes the partner ID as v3 does [spec].
func (t *Transport) addKey(req *http.Request) (*http.Request, error) {
	k := t.Signer.load()[0]
	partnerID := strings.TrimLeft(k.partnerID, "0")
	if partnerID == "" || strings.Trim(partnerID, "0123456789") != "" {
		return nil, fmt.Errorf("%w: the partner ID of the Signer's current credential is not a positive number, as %s wants it", ErrConfig, tokenEndpoint)
	}
	return withHeaders(req, map[string]string{headerPartnerID: partnerID, headerAPIKey: k.apiKey()}), nil
}

func withHeaders(req *http.Request, values map[string]string) *http.Request {
	signed := clone(req)
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	for name, value := range values {
		replaceHeader(signed.Header, name, value)
	}
	return signed
}

// signBody reads and closes the body, and takes the timestamp afterwards.
func (t *Transport) signBody(req *http.Request) (*http.Request, error) {
	unsigned := buffers.Get().(*buffer)
	defer unsigned.release()
	if err := readRequestBody(unsigned, req); err != nil {
		return nil, err
	}
	body, err := t.Signer.Inject(unsigned.Bytes(), currentTime(t.Now))
	if err != nil {
		return nil, err
	}
	signed := clone(req)
	signed.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	}
	signed.Body, _ = signed.GetBody()
	signed.ContentLength = int64(len(body))
	signed.TransferEncoding = nil
	if len(req.Trailer) > 0 {
		signed.ContentLength = -1 // net/http sends trailers with chunked bodies only
	}
	return signed, nil
}

// clone copies req, except its trailers: the caller fills them in while the body
// is read.
func clone(req *http.Request) *http.Request {
	c := req.Clone(req.Context())
	c.Trailer = req.Trailer
	return c
}

// readRequestBody reads the body of a request into b and closes it. If the
// request's context ends, it closes the body at once.
func readRequestBody(b *buffer, req *http.Request) error {
	closeOnce := sync.OnceValue(req.Body.Close)
	stop := context.AfterFunc(req.Context(), func() { closeOnce() })
	defer stop()
	defer closeOnce()

	declared, limit := req.ContentLength, int64(math.MaxInt64)
	if declared > 0 { // 0 with a body means that the length is unknown
		limit = declared
	}
	err := b.readAll(req.Body, min(declared, 2*DefaultMaxBytes), limit)
	if err == nil {
		err = closeOnce()
	}
	if req.Context().Err() != nil {
		err = context.Cause(req.Context())
	}
	switch {
	case err != nil:
		return fmt.Errorf("smilesig: reading the request's body: %w", err)
	case declared > 0 && int64(b.Len()) != declared:
		return fmt.Errorf("%w: the request's body is not %d bytes long as declared", ErrMalformed, declared)
	}
	return nil
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// confirmAnswer returns ErrSignature or ErrMissing for an answer that is not
// signed as it should be. It leaves res with its whole body.
func (t *Transport) confirmAnswer(req *http.Request, res *http.Response, placement Placement) error {
	required, kind := answersSigned(req), res.StatusCode/100
	var pair receivedPair
	var err error
	switch {
	case required && kind == 3: // it leads to an answer that need not be signed
		return answerError(req, res, ErrMissing)
	case isV3(req):
		pair = pairInHeaders(res.Header)
	case placement == Unsigned && !required || kind != 2:
		return nil
	case required || isJSONOrUntyped(res.Header) && !isEncoded(res.Header):
		pair, err = peekPair(res)
	}
	switch {
	case pair.hasAny() && !t.confirms(pair):
		return answerError(req, res, ErrSignature)
	case pair.hasAny() || !required || kind != 2:
		return nil
	case err != nil:
		return &readError{answerError(req, res, ErrMissing), err}
	}
	return answerError(req, res, ErrMissing)
}

// confirms is false unless both halves of the pair are strings that are given
// once.
func (t *Transport) confirms(pair receivedPair) bool {
	isOnce := pair.timestamp.count == 1 && pair.signature.count == 1
	return isOnce && t.Signer.signedBy(pair.timestamp.text, pair.signature.text) != nil
}

// answerError adds the status to err. For a v3 call it also says that the call
// was made, so that nobody pays for it twice.
func answerError(req *http.Request, res *http.Response, err error) error {
	err = fmt.Errorf("%w in the answer, status %d", err, res.StatusCode)
	if !isV3(req) {
		return err
	}
	return fmt.Errorf("%w: the call was made and billed, do not repeat it, read the status of job %.40q", err, strings.Join(headerValues(res.Header, headerJobID), ","))
}

// peekPair reads the pair in the body of an answer and puts back what it read. It
// returns an error if the body is not a JSON object or is longer than
// DefaultMaxBytes.
func peekPair(res *http.Response) (receivedPair, error) {
	var start buffer // not pooled: the caller reads on from it
	err := start.readAll(res.Body, min(res.ContentLength, roomForStrangers), DefaultMaxBytes)
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
	pair, err := pairInBody(body)
	if err != nil || pair.timestamp.count == 0 || pair.signature.count == 0 {
		return receivedPair{}, err // a member alone need not be half of a pair
	}
	return pair, nil
}

// A failedReader repeats the error that ended an earlier read.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

package smilesig

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Transport signs requests to Smile ID. It puts the pair into the JSON body or
// the headers, as the endpoint wants it, and hands a request of its own to Base.
// It adds the API key to a request for a v3 token. Use it as the Transport of an
// [http.Client] that talks to Smile ID. It is safe for concurrent use once its
// fields are set.
//
// The timestamp is taken at signing. Put retries outside the Transport, so that
// each attempt is signed afresh. If a RoundTripper must see the signed request, set
// Base to that RoundTripper.
//
// If RoundTrip returns an error of this module, nothing was sent. The exceptions
// are the errors about an answer, which only ConfirmResponses causes.
type Transport struct {
	// Signer signs with its current credential. Required for requests that get a
	// pair or the API key, and for ConfirmResponses.
	Signer *Signer

	// Base sends the requests. nil means http.DefaultTransport. Base must not
	// follow redirects, because it would take the pair or the key along. If Base
	// is this Transport, also by way of http.DefaultTransport, every RoundTrip
	// returns ErrConfig. Longer circles are not detected.
	Base http.RoundTripper

	// Origins lists the origins to sign for, as "scheme://host[:port]". Nil means
	// DefaultOrigins(); an empty slice means none. If an entry is not an origin,
	// every RoundTrip returns ErrConfig.
	//
	// To any other origin, RoundTrip sends only GET and HEAD requests without a
	// body, and PUT requests unless the Content-Type contains json. So the zip of
	// an upload passes, unsigned. After a redirect, RoundTrip refuses such
	// a request if it has a body. It also refuses one with the header SmileID-Token,
	// smileid-api-key or SmileID-Request-Signature. A refusal is ErrOrigin.
	//
	// If a request to a listed origin has a Host, it must be the host of the URL,
	// apart from letter case and the scheme's own port. Otherwise RoundTrip returns
	// ErrOrigin. Clear Host where you change the host of a URL. A reverse proxy in
	// front of the Transport must not keep the Host of its caller: call
	// [net/http/httputil.ProxyRequest.SetURL] in Rewrite, as the example shows.
	Origins []string

	// Placement says where the pair goes in a request to a listed origin. nil
	// means PlacementFor.
	//
	// KeyInHeader adds the partner ID, without leading zeros, and the API key.
	// RoundTrip sends a request that has both headers already as it is, and adds
	// nothing after a redirect. It returns ErrConfig for one header without the
	// other, and for a partner ID that is not a positive number. It returns
	// ErrOrigin for plain http, unless the host is a loopback address or localhost in
	// small letters. Base must not send such requests through a proxy.
	Placement func(*http.Request) Placement

	// ConfirmResponses checks the answers of listed origins, after the request
	// was sent. It does not check the age of a pair.
	//
	// RoundTrip returns ErrSignature for these answers, unless Signer confirms
	// their pair:
	//
	//   - a 2xx JSON answer to a signed request, with a pair in its body
	//   - an answer below /v3/, with either half of a pair in its headers
	//
	// RoundTrip returns ErrMissing for these answers, unless they are a 2xx with a
	// pair or have a status from 400 to 599:
	//
	//   - the answer of /v1/job_status
	//   - the answer of /v3/aml/sync and /v3/enhanced_kyc/sync. Do not repeat such
	//     a call, because it was made and billed. The error names the job: read the
	//     job's status.
	//
	// If the answer of /v1/job_status cannot be read to its end, RoundTrip returns
	// the cause. It reads DefaultMaxBytes of an answer at most.
	//
	// Only third parties say that the message of a v3 signature ends in
	// sid_request. If your v3 answers are refused, use a Transport without
	// ConfirmResponses for them.
	//
	// RoundTrip does not check other answers: check their status yourself. A client
	// that follows a redirect may get an answer without a pair.
	ConfirmResponses bool

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// RoundTrip signs and sends req. It closes the body of req and changes nothing
// else in req. It buffers a body that it signs. It streams any other. The Request
// of the response is req, without the pair and the key.
//
// It returns these errors before anything is sent:
//
//   - [ErrConfig] for a faulty configuration
//   - [ErrOrigin] for a request that must not go to its origin
//   - [ErrMalformed] if the body to be signed is missing, is not a JSON object,
//     or is not as long as declared
//   - [ErrEncoded] if such a body has a Content-Encoding
//   - [ErrPartner] if such a body names another partner
//   - the cause, if such a body cannot be read or the request's context ends
//
// After sending, it returns the error of Base. With ConfirmResponses, it also
// returns [ErrSignature], [ErrMissing], or the reason that an answer cannot be read.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	listed, err := t.checkOrigin(req)
	signed, placement := req, Unsigned
	switch {
	case err != nil:
		closeBody(req)
	case listed:
		signed, placement, err = t.sign(req)
	}
	if err != nil {
		return nil, err
	}
	asked := req
	if t.ConfirmResponses && signed == req {
		asked = clone(req) // Base may change what it gets
	}
	res, err := t.base().RoundTrip(signed)
	if res != nil {
		res.Request = req // not ours, with a pair or the key in it
	}
	if err != nil || res == nil || !listed || !t.ConfirmResponses {
		return res, err
	}
	res.Body = cmp.Or[io.ReadCloser](res.Body, http.NoBody) // nil from a Base that is not net/http's
	if err := t.checkAnswer(asked, res, placement); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// CloseIdleConnections closes the idle connections of Base. [http.Client] calls it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok && base != t {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper { return cmp.Or(t.Base, http.DefaultTransport) }

// checkOrigin reports whether the origin of req is listed. It refuses what can be
// refused without asking Placement.
func (t *Transport) checkOrigin(req *http.Request) (listed bool, err error) {
	switch {
	case t.base() == t:
		return false, fmt.Errorf("%w: the Transport is its own Base", ErrConfig)
	case req.URL == nil:
		return false, fmt.Errorf("%w: the request has no URL", ErrConfig)
	}
	switch listed, err = t.isListed(req.URL); {
	case err != nil:
	case !listed && !mayGoAnywhere(req):
		err = fmt.Errorf("%w: %q is not in Origins of the Transport", ErrOrigin, req.URL.Scheme+"://"+req.URL.Host)
	case listed && req.Host != "" && !isSameHost(req.URL.Scheme, req.Host, req.URL.Host):
		err = fmt.Errorf("%w: Host of the request is %q, its URL is for %q", ErrOrigin, req.Host, req.URL.Host)
	case listed && t.ConfirmResponses && t.Signer.load() == nil:
		err = errNoCredential
	}
	return listed, err
}

// mayGoAnywhere reports whether req may go to an origin that is not listed.
func mayGoAnywhere(req *http.Request) bool {
	isQuestion := (req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead) && !hasBody(req)
	isUpload := req.Method == http.MethodPut && !looksLikeJSON(req.Header) && (req.Response == nil || !hasBody(req))
	return (isQuestion || isUpload) && !hasSecret(req.Header)
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
	hasOnlyHost := u.User == nil && u.Opaque == ""
	return hasOnlyHost && slices.ContainsFunc(origins, func(origin string) bool {
		scheme, host, _ := strings.Cut(strings.TrimSuffix(origin, "/"), "://")
		return equalASCII(u.Scheme, scheme) && isSameHost(scheme, u.Host, host)
	}), nil
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// isSameHost ignores the port that is the scheme's own. ascii is a host in ASCII.
func isSameHost(scheme, host, ascii string) bool {
	port := defaultPorts[strings.ToLower(scheme)]
	return equalASCII(strings.TrimSuffix(host, port), strings.TrimSuffix(ascii, port))
}

// sign returns the request to send to a listed origin, and what Placement said. If
// it returns none, it closes the body, even if the caller's Placement or Now
// panics.
func (t *Transport) sign(req *http.Request) (signed *http.Request, placement Placement, err error) {
	defer func() {
		if signed == nil && placement != InBody { // signBody closes what it reads
			closeBody(req)
		}
	}()
	choose := t.Placement
	if choose == nil {
		choose = PlacementFor
	}
	switch placement = choose(req); placement {
	case Unsigned:
		signed = req
	case InBody:
		signed, err = t.signBody(req)
	case InHeader:
		signed, err = t.signHeader(req)
	case KeyInHeader:
		signed, err = t.addKey(req)
	default:
		err = fmt.Errorf("%w: no such placement: %v", ErrConfig, placement)
	}
	return signed, placement, err
}

func (t *Transport) signHeader(req *http.Request) (*http.Request, error) {
	keys := t.Signer.load()
	if keys == nil {
		return nil, errNoCredential
	}
	pair := keys[0].pair(formatTimestamp(currentTime(t.Now)))
	return withHeaders(req, map[string]string{
		headerPartnerID: keys[0].partnerID, headerSignature: pair.Signature, headerTimestamp: pair.Timestamp,
	}), nil
}

// addKey returns req itself if it has a key already, or a redirect led to it.
func (t *Transport) addKey(req *http.Request) (*http.Request, error) {
	address, _ := netip.ParseAddr(req.URL.Hostname())
	isThisMachine := address.IsLoopback() || req.URL.Hostname() == "localhost" // net/http sends LOCALHOST to a proxy
	partnerIDs, apiKeys := headerValues(req.Header, headerPartnerID), headerValues(req.Header, headerAPIKey)
	keys := t.Signer.load()
	switch {
	case !isThisMachine && !equalASCII(req.URL.Scheme, "https"):
		return nil, fmt.Errorf("%w: the API key goes to another machine by https only", ErrOrigin)
	case (len(partnerIDs) > 0) != (len(apiKeys) > 0):
		return nil, fmt.Errorf("%w: the request has one of the headers %s and %s without the other", ErrConfig, headerPartnerID, headerAPIKey)
	case len(apiKeys) > 0, req.Response != nil:
		return req, nil
	case keys == nil:
		return nil, errNoCredential
	}
	partnerID := strings.TrimLeft(keys[0].partnerID, "0")
	if partnerID == "" || strings.Trim(partnerID, "0123456789") != "" {
		return nil, fmt.Errorf("%w: the Signer's partner ID is not a positive number, as %s wants it", ErrConfig, tokenEndpoint)
	}
	return withHeaders(req, map[string]string{headerPartnerID: partnerID, headerAPIKey: keys[0].apiKey()}), nil
}

func withHeaders(req *http.Request, values map[string]string) *http.Request {
	signed := clone(req)
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	for name, value := range values {
		maps.DeleteFunc(signed.Header, func(field string, _ []string) bool { return equalASCII(field, name) })
		signed.Header.Set(name, value)
	}
	return signed
}

// signBody reads and closes the body, and takes the timestamp afterwards.
func (t *Transport) signBody(req *http.Request) (*http.Request, error) {
	if !hasBody(req) {
		return nil, fmt.Errorf("%w: the request has no body for the pair", ErrMalformed)
	}
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

// clone copies req and all that it refers to: Base may read the copy after RoundTrip
// has returned, and the caller may then change req. The copy shares the trailers,
// because the caller fills them in while the body is read.
func clone(req *http.Request) *http.Request {
	c := req.Clone(req.Context())
	c.Trailer = req.Trailer
	return c
}

// readRequestBody reads the body of a request, which must be plain JSON, into b and
// closes it. If the request's context ends, it closes the body at once.
func readRequestBody(b *buffer, req *http.Request) error {
	closeOnce := sync.OnceValue(req.Body.Close)
	defer context.AfterFunc(req.Context(), func() { closeOnce() })()
	defer closeOnce()
	switch {
	case !isJSONOrUntyped(req.Header):
		return fmt.Errorf("%w: the body for the pair is not JSON", ErrMalformed)
	case isEncoded(req.Header):
		return fmt.Errorf("%w: it cannot be signed", ErrEncoded)
	}

	declared, limit := req.ContentLength, int64(math.MaxInt64)
	if declared > 0 { // 0 with a body means that the length is unknown
		limit = declared
	}
	err := cmp.Or(b.readAll(req.Body, min(declared, 2*DefaultMaxBytes), limit), closeOnce())
	err = cmp.Or(context.Cause(req.Context()), err)
	switch {
	case err != nil:
		return fmt.Errorf("smilesig: reading the request's body: %w", err)
	case declared > 0 && int64(b.Len()) != declared:
		return fmt.Errorf("%w: the request's body is not %d bytes long as declared", ErrMalformed, declared)
	}
	return nil
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

func closeBody(req *http.Request) { cmp.Or[io.ReadCloser](req.Body, http.NoBody).Close() }

// checkAnswer refuses an answer that is not signed as it should be. It leaves res
// with its whole body.
func (t *Transport) checkAnswer(req *http.Request, res *http.Response, placement Placement) error {
	status, required := res.StatusCode, answersSigned(req)
	succeeded, failed := status/100 == 2, 400 <= status && status <= 599
	pair, missing := receivedPair{}, ErrMissing
	switch {
	case required && !succeeded && !failed: // a redirect leads to an answer that need not be signed
		return answerError(req, res, fmt.Errorf("%w: only a 2xx with a pair or a status from 400 to 599 passes", ErrMissing))
	case isV3(req):
		pair, _ = pairInHeaders(res.Header)
	case succeeded && (required || placement != Unsigned && isJSONOrUntyped(res.Header) && !isEncoded(res.Header)):
		pair, missing = peekPair(req.Context(), res)
	default:
		return nil
	}
	fault, _ := pair.fault()
	switch {
	case !pair.hasAny() && required && succeeded:
		return answerError(req, res, missing)
	case !pair.hasAny():
		return nil
	case fault != "" || t.Signer.signedBy(pair.timestamp.text, pair.signature.text) == nil:
		return answerError(req, res, fmt.Errorf("%w: %s", ErrSignature, cmp.Or(fault, "no credential has made it")))
	}
	return nil
}

// answerError adds the status to err. For a v3 call that starts a job, it also says
// that the call was made, so that nobody pays for it twice. A token is no job.
func answerError(req *http.Request, res *http.Response, err error) error {
	err = fmt.Errorf("%w, in the answer with status %d", err, res.StatusCode)
	if !isV3(req) || req.Method != http.MethodPost || endpointOf(req) == tokenEndpoint {
		return err
	}
	return fmt.Errorf("%w: the call was made and billed, do not repeat it, read the status of job %.40q", err, strings.Join(headerValues(res.Header, headerJobID), ","))
}

// peekPair reads the pair in the body of an answer and puts back what it read. If
// there is no pair, missing says why.
func peekPair(ctx context.Context, res *http.Response) (pair receivedPair, missing error) {
	var start buffer // not pooled: the caller reads on from it
	err := start.readAll(res.Body, min(res.ContentLength, roomForStrangers), DefaultMaxBytes)
	body, end := start.Bytes(), failedReader{cmp.Or(err, io.EOF)}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), end, res.Body), res.Body}
	if err != nil {
		return receivedPair{}, unreadable(ctx, err)
	}
	pair, err = pairInBody(body)
	switch {
	case err != nil || len(body) > DefaultMaxBytes:
		return receivedPair{}, fmt.Errorf("%w: the body is not a JSON object of at most %d bytes", ErrMissing, DefaultMaxBytes)
	case pair.timestamp.count == 0 || pair.signature.count == 0: // a member alone need not be half of a pair
		return receivedPair{}, ErrMissing
	}
	return pair, nil
}

// unreadable shows the cause only where that cannot quote what the other side
// sent.
func unreadable(ctx context.Context, err error) error {
	unread := &readError{errors.New("smilesig: not confirmed"), func() error { return err }}
	plain := []error{context.Cause(ctx), io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		plain = append(plain, network)
	}
	for _, cause := range plain {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: %w", unread, cause)
		}
	}
	return unread
}

// A failedReader repeats the error that ended an earlier read. Behind io.EOF, a
// MultiReader reads on.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

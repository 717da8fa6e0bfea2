package smilesig_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// ---- Outbound ----

// A spyBody counts how often it is closed and fails reads after that.
type spyBody struct {
	io.Reader
	closed atomic.Int32
	reads  atomic.Int32
}

func newSpyBody(content string) *spyBody { return &spyBody{Reader: strings.NewReader(content)} }

func (b *spyBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	if b.closed.Load() > 0 {
		return 0, errors.New("read after close")
	}
	return b.Reader.Read(p)
}

func (b *spyBody) Close() error {
	b.closed.Add(1)
	return nil
}

// A spyBase answers every request with 200, after reading and closing its body
// as a RoundTripper must, and keeps what it got.
type spyBase struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (b *spyBase) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, req)
	b.bodies = append(b.bodies, string(body))
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
}

func newRequest(t testing.TB, method, target, contentType string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

const jobStatus = "https://api.smileidentity.com/v1/job_status"

func newTransport(t testing.TB) (*smilesig.Transport, *spyBase) {
	t.Helper()
	base := new(spyBase)
	return &smilesig.Transport{Signer: newSigner(t, testCredential), Base: base, Now: at(testTime)}, base
}

func TestTransportSignsTheBody(t *testing.T) {
	const body = ` {"partner_id":"085", "n":9007199254740993, "timestamp":"old"}`
	transport, base := newTransport(t)
	want, err := transport.Signer.Inject([]byte(body), testTime)
	require.NoError(t, err)

	for name, declared := range map[string]int64{"declared length": int64(len(body)), "chunked": -1, "unknown length": 0} {
		for _, contentType := range []string{"application/json", "Application/JSON; charset=utf-8", "text/json", "application/problem+json", ""} {
			t.Run(name+" "+contentType, func(t *testing.T) {
				spy := newSpyBody(body)
				req := newRequest(t, "POST", jobStatus, contentType, nil)
				req.Body, req.ContentLength = spy, declared
				req.TransferEncoding = []string{"chunked"}
				req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("must not be asked") }
				before := *req
				header := maps.Clone(req.Header)

				res, err := transport.RoundTrip(req)
				require.NoError(t, err)
				assert.Equal(t, 200, res.StatusCode)

				sent := base.requests[len(base.requests)-1]
				assert.Equal(t, string(want), base.bodies[len(base.bodies)-1])
				assert.EqualValues(t, len(want), sent.ContentLength)
				assert.Empty(t, sent.TransferEncoding)
				for range 2 {
					again, err := sent.GetBody()
					require.NoError(t, err)
					content, err := io.ReadAll(again)
					require.NoError(t, err)
					assert.Equal(t, string(want), string(content))
				}

				assert.NotSame(t, req, sent)
				assert.EqualValues(t, 1, spy.closed.Load())
				assert.Same(t, spy, req.Body, "the caller's request is unchanged")
				assert.Equal(t, declared, req.ContentLength)
				assert.Equal(t, before.TransferEncoding, req.TransferEncoding)
				assert.Equal(t, header, req.Header)
				assert.Same(t, before.URL, req.URL)
			})
		}
	}
}

func TestTransportSignsTheHeaders(t *testing.T) {
	transport, base := newTransport(t)
	body := newSpyBody("--multipart, not read by us--")
	req := newRequest(t, "POST", "https://api.smileidentity.com/v2/smart-selfie-enroll", "multipart/form-data; boundary=x", nil)
	req.Body, req.ContentLength = body, -1
	req.Header["SmileID-Timestamp"] = []string{"the caller's own"}
	req.Header["smileid-partner-id"] = []string{"the caller's own"}
	req.Header.Set("SmileID-Request-Signature", "the caller's own")
	header := maps.Clone(req.Header)

	_, err := transport.RoundTrip(req)
	require.NoError(t, err)
	sent := base.requests[0]
	pair := transport.Signer.Sign(testTime)
	assert.Equal(t, []string{"085"}, sent.Header.Values("SmileID-Partner-ID"))
	assert.Equal(t, []string{pair.Signature}, sent.Header.Values("SmileID-Request-Signature"))
	assert.Equal(t, []string{pair.Timestamp}, sent.Header.Values("SmileID-Timestamp"))
	assert.Len(t, sent.Header, 4, "no second value in another letter case")
	assert.Same(t, body, sent.Body, "the body is streamed")
	assert.EqualValues(t, -1, sent.ContentLength)
	assert.EqualValues(t, 1, body.closed.Load())
	assert.Equal(t, header, req.Header, "the caller's request is unchanged")

	bare := &http.Request{Method: "POST", URL: req.URL} // no header map at all
	_, err = transport.RoundTrip(bare)
	require.NoError(t, err)
	assert.Nil(t, bare.Header)
}

func TestTransportPassesUntouched(t *testing.T) {
	tests := []struct{ name, method, target, contentType string }{
		{"presigned zip upload", "PUT", "https://uploads.example/a?X-Amz-Signature=x", "application/zip"},
		{"untyped upload elsewhere", "PUT", "https://uploads.example/a", ""},
		{"GET", "GET", "https://api.smileidentity.com/v1/services", ""},
		{"GET elsewhere", "GET", "https://www.example", ""},
		{"auth_smile", "POST", "https://api.smileidentity.com/v1/auth_smile", "application/json"},
		{"services", "POST", "https://api.smileidentity.com/v1/services", "application/json"},
		{"v3", "POST", "https://api.smileidentity.com/v3/verify", "application/json"},
		{"unknown path, not JSON", "POST", "https://api.smileidentity.com/v1/other", "text/plain"},
		{"no version", "POST", "https://api.smileidentity.com/other", "application/json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transport, base := newTransport(t)
			transport.Signer = nil // not needed where nothing is signed
			body := newSpyBody(`{"signature":true}`)
			req := newRequest(t, tt.method, tt.target, tt.contentType, nil)
			req.Body = body
			_, err := transport.RoundTrip(req)
			require.NoError(t, err)
			assert.Same(t, req, base.requests[0])
			assert.Equal(t, `{"signature":true}`, base.bodies[0])
			assert.EqualValues(t, 1, body.closed.Load())
		})
	}
}

func TestTransportRefuses(t *testing.T) {
	redirected := &http.Response{StatusCode: 307}
	post := func(target, contentType string, body io.Reader) *http.Request {
		return newRequest(t, "POST", target, contentType, body)
	}
	with := func(req *http.Request, change func(*http.Request)) *http.Request {
		change(req)
		return req
	}
	const isJSON, ok = "application/json", `{"a":1}`
	failing := iotest.ErrReader(io.ErrUnexpectedEOF)
	tests := []struct {
		name string
		req  *http.Request
		want error
	}{
		{"look-alike host", post("https://api.smileidentity.com.evil.example/v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"trailing dot", post("https://api.smileidentity.com./v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"another port", post("https://api.smileidentity.com:8443/v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"plain http", post("http://api.smileidentity.com/v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"user info", post("https://user:pass@api.smileidentity.com/v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"non-ASCII that folds to ASCII", post("https://api.\u017fmileidentity.com/v1/job_status", isJSON, strings.NewReader(ok)), smilesig.ErrOrigin},
		{"opaque URL", with(post(jobStatus, isJSON, strings.NewReader(ok)), func(r *http.Request) {
			r.URL.Opaque = "//evil.example/v1/job_status"
		}), smilesig.ErrOrigin},
		{"JSON elsewhere, typed in lower case", with(post("https://evil.example", "", strings.NewReader(ok)), func(r *http.Request) {
			r.Header["content-type"] = []string{"application/vnd.api+json"}
		}), smilesig.ErrOrigin},
		{"redirected multipart", with(post("https://evil.example", "multipart/form-data", strings.NewReader("x")), func(r *http.Request) { r.Response = redirected }), smilesig.ErrOrigin},
		{"redirected typeless body", with(post("https://evil.example", "", strings.NewReader("x")), func(r *http.Request) { r.Response = redirected }), smilesig.ErrOrigin},

		{"no body", post(jobStatus, isJSON, nil), smilesig.ErrMalformed},
		{"NoBody", post(jobStatus, isJSON, http.NoBody), smilesig.ErrMalformed},
		{"not JSON", post(jobStatus, "text/plain", strings.NewReader(ok)), smilesig.ErrMalformed},
		{"gzip", with(post(jobStatus, isJSON, strings.NewReader(ok)), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), smilesig.ErrEncoded},
		{"array", post(jobStatus, isJSON, strings.NewReader(`[1]`)), smilesig.ErrMalformed},
		{"empty", with(post(jobStatus, isJSON, strings.NewReader(" ")), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("")); r.ContentLength = 0 }), smilesig.ErrMalformed},
		{"another partner", post(jobStatus, isJSON, strings.NewReader(`{"partner_id":"85"}`)), smilesig.ErrPartner},
		{"reader fails", post(jobStatus, isJSON, io.MultiReader(strings.NewReader(`{"a":`), failing)), io.ErrUnexpectedEOF},
		{"declared longer", with(post(jobStatus, isJSON, strings.NewReader(ok)), func(r *http.Request) { r.ContentLength++ }), smilesig.ErrMalformed},
		{"declared shorter", with(post(jobStatus, isJSON, strings.NewReader(ok)), func(r *http.Request) { r.ContentLength-- }), smilesig.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transport, base := newTransport(t)
			body := &spyBody{Reader: strings.NewReader("")}
			if tt.req.Body != nil && tt.req.Body != http.NoBody {
				body.Reader = tt.req.Body
				tt.req.Body = body
			} else {
				body.closed.Store(1) // there is none to be closed
			}
			before, header := tt.req.Body, maps.Clone(tt.req.Header)
			res, err := transport.RoundTrip(tt.req)
			assert.Nil(t, res)
			require.ErrorIs(t, err, tt.want)
			assert.True(t, strings.HasPrefix(err.Error(), "smilesig: "), err)
			assert.NotContains(t, err.Error(), "pass", "no user info")
			assert.Empty(t, base.requests, "nothing is sent")
			assert.EqualValues(t, 1, body.closed.Load(), "the body is closed once")
			assert.Equal(t, header, tt.req.Header)
			assert.Equal(t, before, tt.req.Body)
		})
	}
}

func TestTransportNeedsASignerToSign(t *testing.T) {
	for _, path := range []string{"/v1/job_status", "/v2/smart-selfie-enroll"} {
		base, body := new(spyBase), newSpyBody("{}")
		transport := &smilesig.Transport{Base: base}
		req := newRequest(t, "POST", "https://api.smileidentity.com"+path, "", nil)
		req.Body = body
		_, err := transport.RoundTrip(req)
		assert.ErrorContains(t, err, "smilesig: ")
		assert.EqualValues(t, 1, body.closed.Load())
		assert.Empty(t, base.requests)
	}
}

func TestTransportRefusesAnUnknownPlacement(t *testing.T) {
	transport, base := newTransport(t)
	transport.Placement = func(*http.Request) smilesig.Placement { return 7 }
	_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	assert.EqualError(t, err, "smilesig: no such placement: 7")
	assert.Empty(t, base.requests)
}

func TestTransportRefusesARequestWithoutURL(t *testing.T) {
	transport, base := newTransport(t)
	body := newSpyBody("{}")
	_, err := transport.RoundTrip(&http.Request{Method: "POST", Body: body})
	assert.EqualError(t, err, "smilesig: the request has no URL")
	assert.EqualValues(t, 1, body.closed.Load())
	assert.Empty(t, base.requests)
}

func TestTransportRefusesWhatFailsToClose(t *testing.T) {
	transport, base := newTransport(t)
	req := newRequest(t, "POST", jobStatus, "", nil)
	req.Body = closeFails{strings.NewReader("{}")}
	_, err := transport.RoundTrip(req)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Empty(t, base.requests)
}

type closeFails struct{ io.Reader }

func (closeFails) Close() error { return io.ErrClosedPipe }

func TestTransportMatchesOrigins(t *testing.T) {
	tests := []struct {
		origins []string
		target  string
		listed  bool
	}{
		{nil, "https://api.smileidentity.com/v1/token", true},
		{nil, "HTTPS://API.SmileIdentity.com/v1/token", true},
		{nil, "https://api.smileidentity.com:443/v1/token", true},
		{nil, "https://testapi.smileidentity.com/v1/token", true},
		{nil, "https://portal.smileidentity.com/api/v2/partner/wallet_balance", true},
		{nil, "https://prod.smileidentity.com/api/v2/partner/id_status", true},
		{nil, "https://smileidentity.com/v1/token", false},
		{[]string{}, "https://api.smileidentity.com/v1/token", false},
		{[]string{"http://127.0.0.1:8080"}, "http://127.0.0.1:8080/v1/token", true},
		{[]string{"http://127.0.0.1:8080"}, "http://127.0.0.1/v1/token", false},
		{[]string{"http://localhost:80"}, "http://localhost/v1/token", true},
		{[]string{"Https://Example.com"}, "https://example.com:443/v1/token", true},
		{[]string{"https://[::1]:443"}, "https://[::1]/v1/token", true},
		{[]string{"https://example.com:80"}, "https://example.com/v1/token", false},
		{[]string{"https://example.com/"}, "https://example.com/v1/token", true},
		{[]string{"ftp://example.com"}, "ftp://example.com/v1/token", true},
	}
	for _, tt := range tests {
		transport, base := newTransport(t)
		transport.Origins = tt.origins
		_, err := transport.RoundTrip(newRequest(t, "POST", tt.target, "application/json", strings.NewReader("{}")))
		if tt.listed {
			require.NoError(t, err, tt.target)
			assert.Contains(t, base.bodies[0], `"signature"`, tt.target)
		} else {
			assert.ErrorIs(t, err, smilesig.ErrOrigin, tt.target)
		}
	}
}

func TestPlacementFor(t *testing.T) {
	const inBody, inHeader, unsigned = smilesig.InBody, smilesig.InHeader, smilesig.Unsigned
	tests := []struct {
		want                      smilesig.Placement
		method, contentType, path string
	}{
		{inBody, "POST", "application/json", "/v1/upload"},
		{inBody, "POST", "application/json", "/v1/id_verification"},
		{inBody, "POST", "application/json", "/v1/async_id_verification"},
		{inBody, "POST", "application/json", "/v1/business_verification"},
		{inBody, "POST", "application/json", "/v1/async_business_verification"},
		{inBody, "POST", "application/json", "/v1/job_status"},
		{inBody, "POST", "application/json", "/v1/token"},
		{inBody, "POST", "application/json", "/v1/aml"},
		{inBody, "POST", "application/json", "/v1/smile_links"},
		{inBody, "PUT", "application/json", "/v1/smile_links/abc"},
		{inBody, "POST", "application/json", "/v1/products_config"},
		{inBody, "POST", "application/json", "/v1/valid_documents"},
		{inBody, "POST", "application/json", "/v1/totp_consent"},
		{inBody, "POST", "application/json", "/v1/totp_consent/otp"},
		{inBody, "POST", "application/json", "/v1/backfill_users"},
		{inBody, "POST", "application/json", "/v2/verify"},
		{inBody, "POST", "application/json", "/v2/verify_async"},
		{inBody, "POST", "application/json", "/api/v2/partner/wallet_balance"},
		{inBody, "POST", "application/json", "/api/v2/partner/id_status"},
		{inBody, "POST", "text/plain", "/v1/upload"}, // refused by RoundTrip
		{inBody, "POST", "text/plain", "/v1/smile_links/abc"},
		{inBody, "POST", "", "/v1/unknown"},
		{inBody, "POST", "text/json", "/v2/unknown"},
		{inBody, "DELETE", "application/json", "/v1/unknown"},
		{inBody, "POST", "application/json", "//v1/job_status/"},
		{unsigned, "POST", "multipart/form-data", "/v1/unknown"},
		{unsigned, "POST", "application/x-ndjson", "/v2/unknown"},
		{inHeader, "POST", "application/json", "/v2/verify-phone-number"},
		{inHeader, "POST", "application/json", "/v2/async-verify-phone"},
		{inHeader, "POST", "application/json", "/v2/async-verify-address"},
		{inHeader, "POST", "application/json", "/v1/async-verify-address"},
		{inHeader, "POST", "multipart/form-data", "/v2/smart-selfie-enroll"},
		{inHeader, "POST", "multipart/form-data", "/v2/smart-selfie-enroll/"},
		{inHeader, "POST", "multipart/form-data", "/v2/smart-selfie-authentication"},
		{inHeader, "POST", "multipart/form-data", "/v2/smart-selfie-compare"},
		{unsigned, "POST", "application/json", "/v1/auth_smile"},
		{unsigned, "POST", "application/json", "/v1/services"},
		{unsigned, "GET", "", "/v1/services"},
		{unsigned, "", "", "/v1/upload"},
		{unsigned, "HEAD", "", "/v1/upload"},
		{unsigned, "OPTIONS", "", "/v2/smart-selfie-enroll"},
		{unsigned, "POST", "application/json", "/v3/verify"},
		{unsigned, "POST", "application/json", "/v1"},
		{unsigned, "POST", "application/json", ""},
		{unsigned, "POST", "application/json", "/other"},
	}
	for _, tt := range tests {
		req := &http.Request{Method: tt.method, URL: &url.URL{Path: tt.path}, Header: http.Header{}}
		if tt.contentType != "" {
			req.Header.Set("Content-Type", tt.contentType)
		}
		assert.Equal(t, tt.want, smilesig.PlacementFor(req), "%s %s", tt.method, tt.path)
	}
	several := &http.Request{Method: "POST", URL: &url.URL{Path: "/v1/unknown"}, Header: http.Header{}}
	several.Header["Content-Type"] = []string{"text/plain", "application/json"}
	assert.Equal(t, inBody, smilesig.PlacementFor(several), "JSON is declared, too")
	several.Header["Content-Type"] = []string{""}
	assert.Equal(t, inBody, smilesig.PlacementFor(several), "an empty Content-Type is none")
	assert.Equal(t, "Unsigned InBody InHeader Placement(invalid)", fmt.Sprint(unsigned, inBody, inHeader, smilesig.Placement(3)))
}

func TestDefaultOriginsAreTheCallersOwn(t *testing.T) {
	smilesig.DefaultOrigins()[0] = "https://evil.example"
	assert.Equal(t, "https://api.smileidentity.com", smilesig.DefaultOrigins()[0])
}

func TestTransportStopsReadingWhenTheContextEnds(t *testing.T) {
	transport, base := newTransport(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reader, writer := io.Pipe() // never written to
	defer writer.Close()
	closed := &spyCloser{ReadCloser: reader}
	req := newRequest(t, "POST", jobStatus, "", nil).WithContext(ctx)
	req.Body = closed
	gaveUp := errors.New("the user gave up")
	time.AfterFunc(10*time.Millisecond, func() { cancel(gaveUp) })
	_, err := transport.RoundTrip(req)
	assert.ErrorIs(t, err, gaveUp)
	assert.EqualValues(t, 1, closed.count.Load())
	assert.Empty(t, base.requests)

	spy := newSpyBody("{}") // readable, but the context has ended before
	req = req.WithContext(ctx)
	req.Body = spy
	_, err = transport.RoundTrip(req)
	assert.ErrorIs(t, err, gaveUp)
	assert.EqualValues(t, 1, spy.closed.Load())
	assert.Empty(t, base.requests)
}

type spyCloser struct {
	io.ReadCloser
	count atomic.Int32
}

func (c *spyCloser) Close() error {
	c.count.Add(1)
	return c.ReadCloser.Close()
}

func TestTransportClosesIdleConnectionsOfItsBase(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := signedClient(t, server)
	for range 2 {
		res, err := client.Do(newRequest(t, "POST", server.URL+"/v1/job_status", "", strings.NewReader("{}")))
		require.NoError(t, err)
		res.Body.Close()
		client.CloseIdleConnections()
	}
	assert.EqualValues(t, 2, connections.Load())
	client.Transport.(*smilesig.Transport).Base = new(spyBase)
	client.CloseIdleConnections() // has none
}

func TestTransportTakesTheTimeForEachAttemptAfterReading(t *testing.T) {
	transport, base := newTransport(t)
	clock := testTime
	transport.Now = func() time.Time { return clock }
	slow := readerFunc(func(p []byte) (int, error) {
		clock = clock.Add(time.Minute) // while the body trickles in
		return copy(p, "{}"), io.EOF
	})
	for range 2 {
		_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", slow))
		require.NoError(t, err)
		clock = clock.Add(9 * time.Minute) // a retry above us
	}
	assert.Equal(t, string(mustInject(t, testTime.Add(time.Minute))), base.bodies[0])
	assert.Equal(t, string(mustInject(t, testTime.Add(11*time.Minute))), base.bodies[1])
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func mustInject(t *testing.T, when time.Time) []byte {
	body, err := newSigner(t, testCredential).Inject([]byte("{}"), when)
	require.NoError(t, err)
	return body
}

func TestTransportLeavesTheRequestToItsCallerAfterwards(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Base: server.Client().Transport, Origins: []string{server.URL}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			req := newRequest(t, "POST", server.URL+"/v1/job_status", "application/json", nil)
			for j := range 20 {
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
				res, err := transport.RoundTrip(req)
				req.Header.Set("X-Attempt", fmt.Sprint(i, j)) // right after return
				if assert.NoError(t, err) {
					res.Body.Close()
				}
			}
		})
	}
	wg.Wait()
}

// ---- Outbound, through a real server ----

// signedClient signs for the listed servers only.
func signedClient(t *testing.T, listed ...*httptest.Server) *http.Client {
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Base: listed[0].Client().Transport, Origins: []string{}}
	for _, server := range listed {
		transport.Origins = append(transport.Origins, server.URL)
	}
	return &http.Client{Transport: transport}
}

func TestRedirectsTakeNoBodyElsewhere(t *testing.T) {
	var elsewhereSaw atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhereSaw.Add(1) }))
	defer elsewhere.Close()
	smile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, elsewhere.URL+"/v1/job_status", http.StatusTemporaryRedirect)
	}))
	defer smile.Close()
	client := signedClient(t, smile)
	for _, contentType := range []string{"application/json", ""} {
		_, err := client.Do(newRequest(t, "POST", smile.URL+"/v1/job_status", contentType, strings.NewReader("{}")))
		assert.ErrorIs(t, err, smilesig.ErrOrigin)
	}
	_, err := client.Do(newRequest(t, "POST", smile.URL+"/v2/smart-selfie-enroll", "multipart/form-data; boundary=x", strings.NewReader("--x--")))
	assert.ErrorIs(t, err, smilesig.ErrOrigin)
	assert.Zero(t, elsewhereSaw.Load(), "the other server sees nothing")

	res, err := client.Do(newRequest(t, "GET", smile.URL+"/v1/services", "", nil))
	require.NoError(t, err, "a GET may be redirected")
	res.Body.Close()
	assert.EqualValues(t, 1, elsewhereSaw.Load())
}

func TestARedirectToAListedOriginIsSignedAnew(t *testing.T) {
	var bodies []string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
	}))
	defer target.Close()
	smile := httptest.NewServer(http.RedirectHandler(target.URL+"/v1/job_status", http.StatusPermanentRedirect))
	defer smile.Close()
	res, err := signedClient(t, smile, target).Do(newRequest(t, "POST", smile.URL+"/v1/job_status", "application/json", strings.NewReader(`{"a":1}`)))
	require.NoError(t, err)
	res.Body.Close()
	require.Len(t, bodies, 1)
	assert.Equal(t, 1, strings.Count(bodies[0], `"signature"`))
}

func TestARedirectFromTLSToPlainHTTPIsRefused(t *testing.T) {
	var plainSaw atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { plainSaw.Add(1) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/v1/job_status", http.StatusTemporaryRedirect))
	defer secure.Close()
	_, err := signedClient(t, secure).Do(newRequest(t, "POST", secure.URL+"/v1/job_status", "", strings.NewReader(`{}`)))
	assert.ErrorIs(t, err, smilesig.ErrOrigin)
	assert.Zero(t, plainSaw.Load())
}

func TestAResendCarriesTheSameSignedBytes(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	seen := map[string]int{} // requests by connection
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
		if seen[r.RemoteAddr]++; seen[r.RemoteAddr] == 2 {
			// The connection dies before the first byte of the answer, as when
			// a server closes one that was idle.
			connection, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				connection.Close()
			}
		}
	}))
	defer server.Close()
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).Now = at(testTime)
	for range 2 { // the second on the connection of the first
		req := newRequest(t, "POST", server.URL+"/v1/job_status", "application/json", strings.NewReader("{}"))
		req.Header["Idempotency-Key"] = nil // lets net/http resend a POST
		res, err := client.Do(req)
		require.NoError(t, err)
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	require.Len(t, bodies, 3, "the second was sent twice")
	for _, body := range bodies {
		assert.Equal(t, string(mustInject(t, testTime)), body)
	}
}

func TestTransportOverHTTP2(t *testing.T) {
	var protocol string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		body, _ := io.ReadAll(r.Body)
		assert.EqualValues(t, len(body), r.ContentLength)
		assert.Contains(t, decode(t, body), "signature")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	res, err := signedClient(t, server).Do(newRequest(t, "POST", server.URL+"/v1/job_status", "application/json", strings.NewReader("{}")))
	require.NoError(t, err)
	res.Body.Close()
	assert.Equal(t, "HTTP/2.0", protocol)
}

func TestTransportUsesTheDefaultTransport(t *testing.T) {
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer server.Close()
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Origins: []string{server.URL}}
	res, err := transport.RoundTrip(newRequest(t, "POST", server.URL+"/v1/job_status", "", strings.NewReader("{}")))
	require.NoError(t, err)
	res.Body.Close()
	members := decode(t, body)
	assert.True(t, transport.Signer.Confirm(members["timestamp"].(string), members["signature"].(string)))
	signedAt, err := smilesig.ParseTimestamp(members["timestamp"].(string))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), signedAt, time.Minute)
}

// ---- Inbound ----

// A spyHandler keeps the body and the callback of each request.
type spyHandler struct {
	mu        sync.Mutex
	bodies    []string
	callbacks []smilesig.Callback
}

func (h *spyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	cb, ok := smilesig.FromContext(r.Context())
	if err != nil || !ok || int64(len(body)) != r.ContentLength {
		http.Error(w, "spy", http.StatusTeapot)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
	h.callbacks = append(h.callbacks, cb)
}

func serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func post(t testing.TB, target string, header http.Header, body io.Reader) *http.Response {
	t.Helper()
	req := newRequest(t, "POST", target, "application/json", body)
	maps.Copy(req.Header, header)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// quiet is an OnReject that does nothing.
func quiet(*http.Request, error) int { return 0 }

func TestHandlerPassesTheBodyOnToTheByte(t *testing.T) {
	v, spy := newVerifier(t), new(spyHandler)
	server := serve(t, v.Handler(spy))
	pair := v.Signer.Sign(testTime)
	inBody := " " + pairBody(pair, `,"n":9007199254740993,"s":"\u00e9<>"`) + "\n"

	assert.Equal(t, 200, post(t, server.URL, nil, strings.NewReader(inBody)).StatusCode)
	assert.Equal(t, 200, post(t, server.URL, nil, onlyReader{strings.NewReader(inBody)}).StatusCode, "chunked")
	assert.Equal(t, 200, post(t, server.URL, headerPair(pair), strings.NewReader("any bytes \xff")).StatusCode)
	assert.Equal(t, 200, post(t, server.URL, headerPair(pair), nil).StatusCode, "no body")
	assert.Equal(t, []string{inBody, inBody, "any bytes \xff", ""}, spy.bodies)
	assert.Equal(t, smilesig.InBody, spy.callbacks[0].Placement)
	assert.Equal(t, smilesig.InHeader, spy.callbacks[2].Placement)
}

// An onlyReader hides that its content is in memory, so it is sent chunked.
type onlyReader struct{ io.Reader }

func TestHandlerAnswersRejections(t *testing.T) {
	genuine := signedBody(t, "")
	pair := newSigner(t, testCredential).Sign(testTime)
	oldPair := newSigner(t, testCredential).Sign(testTime.Add(-time.Hour))
	futurePair := newSigner(t, testCredential).Sign(testTime.Add(time.Hour))
	tests := []struct {
		name         string
		header       http.Header
		body         string
		status       int
		wantError    error
		authenticate string
	}{
		{"forged", headerPair(smilesig.Pair{Timestamp: pair.Timestamp, Signature: "x"}), genuine, 401, smilesig.ErrSignature, "SmileID"},
		{"missing", nil, "{}", 401, smilesig.ErrMissing, "SmileID"},
		{"stale", nil, pairBody(oldPair, ""), 401, smilesig.ErrStale, "SmileID"},
		{"future", nil, pairBody(futurePair, ""), 401, smilesig.ErrFuture, "SmileID"},
		{"malformed", nil, "[]", 400, smilesig.ErrMalformed, ""},
		{"encoded", http.Header{"Content-Encoding": {"gzip"}}, genuine, 415, smilesig.ErrEncoded, ""},
		{"too large", nil, genuine + strings.Repeat(" ", 1000), 413, smilesig.ErrTooLarge, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t)
			v.MaxBytes = 500
			var rejected error
			v.OnReject = func(_ *http.Request, err error) int {
				rejected = err
				return 0
			}
			server := serve(t, v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("next runs") })))
			res := post(t, server.URL, tt.header, strings.NewReader(tt.body))
			assert.Equal(t, tt.status, res.StatusCode)
			assert.ErrorIs(t, rejected, tt.wantError)
			assert.Equal(t, tt.authenticate, res.Header.Get("WWW-Authenticate"))
			answer, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.Equal(t, http.StatusText(tt.status)+"\n", string(answer))
		})
	}
}

func TestRejectionsAreLoggedWithoutSecrets(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))

	v := newVerifier(t)
	pair := v.Signer.Sign(testTime.Add(-time.Hour))
	handler := v.Handler(new(spyHandler))
	send := func(body string) {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/unguessable", strings.NewReader(body)))
	}
	send(pairBody(pair, `,"IDNumber":"00000000000"`))
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line")
	assert.Equal(t, "WARN", decode(t, log.Bytes())["level"])
	assert.Contains(t, log.String(), `"status":401,"reason":"stale","error":"smilesig: stale: 1h0m0s old, limit 15m0s"`)
	assertNoSecrets(t, log.String(), pair)
	assert.NotContains(t, log.String(), "00000000000")
	assert.NotContains(t, log.String(), "unguessable")

	log.Reset()
	send(signedBody(t, ""))
	assert.Empty(t, log.String(), "nothing for an accepted callback")
}

func TestOnRejectPicksTheStatus(t *testing.T) {
	for returned, want := range map[int]int{
		0: 401, 200: 200, 202: 202, 204: 204, 503: 503, 599: 599,
		-1: 401, 100: 401, 101: 401, 199: 401, 600: 401, 1000: 401,
	} {
		v := newVerifier(t)
		v.OnReject = func(*http.Request, error) int { return returned }
		res := post(t, serve(t, v.Handler(new(spyHandler))).URL, nil, strings.NewReader("{}"))
		assert.Equal(t, want, res.StatusCode, returned)
		assert.Equal(t, want == 503, res.Header.Get("Retry-After") == "30", returned)
	}
}

func TestOnRejectGetsTheBodyAsFarAsItWasRead(t *testing.T) {
	stale := pairBody(newSigner(t, testCredential).Sign(testTime.Add(-time.Hour)), "")
	long := stale + strings.Repeat(" ", 1000)
	forged := headerPair(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: "x"})
	tests := []struct {
		name   string
		header http.Header
		body   io.Reader
		want   string
	}{
		{"refused after reading", nil, strings.NewReader(stale), stale},
		{"forged header pair", forged, strings.NewReader(stale), ""},
		{"declared too long", nil, strings.NewReader(long), ""},
		{"turned out too long", nil, onlyReader{strings.NewReader(long)}, long[:500]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t)
			v.MaxBytes = 500
			var got []byte
			var kept *http.Request
			v.OnReject = func(r *http.Request, _ error) int {
				got, _ = io.ReadAll(r.Body)
				assert.EqualValues(t, len(got), r.ContentLength)
				_, found := smilesig.FromContext(r.Context())
				assert.False(t, found, "not verified")
				kept = r
				return 202
			}
			done := make(chan struct{})
			handler := v.Handler(new(spyHandler))
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				handler.ServeHTTP(w, r)
			}))
			assert.Equal(t, 202, post(t, server.URL, tt.header, tt.body).StatusCode)
			assert.Equal(t, tt.want, string(got))
			<-done
			_, err := kept.Body.Read(make([]byte, 1))
			assert.ErrorIs(t, err, http.ErrBodyReadAfterClose)
		})
	}
}

func TestForgedHeadersAreRefusedBeforeTheBodyIsRead(t *testing.T) {
	v := newVerifier(t)
	v.OnReject = quiet
	server := serve(t, v.Handler(new(spyHandler)))
	endless, writer := io.Pipe() // not a byte is sent, the answer comes all the same
	defer writer.Close()
	forged := headerPair(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: "x"})
	assert.Equal(t, 401, post(t, server.URL, forged, endless).StatusCode)

	body := newSpyBody("{}")
	r := httptest.NewRequest("POST", "/", body)
	maps.Copy(r.Header, forged)
	v.Handler(new(spyHandler)).ServeHTTP(httptest.NewRecorder(), r)
	assert.Zero(t, body.reads.Load())
}

func TestHandlerLimitsTheBody(t *testing.T) {
	genuine := signedBody(t, "")
	v := newVerifier(t)
	v.MaxBytes, v.OnReject = 1000, quiet
	server := serve(t, v.Handler(new(spyHandler)))
	pad := func(length int) io.Reader {
		return strings.NewReader(genuine + strings.Repeat(" ", length-len(genuine)))
	}

	assert.Equal(t, 200, post(t, server.URL, nil, pad(1000)).StatusCode)
	assert.Equal(t, 200, post(t, server.URL, nil, onlyReader{pad(1000)}).StatusCode)
	assert.Equal(t, 413, post(t, server.URL, nil, pad(1001)).StatusCode)
	assert.Equal(t, 413, post(t, server.URL, nil, onlyReader{pad(1001)}).StatusCode)

	t.Run("endless", func(t *testing.T) {
		endless, writer := io.Pipe()
		go func() {
			for _, err := writer.Write([]byte(genuine)); err == nil; _, err = writer.Write(bytes.Repeat([]byte(" "), 512)) {
			}
		}()
		defer endless.Close()
		assert.Equal(t, 413, post(t, server.URL, nil, endless).StatusCode)
	})
	t.Run("declared 5 GB", func(t *testing.T) {
		body := newSpyBody("{}")
		r := httptest.NewRequest("POST", "/", body)
		r.ContentLength = 5 << 30
		w := httptest.NewRecorder()
		v.Handler(new(spyHandler)).ServeHTTP(w, r)
		assert.Equal(t, 413, w.Code)
		assert.Zero(t, body.reads.Load(), "unread")
	})
	t.Run("endless limit", func(t *testing.T) {
		v := newVerifier(t)
		v.MaxBytes = 1<<63 - 1
		assert.Equal(t, 200, post(t, serve(t, v.Handler(new(spyHandler))).URL, nil, pad(1000)).StatusCode)
	})
}

func TestALengthOfZeroMayBeUnknown(t *testing.T) {
	body := signedBody(t, "")
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.ContentLength = 0 // as when something around us has put another body in
	w, spy := httptest.NewRecorder(), new(spyHandler)
	newVerifier(t).Handler(spy).ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, []string{body}, spy.bodies)
}

func TestHandlerRefusesABodyCutShort(t *testing.T) {
	v := newVerifier(t)
	rejected := make(chan error, 1)
	v.OnReject = func(_ *http.Request, err error) int { rejected <- err; return 0 }
	handler := v.Handler(new(spyHandler))

	genuine := headerPair(v.Signer.Sign(testTime))
	for name, body := range map[string]io.Reader{
		"client gone":      io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"drained in front": strings.NewReader(""),
		"cut in front":     strings.NewReader(signedBody(t, "")),
		"no body at all":   nil,
	} {
		r := httptest.NewRequest("POST", "/", body)
		r.ContentLength = 1000
		r.Header.Set("Content-Length", "1000")
		if name == "client gone" {
			r.Header = genuine
		}
		if body == nil {
			r.Body, r.ContentLength = nil, 0
			r.Header.Del("Content-Length")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		assert.Equal(t, 400, w.Code, name)
		err := <-rejected
		assert.ErrorIs(t, err, smilesig.ErrMalformed, name)
		if name == "client gone" {
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
		} else {
			assert.ErrorContains(t, err, "in front", name)
		}
	}
}

func TestHandlerTakesABodyThatWasInflatedInFront(t *testing.T) {
	content := signedBody(t, "")
	r := httptest.NewRequest("POST", "/", strings.NewReader(content))
	r.ContentLength = 10 // of the compressed body; what inflates it deletes the header
	w := httptest.NewRecorder()
	newVerifier(t).Handler(new(spyHandler)).ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code)
}

func TestHandlerRefusesAFormThatWasParsedInFront(t *testing.T) {
	v := newVerifier(t)
	var got error
	v.OnReject = func(_ *http.Request, err error) int { got = err; return 0 }
	pair := headerPair(v.Signer.Sign(testTime))
	inFront := map[string]func(*http.Request){
		"form":      func(r *http.Request) { r.ParseForm() },
		"multipart": func(r *http.Request) { r.ParseMultipartForm(1 << 20) },
		"reader":    func(r *http.Request) { r.MultipartReader() },
	}
	bodies := map[string]struct{ contentType, body string }{
		"form":      {"application/x-www-form-urlencoded", "ResultCode=0810"},
		"multipart": {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"ResultCode\"\r\n\r\n0810\r\n--x--\r\n"},
		"reader":    {"multipart/form-data; boundary=x", "--x--\r\n"},
	}
	for name, parse := range inFront {
		r := httptest.NewRequest("POST", "/", strings.NewReader(bodies[name].body))
		maps.Copy(r.Header, pair)
		r.Header.Set("Content-Type", bodies[name].contentType)
		parse(r)
		w := httptest.NewRecorder()
		v.Handler(new(spyHandler)).ServeHTTP(w, r)
		assert.Equal(t, 400, w.Code, name)
		assert.ErrorContains(t, got, "in front", name)
	}

	r := httptest.NewRequest("POST", "/?a=b", strings.NewReader(signedBody(t, "")))
	r.Header.Set("Content-Type", "application/json")
	assert.Equal(t, "b", r.FormValue("a"))
	w := httptest.NewRecorder()
	v.Handler(new(spyHandler)).ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code, "FormValue leaves a JSON body alone")
}

func TestWhatTheSenderWritesIsNotInTheError(t *testing.T) {
	v := newVerifier(t)
	rejected := make(chan error, 1)
	v.OnReject = func(_ *http.Request, err error) int { rejected <- err; return 0 }
	server := serve(t, v.Handler(new(spyHandler)))
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nIDNumber 00000000000\r\n\r\n")
	require.NoError(t, err)
	err = <-rejected
	assert.ErrorIs(t, err, smilesig.ErrMalformed)
	assert.EqualError(t, err, "smilesig: malformed: the body cannot be read")
}

func TestALimitAroundUsIsTooLarge(t *testing.T) {
	v := newVerifier(t)
	v.OnReject = quiet
	server := serve(t, http.MaxBytesHandler(v.Handler(new(spyHandler)), 100))
	body := signedBody(t, `,"a":"`+strings.Repeat("a", 100)+`"`)
	assert.Equal(t, 413, post(t, server.URL, nil, onlyReader{strings.NewReader(body)}).StatusCode)
}

func TestTheConnectionIsKeptUnlessTheBodyIsUnread(t *testing.T) {
	v := newVerifier(t)
	v.OnReject = quiet
	server := serve(t, v.Handler(new(spyHandler)))
	assert.False(t, post(t, server.URL, nil, strings.NewReader("{}")).Close, "refused after reading")
	forged := headerPair(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: "x"})
	assert.True(t, post(t, server.URL, forged, strings.NewReader("{}")).Close, "refused before")

	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.ProtoMajor, r.Header = 2, forged
	v.Handler(new(spyHandler)).ServeHTTP(w, r)
	assert.Empty(t, w.Header().Get("Connection"), "HTTP/2 has no such header")
}

func TestADeclaredLengthAllocatesNothingLarge(t *testing.T) {
	v := newVerifier(t)
	v.OnReject = quiet
	handler := v.Handler(new(spyHandler))
	const requests = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		r := httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
		r.ContentLength = smilesig.DefaultMaxBytes
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(requests*smilesig.DefaultMaxBytes/10))
}

func TestAClientThatGoesAwayMidBodyIsRefused(t *testing.T) {
	v := newVerifier(t)
	rejected := make(chan error, 1)
	v.OnReject = func(_ *http.Request, err error) int { rejected <- err; return 0 }
	spy := new(spyHandler)
	server := serve(t, v.Handler(spy))
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(connection, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"a\":")
	require.NoError(t, err)
	require.NoError(t, connection.Close())
	assert.ErrorIs(t, <-rejected, smilesig.ErrMalformed)
	assert.Empty(t, spy.bodies)
}

func TestTheBodyIsGoodUntilTheHandlerReturns(t *testing.T) {
	v := newVerifier(t)
	var kept []*http.Request
	handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		_, err := io.ReadFull(r.Body, first)
		assert.NoError(t, err)
		assert.Equal(t, `{"sig`, string(first))
		n, err := r.Body.Read(nil)
		assert.Zero(t, n)
		assert.NoError(t, err)
		kept = append(kept, r)
	}))
	for range 3 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(signedBody(t, ""))))
	}
	for _, r := range kept {
		n, err := r.Body.Read(make([]byte, 100))
		assert.Zero(t, n)
		assert.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	}
}

func TestABodyThatTheHandlerClosesReadsNoMore(t *testing.T) {
	newVerifier(t).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.Body.Close())
		_, err := io.ReadAll(r.Body)
		assert.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(signedBody(t, ""))))
}

func TestLateReadersNeverSeeAnotherRequest(t *testing.T) {
	v := newVerifier(t)
	var late sync.WaitGroup
	handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		own := r.Header.Get("Own")
		late.Go(func() { // reads on while the handler has returned
			got, _ := io.ReadAll(iotest.OneByteReader(r.Body))
			assert.True(t, strings.HasPrefix(signedBody(t, own), string(got)), "another request's bytes")
		})
	}))
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for range 50 {
				own := fmt.Sprintf(`,"own":"%s"`, strings.Repeat(fmt.Sprint(c), 200))
				r := httptest.NewRequest("POST", "/", strings.NewReader(signedBody(t, own)))
				r.Header.Set("Own", own)
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	clients.Wait()
	late.Wait()
}

func TestTheResponseWriterIsTheServersOwn(t *testing.T) {
	v := newVerifier(t)
	w := httptest.NewRecorder()
	v.Handler(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		assert.Same(t, w, got)
	})).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(signedBody(t, ""))))
	assert.Equal(t, 200, w.Code, "a handler that writes nothing")
}

func TestHandlersPanicHijackAndFlushAsWithoutUs(t *testing.T) {
	v := newVerifier(t)
	mux := http.NewServeMux()
	mux.Handle("/panic", v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
	mux.Handle("/flush", v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, http.NewResponseController(w).Flush())
	})))
	mux.Handle("/hijack", v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			io.WriteString(connection, "HTTP/1.1 299 Own\r\nContent-Length: 0\r\n\r\n")
			connection.Close()
		}
	})))
	server := serve(t, mux)
	send := func(path string) (*http.Response, error) {
		return http.DefaultClient.Do(newRequest(t, "POST", server.URL+path, "", strings.NewReader(signedBody(t, ""))))
	}
	_, err := send("/panic")
	assert.ErrorIs(t, err, io.EOF, "the server closes the connection")
	res, err := send("/flush")
	require.NoError(t, err)
	res.Body.Close()
	assert.Equal(t, 200, res.StatusCode)
	res, err = send("/hijack")
	require.NoError(t, err)
	res.Body.Close()
	assert.Equal(t, 299, res.StatusCode)
}

func TestHandlerOverHTTP2(t *testing.T) {
	v := newVerifier(t)
	v.OnReject = quiet
	spy := new(spyHandler)
	server := httptest.NewUnstartedServer(v.Handler(spy))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for body, want := range map[string]int{signedBody(t, ""): 200, "{}": 401} {
		res, err := server.Client().Do(newRequest(t, "POST", server.URL, "", onlyReader{strings.NewReader(body)}))
		require.NoError(t, err)
		res.Body.Close()
		assert.Equal(t, want, res.StatusCode)
		assert.Equal(t, 2, res.ProtoMajor)
	}
	assert.Equal(t, []string{signedBody(t, "")}, spy.bodies)
}

func TestContext(t *testing.T) {
	_, ok := smilesig.FromContext(t.Context())
	assert.False(t, ok)
	want := smilesig.Callback{PartnerID: "085"}
	got, ok := smilesig.FromContext(smilesig.NewContext(t.Context(), want))
	assert.True(t, ok)
	assert.Equal(t, want, got)
}

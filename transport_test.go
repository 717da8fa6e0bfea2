package smilesig_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

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

const (
	smileID   = "https://api.smileidentity.com"
	jobStatus = smileID + "/v1/job_status"
)

func newTransport(t testing.TB) (*smilesig.Transport, *spyBase) {
	t.Helper()
	base := new(spyBase)
	return &smilesig.Transport{Signer: newSigner(t, testCredential), Base: base, Now: at(testTime)}, base
}

// signedClient signs for the listed servers only.
func signedClient(t *testing.T, listed ...*httptest.Server) *http.Client {
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Base: listed[0].Client().Transport, Origins: []string{}}
	for _, server := range listed {
		transport.Origins = append(transport.Origins, server.URL)
	}
	return &http.Client{Transport: transport}
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

func TestTransportAddsTheKeyForAToken(t *testing.T) {
	for id, sentID := range map[string]string{"085": "85", "2343": "2343", "0010": "10"} {
		transport, base := newTransport(t)
		require.NoError(t, transport.Signer.Rotate(smilesig.Credential{PartnerID: id, APIKey: "made-up-key-three"}, testCredential))
		body := newSpyBody(`{"payload":{"product":"one_time_aml"}}`)
		req := newRequest(t, "POST", smileID+"/v3/token", "application/json", nil)
		req.Body, req.ContentLength = body, -1
		header := maps.Clone(req.Header)

		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		assert.Same(t, req, res.Request, "the caller's request, without the key")
		assert.Equal(t, header, req.Header, "the caller's request is unchanged")
		sent := base.requests[0]
		assert.Equal(t, http.Header{
			"Content-Type": {"application/json"}, "Smileid-Partner-Id": {sentID}, "Smileid-Api-Key": {"made-up-key-three"},
		}, sent.Header)
		assert.Same(t, body, sent.Body, "the body is streamed")
		assert.EqualValues(t, -1, sent.ContentLength)
		assert.EqualValues(t, 1, body.closed.Load())
	}
}

func TestTransportKnowsWhereTheKeyMayGo(t *testing.T) {
	own := http.Header{"smileid-partner-id": {"7"}, "SMILEID-API-KEY": {"the caller's own"}}
	always := func(*http.Request) smilesig.Placement { return smilesig.KeyInHeader }
	for _, tt := range []struct {
		name, target string
		change       func(*smilesig.Transport, *http.Request)
		isAdded      bool
	}{
		{"https", smileID + "/v3/token", nil, true},
		{"doubled slashes", smileID + "//v3//token/", nil, true},
		{"plain http to this machine", "http://127.0.0.1:9/v3/token", nil, true},
		{"plain http to this machine by IPv6", "http://[::1]:9/v3/token", nil, true},
		{"plain http to this machine by name", "http://localhost:9/v3/token", nil, true},
		{"a Placement of the caller's", smileID + "/v4/token", func(tr *smilesig.Transport, _ *http.Request) { tr.Placement = always }, true},
		{"a GET", smileID + "/v3/token", func(_ *smilesig.Transport, r *http.Request) { r.Method = "GET" }, false},
		{"a PUT", smileID + "/v3/token", func(_ *smilesig.Transport, r *http.Request) { r.Method = "PUT" }, false},
		{"another path", smileID + "/v3/token/other", nil, false},
		{"a redirect led here", smileID + "/v3/token", func(_ *smilesig.Transport, r *http.Request) { r.Response = new(http.Response) }, false},
		{"a key of the caller's own", smileID + "/v3/token", func(tr *smilesig.Transport, r *http.Request) { tr.Signer, r.Header = nil, own }, false},
	} {
		transport, base := newTransport(t)
		transport.Origins = []string{smileID, "http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9"}
		req := newRequest(t, "POST", tt.target, "", nil)
		if tt.change != nil {
			tt.change(transport, req)
		}
		_, err := transport.RoundTrip(req)
		require.NoError(t, err, tt.name)
		if tt.isAdded {
			assert.Equal(t, testCredential.APIKey, base.requests[0].Header.Get("smileid-api-key"), tt.name)
		} else {
			assert.Same(t, req, base.requests[0], tt.name)
		}
	}
}

func TestTransportPassesUntouched(t *testing.T) {
	const zip, isJSON, form = "application/zip", "application/json", "multipart/form-data; boundary=x"
	for _, tt := range []struct{ name, method, target, contentType, body string }{
		{"the zip of an upload", "PUT", "https://uploads.example/a?X-Amz-Signature=x", zip, "made up"},
		{"an upload without a type", "PUT", "https://uploads.example/a", "", "made up"},
		{"a zip to a path like Smile ID's", "PUT", "https://bucket.example/v1/upload", zip, "made up"},
		{"a zip to another port of Smile ID's", "PUT", smileID + ":8443/v1/upload", zip, "made up"},
		{"a GET elsewhere", "GET", "https://www.example", "", ""},
		{"a GET elsewhere, by default", "", "https://www.example", "", ""},
		{"a GET elsewhere with a type, but no body", "GET", "https://www.example", isJSON, ""},
		{"a HEAD elsewhere", "HEAD", "https://www.example/v1/job_status", "", ""},
		{"a GET to Smile ID", "GET", smileID + "/v1/services", "", ""},
		{"a request to v3", "POST", smileID + "/v3/enhanced_kyc", form, "made up"},
		{"JSON to a path that takes no pair", "POST", smileID + "/v1/auth_smile", isJSON, `{"signature":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transport, base := newTransport(t)
			transport.Signer = nil // not needed where nothing is signed
			if !strings.HasPrefix(tt.target, smileID+"/") {
				transport.Placement = func(*http.Request) smilesig.Placement { return smilesig.InBody } // not asked
			}
			body := newSpyBody(tt.body)
			req := newRequest(t, tt.method, tt.target, tt.contentType, nil)
			if tt.body != "" {
				req.Body = body
			}
			req.Method = tt.method
			res, err := transport.RoundTrip(req)
			require.NoError(t, err)
			assert.Same(t, req, base.requests[0])
			assert.Same(t, req, res.Request)
			assert.Equal(t, tt.body, base.bodies[0])
			if tt.body != "" {
				assert.EqualValues(t, 1, body.closed.Load())
			}
		})
	}
}

// A refusal starts from JSON for job_status that would be signed, and changes it.
func TestTransportRefuses(t *testing.T) {
	type request = http.Request
	type transport = smilesig.Transport
	to := func(target string) func(*transport, *request) {
		return func(_ *transport, r *request) {
			r.URL = newRequest(t, "GET", target, "", nil).URL
			r.Host = r.URL.Host
		}
	}
	body := func(content string) func(*transport, *request) {
		return func(_ *transport, r *request) { r.Body, r.ContentLength = newSpyBody(content), 0 }
	}
	reads := func(body io.Reader, declared int64) func(*transport, *request) {
		return func(_ *transport, r *request) { r.Body, r.ContentLength = &spyBody{Reader: body}, declared }
	}
	elsewhere := func(method, contentType string) func(*transport, *request) {
		return func(_ *transport, r *request) {
			to("https://evil.example")(nil, r)
			r.Method = method
			r.Header.Set("Content-Type", contentType)
		}
	}
	redirected := func(method, contentType string) func(*transport, *request) {
		return func(_ *transport, r *request) {
			elsewhere(method, contentType)(nil, r)
			r.Response = &http.Response{StatusCode: 307}
		}
	}
	types := func(header http.Header) func(*transport, *request) {
		return func(_ *transport, r *request) {
			elsewhere("PUT", "")(nil, r)
			r.Header = header
		}
	}
	host := func(host string) func(*transport, *request) { return func(_ *transport, r *request) { r.Host = host } }
	secret := func(method, name string) func(*transport, *request) {
		return func(_ *transport, r *request) {
			to("https://evil.example")(nil, r)
			r.Method, r.Header, r.Body = method, http.Header{name: {"made-up-key-one"}}, nil
		}
	}
	token := func(change func(*transport, *request)) func(*transport, *request) {
		return func(tr *transport, r *request) {
			to(smileID+"/v3/token")(nil, r)
			change(tr, r)
		}
	}
	partner := func(id string) func(*transport, *request) {
		return token(func(tr *transport, _ *request) {
			tr.Signer = newSigner(t, smilesig.Credential{PartnerID: id, APIKey: "made-up-key-one"})
		})
	}
	plain := func(target string) func(*transport, *request) {
		return token(func(tr *transport, r *request) {
			to(target)(nil, r)
			tr.Origins = []string{"http://" + r.URL.Host}
			tr.Placement = func(*request) smilesig.Placement { return smilesig.KeyInHeader }
		})
	}
	origins := func(origins ...string) func(*transport, *request) {
		return func(tr *transport, _ *request) { tr.Origins = origins }
	}
	endless := readerFunc(func(p []byte) (int, error) { return copy(p, strings.Repeat(" ", len(p))), nil })
	for _, tt := range []struct {
		name   string
		change func(*transport, *request)
		want   error  // nil is any
		text   string // in the error
	}{
		{"a look-alike host", to("https://api.smileidentity.com.evil.example/v1/job_status"), smilesig.ErrOrigin, ""},
		{"a host with a trailing dot", to("https://api.smileidentity.com./v1/job_status"), smilesig.ErrOrigin, ""},
		{"another port", to("https://api.smileidentity.com:8443/v1/job_status"), smilesig.ErrOrigin, ""},
		{"plain http", to("http://api.smileidentity.com/v1/job_status"), smilesig.ErrOrigin, ""},
		{"user info", to("https://user:pass@api.smileidentity.com/v1/job_status"), smilesig.ErrOrigin, ""},
		{"a host beyond ASCII that folds to ours", to("https://api.\u017fmileidentity.com/v1/job_status"), smilesig.ErrOrigin, ""},
		{"an opaque URL", func(_ *transport, r *request) { r.URL.Opaque = "//evil.example/v1/job_status" }, smilesig.ErrOrigin, ""},
		{"a scheme beyond ASCII that folds to ours", func(_ *transport, r *request) { r.URL.Scheme = "http\u017f" }, smilesig.ErrOrigin, ""},

		{"JSON elsewhere", elsewhere("POST", "application/json"), smilesig.ErrOrigin, `"https://evil.example" is not in Origins`},
		{"a form elsewhere", elsewhere("POST", "application/x-www-form-urlencoded"), smilesig.ErrOrigin, "Origins"},
		{"a selfie elsewhere", elsewhere("POST", "multipart/form-data"), smilesig.ErrOrigin, "Origins"},
		{"a POST without a type elsewhere", elsewhere("POST", ""), smilesig.ErrOrigin, "Origins"},
		{"an empty POST elsewhere", func(_ *transport, r *request) {
			elsewhere("POST", "")(nil, r)
			r.Body = nil
		}, smilesig.ErrOrigin, "Origins"},
		{"a GET with a body elsewhere", elsewhere("GET", ""), smilesig.ErrOrigin, "Origins"},
		{"a GET with a body elsewhere, by default", elsewhere("", ""), smilesig.ErrOrigin, "Origins"},
		{"a HEAD with a body elsewhere", elsewhere("HEAD", "application/zip"), smilesig.ErrOrigin, "Origins"},
		{"a PATCH elsewhere", elsewhere("PATCH", "application/zip"), smilesig.ErrOrigin, "Origins"},
		{"a DELETE elsewhere", elsewhere("DELETE", ""), smilesig.ErrOrigin, "Origins"},
		{"an OPTIONS elsewhere", elsewhere("OPTIONS", ""), smilesig.ErrOrigin, "Origins"},
		{"a put in lower case elsewhere", elsewhere("put", "application/zip"), smilesig.ErrOrigin, "Origins"},
		{"a PUT of JSON elsewhere", elsewhere("PUT", "Application/JSON; charset=utf-8"), smilesig.ErrOrigin, "Origins"},
		{"a PUT of what looks like JSON elsewhere", elsewhere("PUT", "application/x-json"), smilesig.ErrOrigin, "Origins"},
		{"a PUT of JSON among other types elsewhere", elsewhere("PUT", "text/plain, application/JSON"), smilesig.ErrOrigin, "Origins"},
		{"a PUT of JSON elsewhere, its type's name in lower case",
			types(http.Header{"content-type": {"application/vnd.api+json"}}), smilesig.ErrOrigin, ""},
		{"a PUT of JSON elsewhere, its type's name in two cases",
			types(http.Header{"Content-Type": {"text/plain"}, "content-type": {"application/json"}}), smilesig.ErrOrigin, ""},
		{"a token elsewhere", secret("GET", "SmileID-Token"), smilesig.ErrOrigin, ""},
		{"a pair of the caller's own elsewhere", secret("HEAD", "smileid-request-signature"), smilesig.ErrOrigin, ""},
		{"a raw API key elsewhere", secret("GET", "smileid-api-key"), smilesig.ErrOrigin, ""},
		{"a token with an upload elsewhere", secret("PUT", "smileid-token"), smilesig.ErrOrigin, ""},
		{"a redirected upload", redirected("PUT", "application/zip"), smilesig.ErrOrigin, ""},
		{"a redirected body without a type", redirected("PUT", ""), smilesig.ErrOrigin, ""},

		{"another Host", host("evil.example"), smilesig.ErrOrigin, `Host of the request is "evil.example", its URL is for "api.smileidentity.com"`},
		{"a Host of another listed origin", host("testapi.smileidentity.com"), smilesig.ErrOrigin, "Host"},
		{"a Host with another port", host("api.smileidentity.com:80"), smilesig.ErrOrigin, "Host"},
		{"a Host with a trailing dot", host("api.smileidentity.com."), smilesig.ErrOrigin, "Host"},
		{"a Host beyond ASCII that folds to ours", host("api.\u017fmileidentity.com"), smilesig.ErrOrigin, "Host"},

		{"a Base that is the Transport itself", func(tr *transport, _ *request) { tr.Base = tr }, smilesig.ErrConfig, "its own Base"},
		{"no URL", func(_ *transport, r *request) { r.URL = nil }, smilesig.ErrConfig, "the request has no URL"},

		{"no body", func(_ *transport, r *request) { r.Body = nil }, smilesig.ErrMalformed, ""},
		{"NoBody", func(_ *transport, r *request) { r.Body = http.NoBody }, smilesig.ErrMalformed, ""},
		{"an empty body", body(""), smilesig.ErrMalformed, ""},
		{"an array", body(`[1]`), smilesig.ErrMalformed, ""},
		{"a type that is not JSON", func(_ *transport, r *request) { r.Header.Set("Content-Type", "text/plain") }, smilesig.ErrMalformed, ""},
		{"gzip", func(_ *transport, r *request) { r.Header.Set("Content-Encoding", "gzip") }, smilesig.ErrEncoded, ""},
		{"another partner", body(`{"partner_id":"85"}`), smilesig.ErrPartner, ""},
		{"a reader that fails", reads(io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(io.ErrUnexpectedEOF)), -1), io.ErrUnexpectedEOF, ""},
		{"a body that fails to close", reads(closeFails{strings.NewReader("{}")}, -1), io.ErrClosedPipe, ""},
		{"a byte more declared", func(_ *transport, r *request) { r.ContentLength++ }, smilesig.ErrMalformed, ""},
		{"a byte less declared", func(_ *transport, r *request) { r.ContentLength-- }, smilesig.ErrMalformed, ""},
		{"8 EiB declared", reads(strings.NewReader("{}"), math.MaxInt64), smilesig.ErrMalformed, ""},
		{"1 MiB declared, an endless body", reads(endless, 1<<20), smilesig.ErrMalformed, ""},

		{"no Signer for the body", func(tr *transport, _ *request) { tr.Signer = nil }, smilesig.ErrConfig, "no credential"},
		{"no Signer for the headers", func(tr *transport, r *request) { tr.Signer, r.URL.Path = nil, "/v2/smart-selfie-enroll" }, smilesig.ErrConfig, "no credential"},
		{"no Signer to confirm the answer", func(tr *transport, r *request) {
			tr.Signer, tr.ConfirmResponses, r.URL.Path = nil, true, "/v3/aml/sync"
		}, smilesig.ErrConfig, "no credential"},
		{"no Signer for a token", token(func(tr *transport, _ *request) { tr.Signer = nil }), smilesig.ErrConfig, "no credential"},
		{"a partner ID for a token alone", token(func(_ *transport, r *request) { r.Header["smileid-partner-id"] = []string{"85"} }), smilesig.ErrConfig, "without the other"},
		{"a key for a token alone", token(func(_ *transport, r *request) { r.Header.Set("smileid-api-key", "x") }), smilesig.ErrConfig, "without the other"},
		{"a partner ID of zeros for a token", partner("000"), smilesig.ErrConfig, "not a positive number"},
		{"a partner ID with a letter for a token", partner("085a1"), smilesig.ErrConfig, "not a positive number"},
		{"a token by plain http", plain("http://smile.example/v3/token"), smilesig.ErrOrigin, "https"},
		{"a token by plain http to another address", plain("http://10.0.0.1:8080/v3/token"), smilesig.ErrOrigin, "https"},
		{"a token by plain http to this machine in capitals, which net/http sends to a proxy", plain("http://LocalHost:9/v3/token"), smilesig.ErrOrigin, "https"},
		{"a token by plain http to a name like ours", plain("http://localhost.example/v3/token"), smilesig.ErrOrigin, "https"},
		{"a token of a Placement of the caller's by plain http", plain("http://smile.example/other"), smilesig.ErrOrigin, "https"},
		{"a key of the caller's own by plain http", func(tr *transport, r *request) {
			plain("http://smile.example/v3/token")(tr, r)
			r.Header.Set("smileid-partner-id", "85")
			r.Header.Set("smileid-api-key", "x")
		}, smilesig.ErrOrigin, "https"},
		{"an origin without a scheme", origins(smileID, "127.0.0.1:9"), smilesig.ErrConfig, `"127.0.0.1:9" in Origins`},
		{"an origin without a host", origins("http:///"), smilesig.ErrConfig, `"http:///" in Origins`},
		{"an origin with a path", origins("http://127.0.0.1:9/v1"), smilesig.ErrConfig, `"http://127.0.0.1:9/v1" in Origins`},
		{"an origin with a query", origins("http://127.0.0.1:9?"), smilesig.ErrConfig, "in Origins"},
		{"an empty origin", origins(""), smilesig.ErrConfig, `"" in Origins`},
		{"an origin behind a space", origins(smileID, " "+smileID), smilesig.ErrConfig, `in Origins`},
		{"an origin and a line end", origins(smileID + "\n"), smilesig.ErrConfig, `in Origins`},
		{"an origin with a port only", origins("http://:8080"), smilesig.ErrConfig, `in Origins`},
		{"an origin whose port is no number", origins("https://x:port"), smilesig.ErrConfig, `in Origins`},
		{"an origin without brackets", origins("https://::1"), smilesig.ErrConfig, `in Origins`},
		{"an origin with a wildcard", origins("https://*.example.com"), smilesig.ErrConfig, `in Origins`},
		{"an origin with a password", origins("https://user:pass@example.com"), smilesig.ErrConfig, `"example.com" in Origins`},
		{"a placement that is none", func(tr *transport, _ *request) {
			tr.Placement = func(*request) smilesig.Placement { return 7 }
		}, smilesig.ErrConfig, "no such placement: Placement(7)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transport, base := newTransport(t)
			req := newRequest(t, "POST", jobStatus, "application/json", nil)
			req.Body, req.ContentLength = newSpyBody(`{"a":1}`), int64(len(`{"a":1}`))
			tt.change(transport, req)
			before, header := *req, maps.Clone(req.Header)
			res, err := transport.RoundTrip(req)
			assert.Nil(t, res)
			require.ErrorIs(t, err, tt.want)
			assert.True(t, strings.HasPrefix(err.Error(), "smilesig: "), err)
			assert.ErrorContains(t, err, tt.text)
			assert.NotContains(t, err.Error(), "pass", "no user info")
			assert.Empty(t, base.requests, "nothing is sent")
			if body, ok := before.Body.(*spyBody); ok {
				assert.EqualValues(t, 1, body.closed.Load(), "the body is closed once")
			}
			assert.Equal(t, header, req.Header, "the caller's request is unchanged")
			assert.Equal(t, before.Body, req.Body)
			assert.Equal(t, before.ContentLength, req.ContentLength)
		})
	}
}

type closeFails struct{ io.Reader }

func (closeFails) Close() error { return io.ErrClosedPipe }

func TestTransportMatchesOrigins(t *testing.T) {
	for _, tt := range []struct {
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
		{nil, "https://API.SMILEIDENTITY.COM:443/v1/token", true},
		{[]string{}, "https://api.smileidentity.com/v1/token", false},
		{[]string{"http://127.0.0.1:8080"}, "http://127.0.0.1:8080/v1/token", true},
		{[]string{"http://127.0.0.1:8080"}, "http://127.0.0.1/v1/token", false},
		{[]string{"http://localhost:80"}, "http://localhost/v1/token", true},
		{[]string{"Https://Example.com"}, "https://example.com:443/v1/token", true},
		{[]string{"https://[::1]:443"}, "https://[::1]/v1/token", true},
		{[]string{"https://example.com:80"}, "https://example.com/v1/token", false},
		{[]string{"http://127.0.0.1:9/"}, "http://127.0.0.1:9/v1/token", true},
		{[]string{"ftp://example.com"}, "ftp://example.com/v1/token", true},
	} {
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

func TestTransportTakesTheHostOfTheURL(t *testing.T) {
	for _, host := range []string{"", "api.smileidentity.com", "API.SmileIdentity.com", "api.smileidentity.com:443"} {
		transport, base := newTransport(t)
		req := newRequest(t, "POST", jobStatus, "", strings.NewReader("{}"))
		req.Host = host
		_, err := transport.RoundTrip(req)
		require.NoError(t, err, host)
		assert.Equal(t, host, base.requests[0].Host)
	}
	transport, _ := newTransport(t)
	elsewhere := newRequest(t, "GET", "https://bucket.example", "", nil)
	elsewhere.Host = "front.example"
	_, err := transport.RoundTrip(elsewhere)
	assert.NoError(t, err, "an origin that is not listed has no secret to lose")
}

func TestAReverseProxyMustNotKeepTheHost(t *testing.T) {
	var asked atomic.Int32
	smile := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	target, err := url.Parse(smile.URL)
	require.NoError(t, err)
	var refused error
	proxy := &httputil.ReverseProxy{
		Transport:    signedClient(t, smile).Transport,
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { refused = err },
	}
	front := serve(t, proxy)
	assert.Equal(t, 200, post(t, front.URL+"/v1/job_status", nil, strings.NewReader("{}")).StatusCode)
	require.NoError(t, refused)
	require.EqualValues(t, 1, asked.Load())

	proxy.Rewrite = func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}
	post(t, front.URL+"/v1/job_status", nil, strings.NewReader("{}"))
	assert.ErrorIs(t, refused, smilesig.ErrOrigin)
	assert.EqualValues(t, 1, asked.Load(), "nothing is sent")
}

func TestTransportIsNotItsOwnBase(t *testing.T) {
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential)}
	http.DefaultTransport = transport
	for name, client := range map[string]http.RoundTripper{"as the default": transport, "below another": &smilesig.Transport{Signer: transport.Signer}} {
		_, err := client.RoundTrip(newRequest(t, "GET", smileID+"/v1/services", "", nil))
		assert.ErrorIs(t, err, smilesig.ErrConfig, name)
		(&http.Client{Transport: client}).CloseIdleConnections()
	}
	transport.Base = usual
	transport.CloseIdleConnections()
	transport.Base = sliceBase{nil} // cannot be compared
	_, err := transport.RoundTrip(newRequest(t, "GET", smileID+"/v1/services", "", nil))
	assert.NoError(t, err)
	transport.CloseIdleConnections()
}

type sliceBase []error

func (b sliceBase) RoundTrip(*http.Request) (*http.Response, error) { return nil, b[0] }
func (sliceBase) CloseIdleConnections()                             {}

func TestTransportStopsReadingWhenTheContextEnds(t *testing.T) {
	never, writer := io.Pipe()
	defer writer.Close()
	gaveUp := errors.New("the user gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(gaveUp) })
	for _, content := range []io.Reader{never, strings.NewReader("{}")} { // while the first is read, before the second
		transport, base := newTransport(t)
		body := &spyBody{Reader: content}
		_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", body).WithContext(ctx))
		assert.ErrorIs(t, err, gaveUp)
		assert.EqualValues(t, 1, body.closed.Load())
		assert.Empty(t, base.requests)
	}
}

func TestTransportClosesIdleConnectionsOfItsBase(t *testing.T) {
	connections := map[string]bool{}
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { connections[r.RemoteAddr] = true }))
	client := signedClient(t, server)
	for range 2 {
		send(t, client, server.URL+"/v1/job_status", nil, strings.NewReader("{}"))
		client.CloseIdleConnections()
	}
	assert.Len(t, connections, 2)
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

func mustInject(t *testing.T, when time.Time) []byte {
	body, err := newSigner(t, testCredential).Inject([]byte("{}"), when)
	require.NoError(t, err)
	return body
}

// An egress gateway may be a Base that changes the request in place.
type rewritingBase struct{ spyBase }

func (b *rewritingBase) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.spyBase.RoundTrip(req)
	req.URL.Host, req.URL.Path = "gateway.internal", "/smileid"+req.URL.Path
	req.Header.Add("X-Gateway", "1")
	return res, err
}

func TestABaseThatChangesItsRequest(t *testing.T) {
	for _, path := range []string{"/v1/job_status", "/v3/aml/sync"} {
		transport, _ := newTransport(t)
		transport.Base, transport.ConfirmResponses = new(rewritingBase), true
		req := newRequest(t, "POST", smileID+path, "application/json", strings.NewReader("{}"))
		url, header, placement := req.URL.String(), req.Header.Clone(), smilesig.PlacementFor(req)
		_, err := transport.RoundTrip(req)
		assert.ErrorIs(t, err, smilesig.ErrMissing, "the path that was asked for counts")
		if placement == smilesig.InBody { // the other is passed on as it is
			assert.Equal(t, url, req.URL.String())
			assert.Equal(t, header, req.Header)
		}
	}
}

func TestTransportLeavesTheRequestToItsCallerAfterwards(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	transport := signedClient(t, server).Transport
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

// ---- through a real server ----

func TestNoRedirectTakesTheBodyOrThePairElsewhere(t *testing.T) {
	var leaked atomic.Value // what the other server got of us
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		leaked.Store(fmt.Sprint(r.Method, " ", string(body), r.Header.Get("SmileID-Request-Signature"), r.Header.Get("SmileID-Partner-ID")))
	}))
	evil := strings.TrimPrefix(elsewhere.URL, "http://")
	var location string
	var code int
	second := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(code)
	}))
	defer second.Close()
	smile := httptest.NewTLSServer(http.RedirectHandler(second.URL+"/v2/smart-selfie-enroll", http.StatusPermanentRedirect))
	defer smile.Close()
	host := strings.TrimPrefix(second.URL, "https://")
	client := signedClient(t, smile, second)
	send := func(path, contentType string) error {
		res, err := client.Do(newRequest(t, "POST", smile.URL+path, contentType, strings.NewReader(`{"secret":1}`)))
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	paths := map[string]string{"/v1/job_status": "application/json", "/v2/smart-selfie-enroll": "multipart/form-data"}
	for path, contentType := range paths {
		for _, code = range []int{307, 308} {
			for _, location = range []string{
				elsewhere.URL + path, "//" + evil + path, "http://" + host + path, "https://user:pass@" + host + path,
				"https://" + host + "@" + evil + path, "https://" + strings.Replace(host, ":", ".:", 1) + path,
				"https://" + evil + "#@" + host, "https://" + evil + "?" + second.URL,
			} {
				assert.ErrorIs(t, send(path, contentType), smilesig.ErrOrigin, location)
			}
		}
		assert.Nil(t, leaked.Load(), "the other server sees nothing")
	}
	for path, contentType := range paths {
		for _, code = range []int{301, 302, 303} {
			location = elsewhere.URL
			require.NoError(t, send(path, contentType), "a GET may go anywhere")
			assert.Equal(t, "GET ", leaked.Load(), "with neither body nor pair")
		}
	}
}

func TestARedirectToAListedOriginIsSignedAnew(t *testing.T) {
	const signature = "SmileID-Request-Signature"
	var body string
	var header http.Header
	target := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		body, header = string(got), r.Header
	}))
	for _, code := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for _, path := range []string{"/v1/job_status", "/v2/smart-selfie-enroll"} {
			smile := serve(t, http.RedirectHandler(target.URL+path, code))
			res := send(t, signedClient(t, smile, target), smile.URL+path, nil, strings.NewReader(`{"a":1}`))
			assert.Equal(t, 1, strings.Count(body, `"signature"`)+len(header.Values(signature)), path)

			for _, r := range []*http.Request{res.Request, res.Request.Response.Request} {
				assert.Empty(t, r.Header.Values(signature), "the caller's request")
				assert.EqualValues(t, len(`{"a":1}`), r.ContentLength)
			}
		}
	}
}

func TestAResendCarriesTheSameSignedBytes(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	seen := map[string]int{} // requests by connection
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).Now = at(testTime)
	for range 2 { // the second on the connection of the first
		resends := http.Header{"Idempotency-Key": nil} // lets net/http resend a POST
		send(t, client, server.URL+"/v1/job_status", resends, strings.NewReader("{}"))
	}
	require.Len(t, bodies, 3, "the second was sent twice")
	for _, body := range bodies {
		assert.Equal(t, string(mustInject(t, testTime)), body)
	}
}

func TestTransportOverTheNetwork(t *testing.T) {
	var protocols []int
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.ProtoMajor)
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.EqualValues(t, len(body), r.ContentLength)
		_, err = (&smilesig.Verifier{Signer: newSigner(t, testCredential)}).Verify(r.Context(), "/callbacks", nil, body)
		assert.NoError(t, err, "signed just now")
	})
	first, second := serve(t, handler), serveHTTP2(t, handler)
	client := signedClient(t, first)
	client.Transport.(*smilesig.Transport).Base = nil // http.DefaultTransport
	send(t, client, first.URL+"/v1/job_status", nil, strings.NewReader("{}"))
	send(t, signedClient(t, second), second.URL+"/v1/job_status", nil, strings.NewReader("{}"))
	assert.Equal(t, []int{1, 2}, protocols)
}

// ---- answers ----

// An answeringBase gives one answer to every request.
type answeringBase struct {
	status int
	header http.Header
	body   *spyBody
}

func (b *answeringBase) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Body.Close()
	return &http.Response{StatusCode: b.status, Header: b.header, ContentLength: -1, Body: b.body}, nil
}

func TestConfirmResponses(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	ours := pairBody(signer.Sign(testTime), `,"result":{"signature":"nested"}`)
	old := pairBody(newSigner(t, otherCredential).Sign(testTime.Add(-10*365*24*time.Hour)), "")
	wrong := pairBody(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: strings.Repeat("A", 43) + "="}, "")
	unkeyed := pairBody(smilesig.Pair{Timestamp: "1", Signature: "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"}, "")
	padding := strings.Repeat(" ", smilesig.DefaultMaxBytes-len(ours))

	const status, verify, enroll = "/v1/job_status", "/v2/verify", "/v2/smart-selfie-enroll"
	const isJSON, text = "application/json", "text/plain"
	for _, tt := range []struct {
		name        string
		path        string
		code        int
		contentType string
		encoding    string
		body        string
		want        error
	}{
		{"signed", status, 200, isJSON, "", ours, nil},
		{"signed with an accepted credential long ago", status, 200, isJSON, "", old, nil},
		{"signed, no Content-Type", status, 200, "", "", ours, nil},
		{"signed, odd Content-Type", status, 200, text, "", ours, nil},
		{"as long as read", status, 200, isJSON, "", ours + padding, nil},
		{"wrong pair", status, 200, isJSON, "", wrong, smilesig.ErrSignature},
		{"wrong pair, odd Content-Type", status, 200, text, "", wrong, smilesig.ErrSignature},
		{"unkeyed hash", status, 200, isJSON, "", unkeyed, smilesig.ErrSignature},
		{"no pair", status, 200, isJSON, "", `{"a":1}`, smilesig.ErrMissing},
		{"signature only", status, 200, isJSON, "", `{"signature":"x"}`, smilesig.ErrMissing},
		{"timestamp only", status, 200, isJSON, "", `{"timestamp":"x"}`, smilesig.ErrMissing},
		{"nested pair", status, 200, isJSON, "", `{"result":` + ours + `}`, smilesig.ErrMissing},
		{"encoded", status, 200, isJSON, "gzip", "\x1f\x8b", smilesig.ErrMissing},
		{"204", status, 204, "", "", "", smilesig.ErrMissing},
		{"HTTP 400", status, 400, isJSON, "", wrong, nil},
		{"HTTP 599", status, 599, isJSON, "", `{"a":1}`, nil},

		{"another endpoint, signed", verify, 200, isJSON, "", ours, nil},
		{"another endpoint, wrong pair", verify, 201, isJSON, "", wrong, smilesig.ErrSignature},
		{"another endpoint, wrong pair, no Content-Type", verify, 200, "", "", wrong, smilesig.ErrSignature},
		{"another endpoint, no pair", verify, 200, isJSON, "", `{"success":true}`, nil},
		{"another endpoint, signature only", verify, 200, isJSON, "", `{"signature":true}`, nil},
		{"another endpoint, timestamp only", verify, 200, isJSON, "", `{"timestamp":"x"}`, nil},
		{"another endpoint, not JSON", verify, 200, "text/html", "", wrong, nil},
		{"another endpoint, broken JSON", verify, 200, isJSON, "", wrong + "x", nil},
		{"another endpoint, encoded", verify, 200, isJSON, "br", wrong, nil},
		{"another endpoint, too long", verify, 200, isJSON, "", wrong + padding + padding, nil},
		{"another endpoint, redirected", verify, 302, isJSON, "", wrong, nil},
		{"another endpoint, 204", verify, 204, "", "", "", nil},
		{"header-signed, wrong pair", enroll, 200, isJSON, "", wrong, smilesig.ErrSignature},
		{"unsigned, wrong pair", "/v1/auth_smile", 200, isJSON, "", wrong, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := &answeringBase{status: tt.code, header: http.Header{}, body: newSpyBody(tt.body)}
			if tt.contentType != "" {
				base.header.Set("Content-Type", tt.contentType)
			}
			if tt.encoding != "" {
				base.header.Set("Content-Encoding", tt.encoding)
			}
			transport := &smilesig.Transport{Signer: signer, Base: base, ConfirmResponses: true}
			res, err := transport.RoundTrip(newRequest(t, "POST", "https://api.smileidentity.com"+tt.path, "", strings.NewReader("{}")))
			if tt.want != nil {
				assert.Nil(t, res)
				require.ErrorIs(t, err, tt.want)
				assert.NotErrorIs(t, err, smilesig.ErrMalformed, "that would mean that nothing was sent")
				assert.EqualValues(t, 1, base.body.closed.Load(), "the body is closed")
				return
			}
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.True(t, tt.body == string(got), "the answer is whole")
			assert.Zero(t, base.body.closed.Load())
			require.NoError(t, res.Body.Close())
			assert.EqualValues(t, 1, base.body.closed.Load())
		})
	}
}

func TestAnAnswersErrorNamesTheFault(t *testing.T) {
	signer := newSigner(t, testCredential)
	pair := signer.Sign(testTime)
	ours, lone := pairBody(pair, ""), http.Header{"Response-Timestamp": {pair.Timestamp}}
	number, err := signer.SignTimestamp("1704164645678")
	require.NoError(t, err)
	padding := strings.Repeat(" ", smilesig.DefaultMaxBytes)
	const status, aml = "/v1/job_status", "/v3/aml/sync"
	const notAString, twice, other = "is not a string", "given more than once", "a status from 400 to 599 passes"
	for _, tt := range []struct {
		name   string
		path   string
		code   int
		header http.Header
		body   string
		want   error
		text   string
	}{
		{"a numeric timestamp", status, 200, nil, `{"timestamp":1704164645678,"signature":"` + number.Signature + `"}`, smilesig.ErrSignature, notAString},
		{"a signature that is true", status, 200, nil, `{"signature":true,"timestamp":"x"}`, smilesig.ErrSignature, notAString},
		{"two signatures", status, 200, nil, pairBody(pair, `,"signature":"x"`), smilesig.ErrSignature, twice},
		{"two timestamps", status, 200, nil, pairBody(pair, `,"timestamp":"x"`), smilesig.ErrSignature, twice},
		{"two timestamps elsewhere", "/v2/verify", 200, nil, pairBody(pair, `,"timestamp":"x"`), smilesig.ErrSignature, twice},
		{"two signatures in headers", aml, 200, http.Header{"Response-Signature": {pair.Signature, "x"}, "Response-Timestamp": {pair.Timestamp}}, "", smilesig.ErrSignature, twice},
		{"two timestamps in headers", aml, 200, http.Header{"Response-Signature": {pair.Signature}, "Response-Timestamp": {pair.Timestamp, "x"}}, "", smilesig.ErrSignature, twice},
		{"a lone Response-Timestamp", aml, 200, lone, "", smilesig.ErrSignature, "no signature"},
		{"a lone Response-Timestamp of another call", "/v3/enhanced_kyc", 202, lone, "", smilesig.ErrSignature, "no signature"},
		{"a lone Response-Signature", aml, 200, http.Header{"Response-Signature": {pair.Signature}}, "", smilesig.ErrSignature, "no timestamp"},
		{"a wrong pair", status, 200, nil, `{"signature":"x","timestamp":"x"}`, smilesig.ErrSignature, "no credential has made it"},
		{"HTML", status, 200, nil, "<html>", smilesig.ErrMissing, "not a JSON object"},
		{"a body that is too long", status, 200, nil, ours + padding, smilesig.ErrMissing, "of at most 4194304 bytes"},
		{"status 101", status, 101, nil, ours, smilesig.ErrMissing, other},
		{"status 302", status, 302, nil, ours, smilesig.ErrMissing, other},
		{"status 307", status, 307, nil, ours, smilesig.ErrMissing, other},
		{"status 399", status, 399, nil, ours, smilesig.ErrMissing, other},
		{"status 600", status, 600, nil, ours, smilesig.ErrMissing, other},
		{"status 0", status, 0, nil, ours, smilesig.ErrMissing, other},
		{"status 600 with the pair in headers", aml, 600, headerPair(pair), "", smilesig.ErrMissing, other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := &answeringBase{status: tt.code, header: tt.header, body: newSpyBody(tt.body)}
			transport := &smilesig.Transport{Signer: signer, Base: base, ConfirmResponses: true}
			res, err := transport.RoundTrip(newRequest(t, "POST", smileID+tt.path, "", strings.NewReader("{}")))
			assert.Nil(t, res)
			require.ErrorIs(t, err, tt.want)
			assert.True(t, strings.HasPrefix(err.Error(), tt.want.Error()), err)
			assert.ErrorContains(t, err, tt.text)
			assert.ErrorContains(t, err, fmt.Sprintf("in the answer with status %d", tt.code))
			assert.NotContains(t, err.Error(), pair.Signature)
			assert.EqualValues(t, 1, base.body.closed.Load(), "the body is closed")
		})
	}
}

func TestAnAnswerThatCannotBeReadShowsItsCause(t *testing.T) {
	gaveUp := errors.New("the user gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	for _, tt := range []struct {
		name  string
		end   func(*net.TCPConn)
		cause error
		text  string
	}{
		{"a reset", func(c *net.TCPConn) { c.SetLinger(0) }, syscall.ECONNRESET, "connection reset by peer"},
		{"shorter than declared", func(*net.TCPConn) {}, io.ErrUnexpectedEOF, "unexpected EOF"},
		{"the end of the context", func(*net.TCPConn) { cancel(gaveUp); <-t.Context().Done() }, gaveUp, "the user gave up"},
	} {
		arrived := make(chan struct{}) // the head of the answer
		server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if !assert.NoError(t, err) {
				return
			}
			defer connection.Close()
			fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			<-arrived
			tt.end(connection.(*net.TCPConn))
		}))
		transport := signedClient(t, server).Transport.(*smilesig.Transport)
		base := transport.Base
		transport.ConfirmResponses = true
		transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			defer close(arrived)
			return base.RoundTrip(req)
		})
		_, err := transport.RoundTrip(newRequest(t, "POST", server.URL+"/v1/job_status", "", strings.NewReader("{}")).WithContext(ctx))
		assert.ErrorIs(t, err, tt.cause, tt.name)
		assert.ErrorContains(t, err, tt.text)
		assert.ErrorContains(t, err, "the answer with status 200")
		assert.Equal(t, "other", smilesig.Reason(err), "neither ErrMissing nor ErrSignature: %v", err)
	}
}

// A body fails once, and is at its end afterwards.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	for text, cause := range map[string]error{
		"cannot be read: unexpected EOF": io.ErrUnexpectedEOF,
		"context canceled":               context.Canceled, // by a Base with contexts of its own
		"context deadline exceeded":      context.DeadlineExceeded,
		"cannot be read, in":             errors.New("that may quote what was sent"),
	} {
		brokeOff := fmt.Errorf("made-up quotation: %w", cause)
		for _, path := range []string{"/v1/job_status", "/v2/verify"} {
			once := iotest.ErrReader(brokeOff)
			fails := readerFunc(func(p []byte) (int, error) {
				defer func() { once = strings.NewReader("") }()
				return once.Read(p)
			})
			base := &answeringBase{status: 200, body: &spyBody{Reader: io.MultiReader(strings.NewReader(`{"a":`), fails)}}
			transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Base: base, ConfirmResponses: true}
			res, err := transport.RoundTrip(newRequest(t, "POST", smileID+path, "", strings.NewReader("{}")))
			if path == "/v1/job_status" {
				assert.ErrorIs(t, err, brokeOff)
				assert.NotContains(t, err.Error(), "quotation")
				assert.NotContains(t, err.Error(), "quote")
				assert.ErrorContains(t, err, text)
				assert.Equal(t, "other", smilesig.Reason(err))
				continue
			}
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			assert.Equal(t, brokeOff, err, "the answer does not look whole")
			assert.Equal(t, `{"a":`, string(got))
		}
	}
}

func TestConfirmResponsesLeavesErrorsAlone(t *testing.T) {
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), ConfirmResponses: true}
	transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, io.ErrNoProgress })
	_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	assert.Equal(t, io.ErrNoProgress, err)

	transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	for _, target := range []string{jobStatus, smileID + "/v3/aml/sync"} {
		_, err = transport.RoundTrip(newRequest(t, "POST", target, "", strings.NewReader("{}")))
		assert.ErrorIs(t, err, smilesig.ErrMissing, "an answer without a body")
	}
	transport.Placement = func(*http.Request) smilesig.Placement { return smilesig.Unsigned }
	_, err = transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	assert.ErrorIs(t, err, smilesig.ErrMissing, "whatever the Placement")
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestConfirmResponsesThroughGzip(t *testing.T) {
	answer := signedBody(t, "")
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip") // net/http asks for it, too
		compressed := gzip.NewWriter(w)
		fmt.Fprint(compressed, answer)
		compressed.Close()
	}))
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).ConfirmResponses = true
	asks := http.Header{"Accept-Encoding": {"gzip"}}

	res := send(t, client, server.URL+"/v1/job_status", nil, strings.NewReader("{}"))
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, answer, string(got), "net/http's own gzip is transparent")
	assert.True(t, res.Uncompressed)

	req := newRequest(t, "POST", server.URL+"/v1/job_status", "application/json", strings.NewReader("{}"))
	maps.Copy(req.Header, asks)
	_, err = client.Do(req)
	assert.ErrorIs(t, err, smilesig.ErrMissing, "the caller asked for what cannot be read")

	res = send(t, client, server.URL+"/v2/verify", asks, strings.NewReader("{}"))
	plain, err := gzip.NewReader(res.Body)
	require.NoError(t, err)
	got, err = io.ReadAll(plain)
	require.NoError(t, err)
	assert.Equal(t, answer, string(got), "untouched")
}

// ConfirmResponses admits it: a confirmed answer proves as little as a callback.
func TestAServerCanReflectOurPair(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).ConfirmResponses = true
	answer, err := io.ReadAll(send(t, client, server.URL+"/v1/job_status", nil, strings.NewReader(`{"job_success":true}`)).Body)
	require.NoError(t, err)
	assert.Contains(t, string(answer), `"job_success":true`)
}

func TestConfirmResponsesOfV3(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	genuine := headerPair(newSigner(t, otherCredential).Sign(testTime.Add(-24 * time.Hour)))
	half := http.Header{"response-signature": {genuine.Get("Response-Signature")}}
	const aml, kyc, other, token = "/v3/aml/sync", "/v3/enhanced_kyc/sync", "/v3/enhanced_kyc", "/v3/token"
	for _, tt := range []struct {
		name   string
		path   string
		code   int
		header http.Header
		want   error
	}{
		{"signed", aml, 200, genuine, nil},
		{"signed, doubled slashes", "//v3//aml/sync/", 200, genuine, nil},
		{"forged", aml, 200, forgedHeaders, smilesig.ErrSignature},
		{"forged, enhanced KYC", kyc, 201, forgedHeaders, smilesig.ErrSignature},
		{"forged, HTTP 400", aml, 400, forgedHeaders, smilesig.ErrSignature},
		{"forged, asynchronous", other, 202, forgedHeaders, smilesig.ErrSignature},
		{"half", aml, 200, half, smilesig.ErrSignature},
		{"half, asynchronous", other, 202, half, smilesig.ErrSignature},
		{"forged, a token", token, 200, forgedHeaders, smilesig.ErrSignature},
		{"half, a token", "//v3/token/", 200, half, smilesig.ErrSignature},
		{"none", aml, 200, nil, smilesig.ErrMissing},
		{"none, enhanced KYC", kyc, 204, nil, smilesig.ErrMissing},
		{"302", aml, 302, genuine, smilesig.ErrMissing},
		{"308", kyc, 308, nil, smilesig.ErrMissing},
		{"none, HTTP 400", aml, 400, nil, nil},
		{"none, asynchronous", other, 202, nil, nil},
		{"a redirect, asynchronous", other, 307, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := &answeringBase{status: tt.code, header: maps.Clone(tt.header), body: newSpyBody("any body")}
			if base.header == nil {
				base.header = http.Header{}
			}
			base.header.Set("SmileID-Job-ID", "job_made_up")
			transport := &smilesig.Transport{Signer: signer, Base: base, ConfirmResponses: true}
			res, err := transport.RoundTrip(newRequest(t, "POST", smileID+tt.path, "multipart/form-data", strings.NewReader("{}")))
			if tt.want == nil {
				require.NoError(t, err)
				assert.Zero(t, base.body.reads.Load()+base.body.closed.Load(), "the body is the caller's")
				require.NoError(t, res.Body.Close())
				return
			}
			assert.Nil(t, res)
			assert.ErrorIs(t, err, tt.want)
			if strings.Contains(tt.path, token) {
				assert.NotContains(t, err.Error(), "billed", "a token is no job")
			} else {
				assert.ErrorContains(t, err, `do not repeat it, read the status of job "job_made_up"`)
			}
			assert.EqualValues(t, 1, base.body.closed.Load())
		})
	}
}

// ---- secrets of v3 ----

func TestNoRedirectTakesASecretElsewhere(t *testing.T) {
	var asked atomic.Int32
	elsewhere := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	var code int
	smile := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(code)
	}))
	client := signedClient(t, smile)
	for _, code = range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{"GET", "POST"} {
			for _, name := range []string{"SmileID-Token", "smileid-api-key", "SmileID-Request-Signature"} {
				req := newRequest(t, method, smile.URL+"/v3/enhanced_kyc", "", nil)
				req.Header.Set(name, "made up")
				_, err := client.Do(req)
				assert.ErrorIs(t, err, smilesig.ErrOrigin, "%d %s %s", code, method, name)
			}
		}
	}
	assert.Zero(t, asked.Load())
}

func TestNoRedirectTakesOurKeyElsewhere(t *testing.T) {
	requests := map[string][]http.Header{} // by server
	keeps := func(name string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { requests[name] = append(requests[name], r.Header) }
	}
	elsewhere, other := serve(t, keeps("elsewhere")), serve(t, keeps("other"))
	var location string
	var code int
	smile := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keeps("smile")(w, r)
		if r.URL.Path == "/v3/token" {
			w.Header().Set("Location", location)
			w.WriteHeader(code)
		}
	}))
	client := signedClient(t, smile, other)
	for _, code = range []int{301, 302, 303, 307, 308} {
		for _, location = range []string{elsewhere.URL, elsewhere.URL + "/v3/token", other.URL + "/v3/token", "/v3//token"} {
			res, err := client.Post(smile.URL+"/v3/token", "application/json", strings.NewReader(`{"payload":{}}`))
			if isUnlisted := strings.HasPrefix(location, elsewhere.URL); isUnlisted && code > 303 {
				assert.ErrorIs(t, err, smilesig.ErrOrigin, "%d %s", code, location)
				continue
			}
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			for r := res.Request; r != nil; r = r.Response.Request {
				assert.Empty(t, r.Header.Values("smileid-api-key"))
				if r.Response == nil {
					break
				}
			}
		}
	}
	assert.Len(t, requests["elsewhere"], 6, "GETs")
	assert.Len(t, requests["other"], 5)
	for _, header := range append(requests["elsewhere"], requests["other"]...) {
		assert.Empty(t, header.Values("smileid-api-key"))
	}
	withKey := 0
	for _, header := range requests["smile"] {
		withKey += len(header.Values("smileid-api-key"))
	}
	assert.Equal(t, 20, withKey, "the first request of each call")
	assert.Len(t, requests["smile"], 25, "and a redirect to the same server")
}

// ---- what else a caller may do ----

func TestAPanicOfTheCallersClosesTheBody(t *testing.T) {
	panics := func() time.Time { panic("clock") }
	for name, change := range map[string]func(*smilesig.Transport, *http.Request){
		"Placement": func(tr *smilesig.Transport, _ *http.Request) {
			tr.Placement = func(*http.Request) smilesig.Placement { panic("clock") }
		},
		"Now, in the body":    func(tr *smilesig.Transport, _ *http.Request) { tr.Now = panics },
		"Now, in the headers": func(tr *smilesig.Transport, r *http.Request) { tr.Now, r.URL.Path = panics, "/v2/smart-selfie-enroll" },
	} {
		transport, base := newTransport(t)
		body := newSpyBody("{}")
		req := newRequest(t, "POST", jobStatus, "", body)
		change(transport, req)
		assert.PanicsWithValue(t, "clock", func() { transport.RoundTrip(req) }, name)
		assert.EqualValues(t, 1, body.closed.Load(), name)
		assert.Empty(t, base.requests, name)
	}
}

func TestTrailersSurviveSigning(t *testing.T) {
	var got http.Header
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got = r.Trailer
	}))
	for _, path := range []string{"/v1/job_status", "/v2/smart-selfie-enroll"} {
		req := newRequest(t, "POST", server.URL+path, "", nil)
		req.Trailer = http.Header{"X-Digest": nil}
		end := readerFunc(func([]byte) (int, error) { req.Trailer.Set("X-Digest", "made up"); return 0, io.EOF })
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader("{}"), end))
		res, err := signedClient(t, server).Do(req)
		require.NoError(t, err)
		res.Body.Close()
		assert.Equal(t, http.Header{"X-Digest": {"made up"}}, got, path)
	}
}

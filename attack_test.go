package smilesig_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// What somebody tries who has the public documentation, and at times a genuine
// pair. What succeeds here is what the documentation admits.

func TestAnAttackerOnTheWire(t *testing.T) {
	pair := newSigner(t, testCredential).Sign(testTime)
	genuine := pairBody(pair, "")
	const post, forged = "POST / HTTP/1.1\r\nHost: x\r\n", "Response-Signature: x\r\nResponse-Timestamp: y\r\n"
	header := "Response-Signature: " + pair.Signature + "\r\nResponse-Timestamp: " + pair.Timestamp + "\r\n"
	sized := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	chunk := func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }
	const last, chunked = "0\r\n\r\n", "Transfer-Encoding: chunked\r\n"
	next := post + sized(genuine) // what is smuggled behind a request
	tests := []struct {
		name    string
		raw     string
		answers []int
		bodies  []string // that the handler gets
	}{
		{"genuine requests are served one after the other", post + sized(genuine) + next, []int{200, 200}, []string{genuine, genuine}},
		{"the body of a forged request is no request", post + forged + sized(next), []int{401}, nil},
		{"nothing is read behind a forged request", post + forged + chunked + "\r\n" + last + next, []int{401}, nil},
		{"nothing is read behind an encoded request", post + "Content-Encoding: gzip\r\n" + sized(next), []int{415}, nil},
		{"nothing is read behind a large request", post + "Content-Length: 5000000000\r\n\r\n" + next, []int{413}, nil},
		{"nothing is read behind broken chunks", post + header + chunked + "\r\n" + "zz\r\n" + next, []int{400}, nil},
		{"chunks count, a length beside them does not", post + chunked + "Content-Length: 4\r\n\r\n" + chunk(genuine) + last, []int{200}, []string{genuine}},
		{"two lengths", post + "Content-Length: 2\r\n" + sized(genuine), []int{400}, nil},
		{"HTTP/1.0", "POST / HTTP/1.0\r\n" + sized(genuine), []int{200}, []string{genuine}},
		{"HTTP/1.0 without a length has no body", "POST / HTTP/1.0\r\n\r\n" + genuine, []int{400}, nil},
		{"a signature folded in two", post + strings.Replace(header, pair.Signature[:20], pair.Signature[:20]+"\r\n ", 1) + sized("{}"), []int{401}, nil},
		{"underscores for dashes", post + strings.ReplaceAll(strings.ReplaceAll(header, "Response-S", "Response_S"), "Response-T", "Response_T") + sized("{}"), []int{401}, nil},
		{"a pair in the trailers", post + chunked + "Trailer: Response-Signature, Response-Timestamp\r\n\r\n" + chunk("{}") + "0\r\n" + header + "\r\n", []int{401}, nil},
		{"a forged pair in the trailers beside a genuine body", post + chunked + "Trailer: Response-Signature, Response-Timestamp\r\n\r\n" + chunk(genuine) + "0\r\n" + forged + "\r\n", []int{200}, []string{genuine}},
		{"the pair in the query", "POST /?signature=" + pair.Signature + "&timestamp=" + pair.Timestamp + " HTTP/1.1\r\nHost: x\r\n" + sized("{}"), []int{401}, nil},
		{"the headers of a request of ours", post + strings.ReplaceAll(strings.ReplaceAll(header, "Response-S", "SmileID-Request-S"), "Response-T", "SmileID-T") + sized("{}"), []int{401}, nil},
		{"a forged request is not asked for its body", post + forged + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", []int{401}, nil},
		{"a large request is not asked for its body", post + "Expect: 100-continue\r\nContent-Length: 5000000000\r\n\r\n", []int{413}, nil},
		{"a genuine request is asked for its body", post + header + "Expect: 100-continue\r\n" + sized("{}"), []int{100, 200}, []string{"{}"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, spy := newVerifier(t), new(spyHandler)
			v.OnReject = quiet
			server := httptest.NewServer(v.Handler(spy))
			connection, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer connection.Close()
			_, err = io.WriteString(connection, tt.raw)
			require.NoError(t, err)
			_ = connection.(*net.TCPConn).CloseWrite() // the server may be gone already
			var answers []int
			for r := bufio.NewReader(connection); ; {
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					break
				}
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				answers = append(answers, res.StatusCode)
			}
			connection.Close()
			server.Close()
			assert.Equal(t, tt.answers, answers)
			assert.Equal(t, tt.bodies, spy.bodies)
		})
	}
}

func TestForgedHeadersOverHTTP2AreRefusedBeforeTheBodyIsRead(t *testing.T) {
	v, spy := newVerifier(t), new(spyHandler)
	v.OnReject = quiet
	server := httptest.NewUnstartedServer(v.Handler(spy))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for range 100 {
		endless, writer := io.Pipe()
		req := newRequest(t, "POST", server.URL, "", endless)
		req.Header = headerPair(smilesig.Pair{Timestamp: "x", Signature: "y"})
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		assert.Equal(t, 401, res.StatusCode)
		assert.Equal(t, 2, res.ProtoMajor)
		res.Body.Close()
		writer.Close()
	}
	assert.Empty(t, spy.bodies)
}

func TestAFloodOfHeadersIsRefused(t *testing.T) {
	v := newVerifier(t)
	pair := v.Signer.Sign(testTime)
	cases := http.Header{}
	for i := range 4000 { // every way to write the first twelve letters
		name := []byte("response-signature")
		for bit, at := range []int{0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12} {
			if i>>bit&1 == 1 {
				name[at] -= 'a' - 'A'
			}
		}
		cases[string(name)] = []string{pair.Signature}
	}
	huge := strings.Repeat("A", 1<<20)
	for name, tt := range map[string]struct {
		header http.Header
		want   error
	}{
		"4,000 ways to write one name": {cases, smilesig.ErrMalformed},
		"10,000 signatures":            {http.Header{"Response-Signature": make([]string, 10_000)}, smilesig.ErrMalformed},
		"a signature of 1 MB":          {headerPair(smilesig.Pair{Timestamp: pair.Timestamp, Signature: huge}), smilesig.ErrSignature},
		"a timestamp of 1 MB":          {headerPair(smilesig.Pair{Timestamp: huge, Signature: pair.Signature}), smilesig.ErrSignature},
		"two signatures in one value":  {headerPair(smilesig.Pair{Timestamp: pair.Timestamp, Signature: pair.Signature + ", " + pair.Signature}), smilesig.ErrSignature},
	} {
		_, err := v.Verify(t.Context(), tt.header, []byte(pairBody(pair, "")))
		assert.ErrorIs(t, err, tt.want, name)
	}
}

func TestSlowBodiesLeaveNothingBehind(t *testing.T) {
	const senders = 300
	v := newVerifier(t)
	v.OnReject = quiet
	var waiting atomic.Int32
	handler := v.Handler(new(spyHandler))
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		waiting.Add(1)
		defer waiting.Add(-1)
		handler.ServeHTTP(w, r)
	}))
	goroutines := runtime.NumGoroutine()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	var connections []net.Conn
	for range senders {
		connection, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer connection.Close()
		_, err = fmt.Fprintf(connection, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", smilesig.DefaultMaxBytes)
		require.NoError(t, err)
		connections = append(connections, connection)
	}
	await := func(done func() bool) { t.Helper(); require.Eventually(t, done, 20*time.Second, 5*time.Millisecond) }
	await(func() bool { return waiting.Load() == senders })
	runtime.ReadMemStats(&during)
	assert.Less(t, during.TotalAlloc-before.TotalAlloc, uint64(senders*smilesig.DefaultMaxBytes/10), "declaring costs us little")

	assert.Equal(t, 200, post(t, server.URL, nil, strings.NewReader(signedBody(t, ""))).StatusCode, "others are served meanwhile")
	for _, connection := range connections {
		connection.Close()
	}
	await(func() bool { return waiting.Load() == 0 })
	await(func() bool { return runtime.NumGoroutine() <= goroutines+20 })
}

// A guard with room for one pair tells of every pair that an attempt leaves in it:
// the next one is refused with ErrGuard.
func TestAGuardIsNeitherFilledNorPassedBy(t *testing.T) {
	v := newVerifier(t)
	v.Guard = &smilesig.MemoryGuard{Limit: 1}
	pair := v.Signer.Sign(testTime)
	body := pairBody(pair, "")
	attempt := func(header http.Header, body string) error {
		_, err := v.Verify(t.Context(), header, []byte(body))
		return err
	}
	refused := func(name string, want error, header http.Header, body string) {
		t.Helper()
		assert.ErrorIs(t, attempt(header, body), want, name)
	}

	refused("forged", smilesig.ErrSignature, nil, pairBody(newSigner(t, otherCredential).Sign(testTime), ""))
	refused("our key, another partner", smilesig.ErrSignature, nil, pairBody(newSigner(t, smilesig.Credential{PartnerID: "85", APIKey: testCredential.APIKey}).Sign(testTime), ""))
	refused("stale", smilesig.ErrStale, nil, pairBody(v.Signer.Sign(testTime.Add(-time.Hour)), ""))
	refused("future", smilesig.ErrFuture, headerPair(v.Signer.Sign(testTime.Add(time.Hour))), "{}")
	refused("twice", smilesig.ErrMalformed, nil, pairBody(v.Signer.Sign(testTime.Add(1)), `,"signature":""`))
	refused("half", smilesig.ErrMissing, http.Header{"Response-Signature": {pair.Signature}}, body)
	require.NoError(t, attempt(nil, body), "there is room")

	refused("reformatted", smilesig.ErrReplayed, nil, body+" ")
	refused("in the headers", smilesig.ErrReplayed, headerPair(pair), "{}")
	refused("in odd headers", smilesig.ErrReplayed, http.Header{"rESPONSE-sIGNATURE": {pair.Signature}, "response-TIMESTAMP": {pair.Timestamp}}, "{}")
	refused("in another order", smilesig.ErrReplayed, nil, fmt.Sprintf(`{"timestamp":%q,"signature":%q}`, pair.Timestamp, pair.Signature))
	refused("escaped", smilesig.ErrReplayed, nil, strings.NewReplacer("signature", `\u0073ignature`, "2024", `\u0032024`).Replace(body))
	for _, timestamp := range []string{
		"2024-01-02T03:04:05.678", "2024-01-02T03:04:05.6780Z", "2024-01-02T03:04:05.678+00:00", "2024-01-02T04:04:05.678+0100",
		"2024-01-02T03:04:05.678z", "2024-01-02t03:04:05.678Z", " 2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.678Z\n", "1704164645678",
	} {
		refused(timestamp, smilesig.ErrSignature, nil, pairBody(smilesig.Pair{Timestamp: timestamp, Signature: pair.Signature}, ""))
	}
	for name, signature := range corruptions(pair.Signature) {
		refused(name, smilesig.ErrSignature, headerPair(smilesig.Pair{Timestamp: pair.Timestamp, Signature: signature}), "{}")
	}
	assert.NoError(t, attempt(nil, body), "the first body is still welcome")
	refused("a second pair: it is full indeed", smilesig.ErrGuard, headerPair(v.Signer.Sign(testTime.Add(time.Millisecond))), "{}")
}

// With one key for 085 and 85, the 0 may belong to the partner or to a timestamp
// without zone: the same signature serves for both, and is one pair to the guard.
func TestAPairRelabelledForAnotherPartnerIsTheSamePair(t *testing.T) {
	signer := newSigner(t, smilesig.Credential{PartnerID: "085", APIKey: "k"}, smilesig.Credential{PartnerID: "85", APIKey: "k"})
	pair, err := signer.SignTimestamp("2024-01-02T03:04:05.678")
	require.NoError(t, err)
	relabelled := smilesig.Pair{Timestamp: pair.Timestamp + "0", Signature: pair.Signature}
	v := &smilesig.Verifier{Signer: signer, Now: at(testTime), Guard: &smilesig.MemoryGuard{Limit: 1}}
	first, err := v.Verify(t.Context(), headerPair(pair), []byte("{}"))
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), headerPair(relabelled), []byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, []any{"085", "85", true}, []any{first.PartnerID, second.PartnerID, second.SeenBefore})
	_, err = v.Verify(t.Context(), headerPair(relabelled), []byte(`{"a":1}`))
	assert.ErrorIs(t, err, smilesig.ErrReplayed)
}

// The package documentation admits it: the pair of a request of ours serves for a
// callback. With a guard, for one body.
func TestThePairOfARequestServesForOneCallback(t *testing.T) {
	transport, base := newTransport(t)
	_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	require.NoError(t, err)
	seen := decode(t, []byte(base.bodies[0]))
	stolen := headerPair(smilesig.Pair{Timestamp: seen["timestamp"].(string), Signature: seen["signature"].(string)})
	for _, guard := range []smilesig.ReplayGuard{nil, new(smilesig.MemoryGuard)} {
		v := newVerifier(t)
		v.Guard = guard
		_, err = v.Verify(t.Context(), stolen, []byte(`{"ResultCode":"1012"}`))
		assert.NoError(t, err)
		_, err = v.Verify(t.Context(), stolen, []byte(`{"ResultCode":"1013"}`))
		assert.Equal(t, guard != nil, errors.Is(err, smilesig.ErrReplayed), err)
	}
}

// ConfirmResponses admits it: a confirmed answer proves as little as a callback.
func TestAServerCanReflectOurPair(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).ConfirmResponses = true
	res, err := client.Post(server.URL+"/v1/job_status", "application/json", strings.NewReader(`{"job_success":true}`))
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Contains(t, string(answer), `"job_success":true`)
}

func TestOddRequestsAreSignedOrRefusedAsDocumented(t *testing.T) {
	const isJSON = "application/json"
	const body, header, untouched, refused = "signed in the body", "signed in the headers", "untouched", "refused"
	for _, tt := range []struct{ method, path, contentType, want string }{
		{"POST", "//v1///token//", isJSON, body},
		{"POST", "/v1%2ftoken", isJSON, body},
		{"POST", "/v3/..%2f..%2f../v1/token", isJSON, body},
		{"POST", "/v1/../v3/token", isJSON, untouched}, // v3 takes a token
		{"POST", "/v1/auth_smile/../token", isJSON, body},
		{"POST", "/v1/auth_smile;x=1", isJSON, body},
		{"POST", "/v1/AUTH_SMILE", isJSON, body},
		{"POST", "/v1/token;jsessionid=1", isJSON, body},
		{"POST", "/V1/token", isJSON, untouched}, // no path of Smile ID's
		{"POST", "/v2/smart-selfie-enroll/", "multipart/form-data", header},
		{"POST", "/v1/smile_links/../../v2/smart-selfie-enroll", isJSON, header},
		{"CONNECT", "/v1/token", isJSON, body},
		{"QUERY", "/v1/unknown", "", body},
		{"POST", "/v1/token", "application/json\r\n", body},
		{"POST", "/v1/token", "text/plain;application/json", refused},
		{"POST", "/v1/unknown", "text/plain", untouched},
		{"HEAD", "/v1/token", isJSON, untouched},
		{"get", "/v1/token", isJSON, body},
	} {
		transport, base := newTransport(t)
		_, err := transport.RoundTrip(newRequest(t, tt.method, "https://api.smileidentity.com"+tt.path, tt.contentType, strings.NewReader(`{"a":1}`)))
		got := refused
		switch {
		case err != nil:
			assert.ErrorIs(t, err, smilesig.ErrMalformed, tt)
		case strings.Contains(base.bodies[0], `"signature"`):
			got = body
		case base.requests[0].Header.Get("SmileID-Request-Signature") != "":
			got = header
		default:
			got = untouched
		}
		assert.Equal(t, tt.want, got, tt)
	}
}

func TestABodyThatLiesAboutItsLengthIsRefused(t *testing.T) {
	endless := readerFunc(func(p []byte) (int, error) { return copy(p, strings.Repeat(" ", len(p))), nil })
	for declared, body := range map[int64]io.Reader{math.MaxInt64: strings.NewReader("{}"), 1 << 20: endless} {
		transport, base := newTransport(t)
		req := newRequest(t, "POST", jobStatus, "", body)
		req.ContentLength = declared
		_, err := transport.RoundTrip(req)
		assert.ErrorIs(t, err, smilesig.ErrMalformed, declared)
		assert.Empty(t, base.requests)
	}
}

func TestNoRedirectTakesTheBodyOrThePairElsewhere(t *testing.T) {
	var leaked atomic.Value // what the other server got of us
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		leaked.Store(fmt.Sprint(r.Method, " ", string(body), r.Header.Get("SmileID-Request-Signature"), r.Header.Get("SmileID-Partner-ID")))
	}))
	evil := strings.TrimPrefix(elsewhere.URL, "http://")
	var location string
	var code int
	second := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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

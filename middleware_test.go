package smilesig_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
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

// What an endpoint must refuse and accept stands in vectors/negative.json. Here
// is how the Handler does it.

var forgedHeaders = headerPair(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: "x"})

func TestHandlerPassesTheBodyOnToTheByte(t *testing.T) {
	v, spy := newVerifier(t), new(spyHandler)
	pair := v.Signer.Sign(testTime)
	inBody := " " + pairBody(pair, `,"n":9007199254740993,"s":"\u00e9<>"`) + "\n"
	for _, server := range []*httptest.Server{serve(t, v.Handler(spy)), serveHTTP2(t, v.Handler(spy))} {
		for _, tt := range []struct {
			header http.Header
			body   io.Reader
			want   string
			in     smilesig.Placement
		}{
			{nil, strings.NewReader(inBody), inBody, smilesig.InBody},
			{nil, onlyReader{strings.NewReader(inBody)}, inBody, smilesig.InBody}, // of unknown length
			{headerPair(pair), strings.NewReader("\n{ }"), "\n{ }", smilesig.InHeader},
		} {
			*spy = spyHandler{}
			req := newRequest(t, "POST", server.URL, "application/json", tt.body)
			maps.Copy(req.Header, tt.header)
			res, err := server.Client().Do(req)
			require.NoError(t, err)
			res.Body.Close()
			assert.Equal(t, 200, res.StatusCode)
			assert.Equal(t, []string{tt.want}, spy.bodies, res.Proto)
			assert.Equal(t, tt.in, spy.callbacks[0].Placement)
		}
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
	at := func(r *http.Request) { r.URL.Path = "/unguessable" }
	deliver(handler, strings.NewReader(pairBody(pair, `,"IDNumber":"00000000000"`)), at)
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line")
	assert.Equal(t, "WARN", decode(t, log.Bytes())["level"])
	assert.Contains(t, log.String(), `"status":401,"reason":"stale","error":"smilesig: stale: 1h0m0s old, limit 15m0s"`)
	assertNoSecrets(t, log.String(), pair)
	assert.NotContains(t, log.String(), "00000000000")
	assert.NotContains(t, log.String(), "unguessable")

	log.Reset()
	deliver(handler, strings.NewReader(signedBody(t, "")), at)
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
		assert.Equal(t, want == 401, res.Header.Get("WWW-Authenticate") == "SmileID", returned)
	}
}

func TestHandlerPanicsAtOnceWhereTheVerifierCannotWork(t *testing.T) {
	signer := newSigner(t, testCredential)
	for name, v := range map[string]*smilesig.Verifier{
		"no Signer":         {},
		"no credential":     {Signer: new(smilesig.Signer)},
		"negative MaxAge":   {Signer: signer, MaxAge: -1},
		"negative MaxSkew":  {Signer: signer, MaxSkew: -1},
		"negative MaxBytes": {Signer: signer, MaxBytes: -1},
		"a nil guard":       {Signer: signer, Guard: (*smilesig.MemoryGuard)(nil)},
	} {
		_, err := v.Verify(t.Context(), "/callbacks", http.Header{"Content-Encoding": {"gzip"}}, []byte(signedBody(t, "")))
		assert.ErrorIs(t, err, smilesig.ErrConfig, name)
		assert.PanicsWithError(t, err.Error(), func() { v.Handler(new(spyHandler)) }, name)
	}
	assert.Panics(t, func() { newVerifier(t).Handler(nil) })
}

func TestOnRejectGetsTheBodyAsFarAsItWasRead(t *testing.T) {
	stale := pairBody(newSigner(t, testCredential).Sign(testTime.Add(-time.Hour)), "")
	long := stale + strings.Repeat(" ", 1000)
	for _, tt := range []struct {
		name   string
		header http.Header
		body   io.Reader
		want   string
	}{
		{"refused after reading", nil, strings.NewReader(stale), stale},
		{"forged header pair", forgedHeaders, strings.NewReader(stale), ""},
		{"declared too long", nil, strings.NewReader(long), ""},
		{"turned out too long", nil, onlyReader{strings.NewReader(long)}, long[:500]},
	} {
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
				assert.NoError(t, r.Context().Err(), "OnReject has time")
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

// ---- reading the body ----

func TestForgedHeadersAreRefusedBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	v, spy := newVerifier(t), new(spyHandler)
	v.OnReject = quiet
	for _, server := range []*httptest.Server{serve(t, v.Handler(spy)), serveHTTP2(t, v.Handler(spy))} {
		endless, writer := io.Pipe() // not a byte is sent, the answer comes all the same
		req := newRequest(t, "POST", server.URL, "", endless)
		req.Header = forgedHeaders
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		assert.Equal(t, 401, res.StatusCode, res.Proto)
		assert.Equal(t, res.ProtoMajor == 1, res.Close, "HTTP/2 keeps the connection")
		res.Body.Close()
		writer.Close()
	}
	body := newSpyBody("{}")
	w := deliver(v.Handler(spy), body, func(r *http.Request) { r.Header, r.ProtoMajor = forgedHeaders, 2 })
	assert.Empty(t, w.Header().Get("Connection"), "HTTP/2 has no such header")
	assert.Zero(t, body.reads.Load())
	assert.Empty(t, spy.bodies)
}

// The sender writes its whole body before it reads, as nginx does, and the answer
// arrives all the same.
func TestRefusalsArriveWhileTheSenderWrites(t *testing.T) {
	t.Parallel()
	const http10, http11 = "POST / HTTP/1.0\r\n", "POST / HTTP/1.1\r\nHost: x\r\n"
	const forged, encoded = "Response-Signature: x\r\nResponse-Timestamp: y\r\n", "Content-Encoding: gzip\r\n"
	declared := func(size int) string {
		const part = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"
		return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, part+strings.Repeat(" ", size-len(part)))
	}
	chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 900_000, strings.Repeat(" ", 900_000))
	v := newVerifier(t)
	v.MaxBytes = 800_000
	v.OnReject = func(r *http.Request, _ error) int {
		assert.NoError(t, r.Context().Err())
		return 0
	}
	form := func(version string) string {
		return "POST /form " + version + "\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
	}
	handler := v.Handler(new(spyHandler))
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/form" { // something in front parses it, and leaves what follows the last part
			r.ParseMultipartForm(1 << 20)
		}
		handler.ServeHTTP(w, r)
	}))
	for raw, want := range map[string]int{
		http10 + forged + declared(800_000):                                      401,
		http11 + forged + declared(800_000):                                      401,
		http10 + declared(900_000):                                               413,
		http11 + declared(900_000):                                               413,
		http11 + chunked:                                                         413,
		http10 + encoded + declared(900_000):                                     415,
		http11 + encoded + declared(900_000):                                     415,
		http11 + forged + "Content-Length: 1000\r\n\r\n":                         401, // and nothing comes
		http11 + forged + "Transfer-Encoding: chunked\r\n\r\n":                   401,
		http11 + "Expect: 100-continue\r\n" + chunked:                            413,
		form("HTTP/1.0") + declared(700_000):                                     400,
		form("HTTP/1.1") + declared(700_000):                                     400,
		http11 + forged + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n": 401,
	} {
		t.Run(strings.ReplaceAll(raw[:min(len(raw), 100)], "\r\n", " "), func(t *testing.T) {
			t.Parallel()
			for range 6 {
				connection, err := net.Dial("tcp", server.Listener.Addr().String())
				require.NoError(t, err)
				_, err = io.WriteString(connection, raw)
				require.NoError(t, err)
				require.NoError(t, connection.SetReadDeadline(time.Now().Add(20*time.Second)))
				answer, err := io.ReadAll(connection) // the server closes it
				assert.NoError(t, err)
				assert.Regexp(t, fmt.Sprintf("^(HTTP/1.1 100 Continue\r\n\r\n)?HTTP/1.[01] %d ", want), string(answer))
				connection.Close()
				if len(raw) < 1000 {
					break // it takes a second
				}
			}
		})
	}
}

func TestHandlerLimitsABodyOfUnknownLength(t *testing.T) {
	genuine := signedBody(t, "")
	v := newVerifier(t)
	v.MaxBytes, v.OnReject = 1000, quiet
	server := serve(t, v.Handler(new(spyHandler)))
	padded := func(length int) io.Reader {
		return onlyReader{strings.NewReader(genuine + strings.Repeat(" ", length-len(genuine)))}
	}
	assert.Equal(t, 200, post(t, server.URL, nil, padded(1000)).StatusCode)
	assert.Equal(t, 413, post(t, server.URL, nil, padded(1001)).StatusCode)
	unknown := func(r *http.Request) { r.ContentLength, r.ProtoMajor = -1, 2 }
	endless := readerFunc(func(p []byte) (int, error) { return copy(p, strings.Repeat(" ", len(p))), nil })
	assert.Equal(t, 413, deliver(v.Handler(new(spyHandler)), io.MultiReader(strings.NewReader(genuine), endless), unknown).Code)

	around := serve(t, http.MaxBytesHandler(v.Handler(new(spyHandler)), 100))
	assert.Equal(t, 413, post(t, around.URL, nil, padded(900)).StatusCode, "a limit around us")
	v.MaxBytes = 1<<63 - 1
	assert.Equal(t, 200, post(t, server.URL, nil, padded(1001)).StatusCode, "no limit")
}

func TestALengthOfZeroMayBeUnknown(t *testing.T) {
	body, spy := signedBody(t, ""), new(spyHandler)
	for _, length := range []int64{0, -1} { // as when something around us has put another body in
		w := deliver(newVerifier(t).Handler(spy), strings.NewReader(body), func(r *http.Request) {
			if r.ContentLength = length; length < 0 {
				r.Header.Set("Content-Length", "9")
			}
		})
		assert.Equal(t, 200, w.Code)
	}
	assert.Equal(t, []string{body, body}, spy.bodies)
}

func TestHandlerRefusesABodyCutShort(t *testing.T) {
	v := newVerifier(t)
	var rejected error
	v.OnReject = func(_ *http.Request, err error) int { rejected = err; return 0 }
	for name, tt := range map[string]struct {
		header   http.Header
		body     io.Reader
		declared int64
		cause    error
	}{
		"it breaks off":                      {nil, io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(io.ErrUnexpectedEOF)), -1, io.ErrUnexpectedEOF},
		"it breaks off, header pair":         {headerPair(v.Signer.Sign(testTime)), iotest.ErrReader(io.ErrUnexpectedEOF), -1, io.ErrUnexpectedEOF},
		"it is shorter than its header says": {http.Header{"Content-Length": {"1000"}}, strings.NewReader(signedBody(t, "")), 1000, smilesig.ErrMalformed},
		"it was put in, against its header":  {http.Header{"Content-Length": {"0"}}, strings.NewReader(signedBody(t, "")), 0, smilesig.ErrMalformed},
		"it was drained in front":            {http.Header{"Content-Length": {"9"}}, strings.NewReader(""), 9, smilesig.ErrMalformed},
		"it was drained, of unknown length":  {headerPair(v.Signer.Sign(testTime)), strings.NewReader(""), -1, smilesig.ErrMalformed},
		"it was closed in front":             {nil, iotest.ErrReader(http.ErrBodyReadAfterClose), 9, smilesig.ErrMalformed},
		"there is none":                      {http.Header{"Content-Length": {"9"}}, nil, 9, smilesig.ErrMalformed},
	} {
		w := deliver(v.Handler(new(spyHandler)), tt.body, func(r *http.Request) {
			maps.Copy(r.Header, tt.header)
			if r.ContentLength = tt.declared; tt.body == nil {
				r.Body = nil
			}
		})
		assert.Equal(t, 400, w.Code, name)
		assert.ErrorIs(t, rejected, smilesig.ErrMalformed, name)
		assert.ErrorIs(t, rejected, tt.cause, name)
		if tt.cause == io.ErrUnexpectedEOF {
			assert.Empty(t, w.Header().Get("Connection"), "%s: a body that fails is not read again", name)
		} else {
			assert.ErrorContains(t, rejected, "something in front", name)
		}
	}
}

// A pool that keeps the buffer of the largest body would hold its memory for ever.
func TestTheBufferOfAHugeBodyIsNotKept(t *testing.T) {
	skipUnderRaceDetector(t)
	const size = 3 * smilesig.DefaultMaxBytes
	v := newVerifier(t)
	v.MaxBytes = 2 * size
	handler := v.Handler(new(spyHandler))
	allocated := func() uint64 {
		body := strings.NewReader(signedBody(t, strings.Repeat(" ", size)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		assert.Equal(t, 200, deliver(handler, body).Code)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	first := allocated()
	assert.Greater(t, allocated(), first*9/10)
}

// fmt looks at a mutex beside those who lock it, as with every struct that has one. It
// must not walk a map that others write, because that ends the process.
func TestPrintingAVerifierBesideItsCallbacks(t *testing.T) {
	skipUnderRaceDetector(t)
	v := &smilesig.Verifier{Signer: newSigner(t, testCredential), Guard: new(smilesig.MemoryGuard)}
	own := &smilesig.Verifier{Signer: v.Signer}
	var all sync.WaitGroup
	for _, v := range []*smilesig.Verifier{v, own} {
		_, err := v.Verify(t.Context(), "/callbacks", headerPair(v.Signer.Sign(time.Now())), []byte("{}"))
		require.NoError(t, err)
		all.Go(func() {
			for i := range 500 {
				pair := v.Signer.Sign(time.Now().Add(-time.Duration(1+i) * time.Minute / 60))
				_, err := v.Verify(t.Context(), "/callbacks", headerPair(pair), []byte("{}"))
				assert.NoError(t, err)
			}
		})
		all.Go(func() {
			for range 50 {
				assert.Less(t, len(fmt.Sprintf("%v %+v %#v", v, v, v)), 3000)
			}
		})
	}
	all.Go(func() {
		for range 50 {
			assert.Less(t, len(fmt.Sprintf("%v %+v %#v", v.Guard, v.Guard, v.Guard)), 3000)
		}
	})
	all.Wait()
}

func TestPrintingShowsNoBody(t *testing.T) {
	const secret = "IDNumber 00000000000"
	type key struct{}
	printed := func(r *http.Request) (all string) {
		child, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, "v"))
		defer cancel()
		holder := struct {
			R    *http.Request
			r    *http.Request
			ctx  context.Context
			body io.ReadCloser
		}{r, r, child, r.Body}
		for _, what := range []any{r, *r, r.Body, r.Context(), child, holder, &holder, []any{r, r.Body, child}} {
			for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
				for _, flags := range []string{"%", "%+", "%#", "% ", "%#+"} {
					all += fmt.Sprintf(flags+string(verb), what) + "\n"
				}
			}
		}
		return all
	}
	v := newVerifier(t)
	var accepted, rejected string
	v.OnReject = func(r *http.Request, _ error) int { rejected = printed(r); return 0 }
	handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 3))
		accepted = printed(r)
	}))
	deliver(handler, strings.NewReader(signedBody(t, `,"a":"`+secret+`"`)))
	deliver(handler, strings.NewReader(`{"a":"`+secret+`"}`))
	for _, all := range []string{accepted, rejected} {
		require.NotEmpty(t, all)
		decimal := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
		for _, hidden := range []string{
			secret, decimal, strings.ReplaceAll(decimal, " ", ", "), v.Signer.Sign(testTime).Signature,
			fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret), fmt.Sprintf("%#v", []byte(secret))[8:60],
		} {
			assert.False(t, strings.Contains(all, hidden), hidden)
		}
	}
}

func TestHandlerTakesABodyThatWasInflatedInFront(t *testing.T) {
	w := deliver(newVerifier(t).Handler(new(spyHandler)), strings.NewReader(signedBody(t, "")), func(r *http.Request) {
		r.ContentLength = 10 // of the compressed body; what inflates it deletes the header
	})
	assert.Equal(t, 200, w.Code)
}

func TestHandlerRefusesAFormThatWasParsedInFront(t *testing.T) {
	v := newVerifier(t)
	var rejected error
	v.OnReject = func(_ *http.Request, err error) int { rejected = err; return 0 }
	for name, tt := range map[string]struct {
		contentType, body string
		parse             func(*http.Request)
	}{
		"a form":                   {"application/x-www-form-urlencoded", "ResultCode=0810", func(r *http.Request) { r.ParseForm() }},
		"a multipart form":         {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n", func(r *http.Request) { r.ParseMultipartForm(1 << 20) }},
		"a multipart form in part": {"multipart/form-data; boundary=x", "--x--\r\n", func(r *http.Request) { r.MultipartReader() }},
	} {
		w := deliver(v.Handler(new(spyHandler)), strings.NewReader(tt.body), func(r *http.Request) {
			maps.Copy(r.Header, headerPair(v.Signer.Sign(testTime)))
			r.Header.Set("Content-Type", tt.contentType)
			tt.parse(r)
		})
		assert.Equal(t, 400, w.Code, name)
		assert.ErrorIs(t, rejected, smilesig.ErrMalformed, name)
		assert.ErrorContains(t, rejected, "something in front", name)
	}
	w := deliver(v.Handler(new(spyHandler)), strings.NewReader(signedBody(t, "")), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
		r.FormValue("a")
	})
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
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %q", err, err, err, err), "IDNumber")
}

// ---- what the handler gets ----

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
		deliver(handler, strings.NewReader(signedBody(t, "")))
	}
	for _, r := range kept {
		n, err := r.Body.Read(make([]byte, 100))
		assert.Zero(t, n)
		assert.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	}
}

func TestABodyThatTheHandlerClosesReadsNoMore(t *testing.T) {
	deliver(newVerifier(t).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.Body.Close())
		_, err := io.ReadAll(r.Body)
		assert.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	})), strings.NewReader(signedBody(t, "")))
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
				deliver(handler, strings.NewReader(signedBody(t, own)), func(r *http.Request) { r.Header.Set("Own", own) })
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
	mux.Handle("/flush", v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NotNil(t, r.Context().Value(http.ServerContextKey))
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
	_, err := http.DefaultClient.Do(newRequest(t, "POST", server.URL+"/panic", "", strings.NewReader(signedBody(t, ""))))
	assert.ErrorIs(t, err, io.EOF, "the server closes the connection")
	assert.Equal(t, 200, post(t, server.URL+"/flush", nil, strings.NewReader(signedBody(t, ""))).StatusCode)
	assert.Equal(t, 299, post(t, server.URL+"/hijack", nil, strings.NewReader(signedBody(t, ""))).StatusCode)
}

func TestContext(t *testing.T) {
	_, ok := smilesig.FromContext(t.Context())
	assert.False(t, ok)
	want := smilesig.Callback{PartnerID: "085"}
	got, ok := smilesig.FromContext(smilesig.NewContext(t.Context(), want))
	assert.True(t, ok)
	assert.Equal(t, want, got)
}

// They are the callback, its context, the body and, of a pair in the body, its two
// halves. The guard adds none for a new pair, apart from its own growth.
func TestHandlerAllocatesFiveThingsBesideTheCopyOfTheRequest(t *testing.T) {
	skipUnderRaceDetector(t)
	const runs = 100
	var cb smilesig.Callback
	var passed *http.Request
	signer := newSigner(t, testCredential)
	for _, inHeader := range []bool{false, true} {
		for _, size := range []int{0, 4 << 10, 1 << 20} {
			verifier := newVerifier(t)
			verifier.Guard = nil
			handler := verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				passed = r
				cb, _ = smilesig.FromContext(r.Context())
			}))
			content := []byte(signedBody(t, `,"a":"`+strings.Repeat("a", size)+`"`))
			body, w := bytes.NewReader(nil), httptest.NewRecorder()
			r := httptest.NewRequest("POST", "/", io.NopCloser(body))
			if inHeader {
				r.Header = http.Header{"Response-Signature": {""}, "Response-Timestamp": {""}}
			}
			var pairs []smilesig.Pair
			for i := range runs + 1 {
				pairs = append(pairs, signer.Sign(testTime.Add(-time.Duration(i)*time.Millisecond)))
			}
			got := testing.AllocsPerRun(runs, func() {
				pair := pairs[0]
				pairs = pairs[1:]
				if inHeader {
					r.Header["Response-Signature"][0], r.Header["Response-Timestamp"][0] = pair.Signature, pair.Timestamp
				} else {
					copy(content[len(`{"signature":"`):], pair.Signature)
					copy(content[len(`{"signature":"","timestamp":"`)+len(pair.Signature):], pair.Timestamp)
				}
				body.Reset(content)
				handler.ServeHTTP(w, r)
			})
			require.Equal(t, 200, w.Code)
			assert.False(t, cb.SeenBefore)
			copied := testing.AllocsPerRun(runs, func() { passed = r.WithContext(t.Context()) })
			assert.LessOrEqual(t, got-copied, 5.0, "in header: %v, %d bytes", inHeader, size)
			assert.NotNil(t, passed)
		}
	}
}

// ---- an attacker who has the public documentation, and at times a genuine pair ----

func TestAnAttackerOnTheWire(t *testing.T) {
	pair := newSigner(t, testCredential).Sign(testTime)
	genuine := pairBody(pair, "")
	const post, forged = "POST / HTTP/1.1\r\nHost: x\r\n", "Response-Signature: x\r\nResponse-Timestamp: y\r\n"
	header := "Response-Signature: " + pair.Signature + "\r\nResponse-Timestamp: " + pair.Timestamp + "\r\n"
	sized := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	chunk := func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }
	const last, chunked = "0\r\n\r\n", "Transfer-Encoding: chunked\r\n"
	next := post + sized(genuine) // what is smuggled behind a request
	for _, tt := range []struct {
		name    string
		raw     string
		answers []int
		bodies  []string // that the handler gets
	}{
		{"genuine requests are served one after the other", post + sized(genuine) + next, []int{200, 200}, []string{genuine, genuine}},
		{"a request that was read whole leaves the connection to the next", post + sized("{}") + next, []int{401, 200}, []string{genuine}},
		{"the body of a forged request is no request", post + forged + sized(next), []int{401}, nil},
		{"nothing is read behind a forged request", post + forged + chunked + "\r\n" + last + next, []int{401}, nil},
		{"nothing is read behind an encoded request", post + "Content-Encoding: gzip\r\n" + sized(next), []int{415}, nil},
		{"nothing is read behind a large request", post + "Content-Length: 5000000000\r\n\r\n" + next, []int{413}, nil},
		{"nothing is read behind broken chunks", post + header + chunked + "\r\n" + "zz\r\n" + next, []int{400}, nil},
		{"chunks count, a length beside them does not", post + chunked + "Content-Length: 4\r\n\r\n" + chunk(genuine) + last, []int{200}, []string{genuine}},
		{"a body that is cut short", post + "Content-Length: 1000\r\n\r\n" + genuine, []int{400}, nil},
		{"two lengths", post + "Content-Length: 2\r\n" + sized(genuine), []int{400}, nil},
		{"HTTP/1.0", "POST / HTTP/1.0\r\n" + sized(genuine), []int{200}, []string{genuine}},
		{"HTTP/1.0 without a length has no body", "POST / HTTP/1.0\r\n\r\n" + genuine, []int{400}, nil},
		{"a signature folded in two", post + strings.Replace(header, pair.Signature[:20], pair.Signature[:20]+"\r\n ", 1) + sized("{}"), []int{401}, nil},
		{"a pair in the trailers", post + chunked + "Trailer: Response-Signature, Response-Timestamp\r\n\r\n" + chunk("{}") + "0\r\n" + header + "\r\n", []int{401}, nil},
		{"a forged pair in the trailers beside a genuine body", post + chunked + "Trailer: Response-Signature, Response-Timestamp\r\n\r\n" + chunk(genuine) + "0\r\n" + forged + "\r\n", []int{200}, []string{genuine}},
		{"the pair in the query", "POST /?signature=" + pair.Signature + "&timestamp=" + pair.Timestamp + " HTTP/1.1\r\nHost: x\r\n" + sized("{}"), []int{401}, nil},
		{"a forged request is not asked for its body", post + forged + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", []int{401}, nil},
		{"a large request is not asked for its body", post + "Expect: 100-continue\r\nContent-Length: 5000000000\r\n\r\n", []int{413}, nil},
		{"a genuine request is asked for its body", post + header + "Expect: 100-continue\r\n" + sized("{}"), []int{100, 200}, []string{"{}"}},
	} {
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

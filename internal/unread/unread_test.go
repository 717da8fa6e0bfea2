package unread_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/internal/unread"
)

// refuse answers a request of which nothing was read.
var refuse = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	unread.Discard(w, r, false)
	http.NotFound(w, r)
})

// refuseLater answers a request of which one byte was read.
var refuseLater = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	io.ReadFull(r.Body, make([]byte, 1))
	unread.Discard(w, r, true)
	http.NotFound(w, r)
})

// A wrapped writer is what frameworks hand to a handler.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapped{w}, r) })
}

func limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 2<<20)
		next.ServeHTTP(w, r)
	})
}

const http10, http11 = "POST / HTTP/1.0\r\n", "POST / HTTP/1.1\r\nHost: partner.example\r\n"

func declared(size int) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, strings.Repeat("a", size))
}

func chunked(size int) string {
	return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, strings.Repeat("a", size))
}

// arrives sends a request to the end before it reads, and tells whether the answer
// and the end of the connection arrive.
func arrives(server *httptest.Server, request string) bool {
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second)) // only a faulty server is waited for that long
	if _, err := io.WriteString(conn, request); err != nil {
		return false
	}
	answer, err := io.ReadAll(conn)
	return err == nil && strings.Contains(string(answer), " 404 Not Found\r\n") && strings.HasSuffix(string(answer), "404 page not found\n")
}

func TestAnswerArrivesAtASenderThatWritesFirst(t *testing.T) {
	t.Parallel()
	const size = 900_000
	for name, test := range map[string]struct {
		handler http.Handler
		request string
	}{
		"HTTP/1.0":             {refuse, http10 + declared(size)},
		"HTTP/1.1":             {refuse, http11 + declared(size)},
		"HTTP/1.1, to close":   {refuse, http11 + "Connection: close\r\n" + declared(size)},
		"chunked":              {refuse, http11 + chunked(size)},
		"begun":                {refuseLater, http11 + chunked(size)},
		"begun after Expect":   {refuseLater, http11 + "Expect: 100-continue\r\n" + declared(size)},
		"Expect in HTTP/1.0":   {refuse, http10 + "Expect: 100-continue\r\n" + declared(size)},
		"a framework's writer": {wrap(refuse), http10 + declared(size)},
		"MaxBytesReader":       {limit(refuse), http10 + declared(size)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			defer server.Close()
			for i := range 60 {
				require.True(t, arrives(server, test.request), "answer %d of 60", i+1)
			}
		})
	}
}

// A pipeListener accepts connections in memory, for a server in a synctest bubble.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

// inBubble runs test with a connection to a server that waits without end: it has no
// ReadTimeout. The clock in a bubble stands still while anything runs.
func inBubble(t *testing.T, handler http.Handler, test func(t *testing.T, conn net.Conn)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := make(pipeListener)
		server := &http.Server{Handler: handler}
		go server.Serve(listener)
		defer time.Sleep(time.Minute) // the server ends its connection
		defer server.Close()
		ours, theirs := net.Pipe()
		defer ours.Close()
		listener <- theirs
		ours.SetDeadline(time.Now().Add(time.Hour))
		test(t, ours)
	})
}

func TestSilentSenderIsAnsweredAndGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.Handler
		request string
		after   time.Duration
	}{
		"HTTP/1.0":           {refuse, http10 + "Content-Length: 1000\r\n\r\n", time.Second},
		"declared":           {refuse, http11 + "Content-Length: 1000\r\n\r\n", time.Second},
		"declared, large":    {refuse, http11 + "Content-Length: 5000000000\r\n\r\n{", time.Second},
		"chunked":            {refuse, http11 + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", time.Second},
		"begun":              {refuseLater, http11 + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", time.Second},
		"Expect":             {refuse, http11 + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n", 0},
		"Expect, chunked":    {refuse, http11 + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
		"Expect in HTTP/1.0": {refuse, http10 + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, test.handler, func(t *testing.T, conn net.Conn) {
				start := time.Now()
				_, err := io.WriteString(conn, test.request)
				require.NoError(t, err)
				answer := bufio.NewReader(conn)
				response, err := http.ReadResponse(answer, nil)
				require.NoError(t, err)
				assert.Equal(t, http.StatusNotFound, response.StatusCode)
				assert.True(t, response.Close)
				assert.Equal(t, test.after, time.Since(start))
				_, err = io.ReadAll(answer)
				require.NoError(t, err, "the connection is closed")
				assert.LessOrEqual(t, time.Since(start), test.after+time.Second/2, "net/http half-closes some and waits half a second")
			})
		})
	}
}

// A sender that has said that it waits, and was told to go on, is not silent.
func TestContinueIsSentOnlyByWhoReads(t *testing.T) {
	inBubble(t, refuseLater, func(t *testing.T, conn net.Conn) {
		_, err := io.WriteString(conn, http11+"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
		require.NoError(t, err)
		answer := bufio.NewReader(conn)
		line, err := answer.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
		go io.WriteString(conn, strings.Repeat("a", 1000))
		_, err = answer.ReadString('\n')
		require.NoError(t, err)
		response, err := http.ReadResponse(answer, nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, response.StatusCode)
	})
}

// A deadline would cancel the context when it passes, because net/http reads ahead.
func TestRequestWithoutABodyIsLeftAlone(t *testing.T) {
	patient := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unread.Discard(w, r, false)
		time.Sleep(time.Minute)
		assert.NoError(t, r.Context().Err())
		http.NotFound(w, r)
	})
	inBubble(t, patient, func(t *testing.T, conn net.Conn) {
		answer := bufio.NewReader(conn)
		for range 2 { // on one connection
			_, err := io.WriteString(conn, http11+"Content-Length: 0\r\n\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(answer, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			assert.False(t, response.Close)
		}
	})
}

// Without a deadline, reading could take for ever.
func TestNothingIsReadWithoutADeadline(t *testing.T) {
	inBubble(t, http.TimeoutHandler(refuse, time.Minute, ""), func(t *testing.T, conn net.Conn) {
		start := time.Now()
		_, err := io.WriteString(conn, http11+"Content-Length: 1000\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, response.StatusCode)
		assert.True(t, response.Close)
		assert.Zero(t, time.Since(start))
	})
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	body := strings.NewReader("{}")
	w := httptest.NewRecorder()
	refuse(w, httptest.NewRequest("POST", "/", body))
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Equal(t, 2, body.Len(), "nothing was read")
}

// Something in front may take the body away and leave nil.
func TestNilBody(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		r.Body = nil
		refuse(w, r)
	}
	inBubble(t, http.HandlerFunc(handler), func(t *testing.T, conn net.Conn) {
		_, err := io.WriteString(conn, http11+declared(2))
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, response.StatusCode)
	})
}

// In HTTP/2, "Connection: close" would end the connection for every request on it.
func TestHTTP2IsLeftAlone(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r)
		assert.Empty(t, w.Header().Values("Connection"))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	response, err := server.Client().Post(server.URL, "application/json", strings.NewReader(strings.Repeat("a", 1<<20)))
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, 2, response.ProtoMajor)
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
}

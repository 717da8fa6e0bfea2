package joburl_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask sends a request to the end before it reads an answer and then the end of the
// connection. The deadline is the longest that a faulty server is waited for.
func ask(t *testing.T, server *httptest.Server, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer := bufio.NewReader(conn)
	response, err := http.ReadResponse(answer, nil)
	require.NoError(t, err)
	_, err = io.ReadAll(answer)
	require.NoError(t, err)
	return response
}

func TestStrangersBodyIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	urls := newURLs(t, base, secret("s"))
	urls.OnReject = func(r *http.Request, _ error) { assert.NoError(t, r.Context().Err()) }
	server := httptest.NewServer(urls.Handler(showJob)) // without ReadTimeout
	t.Cleanup(server.Close)
	for name, framing := range map[string]string{
		"declared": "Content-Length: 1000\r\n\r\n",
		"begun":    "Content-Length: 1000000\r\n\r\n{",
		"chunked":  "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"expected": "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := ask(t, server, "POST /callbacks/guessed HTTP/1.1\r\nHost: partner.example\r\n"+framing)
			assert.Equal(t, http.StatusNotFound, response.StatusCode)
			assert.True(t, response.Close)
		})
	}
}

// nginx speaks HTTP/1.0 to us unless told otherwise.
func TestAnswerArrivesAtAStrangerThatWritesFirst(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newURLs(t, base, secret("s")).Handler(showJob))
	t.Cleanup(server.Close)
	body := strings.Repeat("a", 900_000)
	for range 60 {
		for _, version := range []string{"1.0", "1.1"} {
			response := ask(t, server, fmt.Sprintf("POST /callbacks/guessed HTTP/%s\r\nHost: partner.example\r\nContent-Length: %d\r\n\r\n%s", version, len(body), body))
			require.Equal(t, http.StatusNotFound, response.StatusCode)
		}
	}
}

func TestConnectionStaysWithoutABody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newURLs(t, base, secret("s")).Handler(showJob))
	t.Cleanup(server.Close)
	response, err := http.Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.False(t, response.Close)
}

// "Connection: close" would make the server end an HTTP/2 connection and every
// request on it.
func TestConnectionStaysInHTTP2(t *testing.T) {
	t.Parallel()
	handler := newURLs(t, base, secret("s")).Handler(showJob)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		assert.NotContains(t, w.Header(), "Connection")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	response, err := server.Client().Post(server.URL, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, 2, response.ProtoMajor)
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
}

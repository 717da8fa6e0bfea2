package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest"
)

const path = "/8f14e45fceea167a5a36"

func environment(changes map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := changes[name]; ok {
			return value
		}
		return map[string]string{
			"SMILE_PARTNER_ID":    credential.PartnerID,
			"SMILE_API_KEY":       credential.APIKey,
			"SMILE_CALLBACK_PATH": path,
		}[name]
	}
}

func listen(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener
}

// start returns the address of a server, what stops it, and what run returned.
func start(t *testing.T) (address string, stop context.CancelFunc, ended <-chan error) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	listener := listen(t)
	result := make(chan error, 1)
	go func() { result <- run(ctx, environment(nil), listener) }()
	return listener.Addr().String(), cancel, result
}

func TestRun(t *testing.T) {
	t.Parallel()
	address, stop, ended := start(t)
	url := "http://" + address + path
	cb := genuine()
	unreadable := smilesigtest.NewCallback(credential, []byte(`{}`))
	unreadable.Time = cb.Time.Add(time.Second) // the same millisecond would be the same pair
	for _, test := range []struct {
		sent   smilesigtest.Callback
		status int
	}{
		{cb, http.StatusOK},
		{cb, http.StatusOK}, // redelivered
		{cb.WithBody([]byte(`{"SmileJobID":"2"}`)), http.StatusServiceUnavailable},
		{cb.Forged(), http.StatusUnauthorized},
		{unreadable, http.StatusBadRequest}, // by the binder
	} {
		status, _, _ := post(t, test.sent, url)
		assert.Equal(t, test.status, status)
	}
	status, _, _ := post(t, genuine(), "http://"+address+"/guessed")
	assert.Equal(t, http.StatusNotFound, status)
	stop()
	assert.NoError(t, <-ended)
}

func TestRunAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	address, stop, ended := start(t)
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	answers := bufio.NewReader(conn)

	sent := genuine().Request(path)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		path, address, sent.ContentLength)
	answer, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, answer.StatusCode, "Smile reads the body")

	stop()
	require.Eventually(t, func() bool {
		other, err := net.Dial("tcp", address)
		if err == nil {
			other.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}, 10*time.Second, time.Millisecond, "nobody new gets in")

	_, err = io.Copy(conn, sent.Body)
	require.NoError(t, err)
	answer, err = http.ReadResponse(answers, nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.NoError(t, <-ended)
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"SMILE_PARTNER_ID":    "",
		"SMILE_API_KEY":       "pasted-with-a-newline\n",
		"SMILE_CALLBACK_PATH": "/callbacks",
	} {
		err := run(t.Context(), environment(map[string]string{name: value}), listen(t))
		assert.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), "pasted")
	}
}

func TestWhatIsNotKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(context.Context, Result) error{
		"error":                  func(context.Context, Result) error { return errors.New("made up") },
		"panic":                  func(context.Context, Result) error { panic("made up") },
		"panic of a broken pipe": func(context.Context, Result) error { panic(fmt.Errorf("database: %w", syscall.EPIPE)) },
	} {
		server := httptest.NewServer(newRouter(newVerifier(t), path, keep))
		status, _, _ := post(t, genuine(), server.URL+path)
		assert.Equal(t, http.StatusInternalServerError, status, name)
		server.Close()
	}
}

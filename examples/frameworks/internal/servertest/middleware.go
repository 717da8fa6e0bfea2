package servertest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

// Handle is what a framework's handler does with its request: it answers with
// status, and with body if err is nil, or passes err to the framework.
type Handle func(r *http.Request) (status int, body []byte, err error)

// NewChain returns a framework's server. In this order it has: a log, which calls
// logged with the status of each answer, the framework's recovery from panics,
// middleware, and a handler.
type NewChain func(logged func(status int), middleware []func(http.Handler) http.Handler, handle Handle) Serve

// TestMiddleware tests that a framework gets along with net/http middleware.
func TestMiddleware(t *testing.T, newChain NewChain) {
	v1, v3 := callback("biometric_kyc", smilesig.InBody), callback("biometric_kyc", smilesig.InHeader)
	document := callback("document_verification", smilesig.InHeader)
	forged := v1.Forged()
	oversize := forged.WithBody([]byte(`{"padding":"` + strings.Repeat("x", 8<<10) + `"}`))
	rejected := func(status int) string { return http.StatusText(status) + "\n" } // and nothing is added to it
	own := pathOf(newPartner(t, nil), job)
	for name, test := range map[string]struct {
		sent      smilesigtest.Callback
		path      string
		handle    Handle // nil must not be called
		status    int
		body      string // "" is any
		challenge string
	}{
		"v1":          {v1, own, showContext(smilesig.InBody), 202, job, ""},
		"v3":          {v3, own, showContext(smilesig.InHeader), 202, job, ""},
		"every byte":  {document, own, showBody, 200, string(document.Body), ""},
		"error":       {v1, own, fail, 418, "", ""},
		"panic":       {v1, own, panicWith("made up"), 500, "", ""},
		"forged":      {forged, own, nil, 401, rejected(401), "SmileID"},
		"doubled":     {forged.Doubled(), own, nil, 400, rejected(400), ""},
		"oversize":    {oversize, own, nil, 413, rejected(413), ""},
		"another URL": {v1, own + "A", nil, 404, "404 page not found\n", ""},
		"a query":     {v1, own + "?ResultCode=0810", nil, 404, "404 page not found\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, logged := newChain.start(t, test.handle)
			response, err := test.sent.Send(t.Context(), nil, url+test.path)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, test.status, response.StatusCode)
			assert.Equal(t, test.status, <-logged, "the framework's log")
			assert.Equal(t, test.challenge, response.Header.Get("WWW-Authenticate"))
			if test.body != "" {
				assert.Equal(t, test.body, string(body))
			}
		})
	}
	for name, value := range panics {
		t.Run(name+" behind the framework's recovery", func(t *testing.T) {
			t.Parallel()
			url, _ := newChain.start(t, panicWith(value))
			AssertRefused(t, send(t, nil, v1, url+own), name)
		})
	}
	t.Run("a body of undeclared length is cut off", func(t *testing.T) {
		t.Parallel()
		url, _ := newChain.start(t, nil)
		response, err := http.Post(url+own, "application/json", io.LimitReader(rand.Reader, 8<<10))
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, 413, response.StatusCode)
		assert.True(t, response.Close)
	})
}

func (newChain NewChain) start(t *testing.T, handle Handle) (url string, logged <-chan int) {
	if handle == nil {
		handle = func(*http.Request) (int, []byte, error) {
			t.Error("the handler runs")
			return 200, nil, nil
		}
	}
	p := newPartner(t, nil)
	p.Verifier.MaxBytes = 4 << 10
	statuses := make(chan int, 1)
	middleware := []func(http.Handler) http.Handler{p.URLs.Handler, p.Verifier.Handler}
	return start(t, newChain(func(status int) { statuses <- status }, middleware, handle)), statuses
}

// showContext answers with the job.
func showContext(placement smilesig.Placement) Handle {
	return func(r *http.Request) (int, []byte, error) {
		cb, _ := smilesig.FromContext(r.Context())
		job, _ := joburl.FromContext(r.Context())
		if cb.PartnerID != credential.PartnerID || cb.Placement != placement {
			return 200, nil, errors.New("another callback in the context")
		}
		return 202, []byte(job), nil
	}
}

func showBody(r *http.Request) (int, []byte, error) {
	var body bytes.Buffer
	_, err := body.ReadFrom(r.Body)
	return 200, body.Bytes(), err
}

func fail(*http.Request) (int, []byte, error) { return 418, nil, errors.New("made up") }

func panicWith(value any) Handle {
	return func(*http.Request) (int, []byte, error) { panic(value) }
}

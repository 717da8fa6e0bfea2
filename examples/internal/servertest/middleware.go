package servertest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

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
type NewChain func(logged func(status int), middleware []func(http.Handler) http.Handler, handle Handle) http.Handler

// TestMiddleware tests that a framework gets along with net/http middleware.
func TestMiddleware(t *testing.T, newChain NewChain) {
	forged := callback("biometric_kyc", smilesig.InBody).Forged()
	oversize := forged.WithBody([]byte(`{"padding":"` + strings.Repeat("x", 8<<10) + `"}`))
	rejected := func(status int) string { return http.StatusText(status) + "\n" } // and nothing is added to it
	own := pathOf(t, job)
	for name, test := range map[string]struct {
		sent      smilesigtest.Callback
		path      string
		handle    Handle // nil must not be called
		status    int
		body      string // "" is any
		challenge string
	}{
		"v1":          {callback("biometric_kyc", smilesig.InBody), own, showContext(smilesig.InBody), 202, job, ""},
		"v3":          {callback("biometric_kyc", smilesig.InHeader), own, showContext(smilesig.InHeader), 202, job, ""},
		"every byte":  {callback("document_verification", smilesig.InHeader), own, showBody, 200, sample("document_verification"), ""},
		"error":       {callback("biometric_kyc", smilesig.InBody), own, fail, 418, "", ""},
		"panic":       {callback("biometric_kyc", smilesig.InBody), own, panics, 500, "", ""},
		"forged":      {forged, own, nil, 401, rejected(401), "SmileID"},
		"doubled":     {forged.Doubled(), own, nil, 400, rejected(400), ""},
		"oversize":    {oversize, own, nil, 413, rejected(413), ""},
		"another URL": {callback("biometric_kyc", smilesig.InBody), own + "A", nil, 404, "404 page not found\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChain.start(t, test.handle)
			response, err := test.sent.Send(t.Context(), nil, c.url+test.path)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d", response.StatusCode, test.status)
			}
			if logged := <-c.logged; logged != test.status {
				t.Errorf("status %d is logged, want %d", logged, test.status)
			}
			if test.body != "" && string(body) != test.body {
				t.Errorf("answer %q, want %q", body, test.body)
			}
			if got := response.Header.Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("WWW-Authenticate: %q, want %q", got, test.challenge)
			}
		})
	}
	t.Run("a body of undeclared length is cut off", func(t *testing.T) {
		t.Parallel()
		c := newChain.start(t, nil)
		response, err := http.Post(c.url+own, "application/json", io.LimitReader(rand.Reader, 8<<10))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != 413 || !response.Close {
			t.Errorf("status %d, closed: %v", response.StatusCode, response.Close)
		}
	})
}

type chain struct {
	url    string
	logged <-chan int
}

func (newChain NewChain) start(t *testing.T, handle Handle) chain {
	if handle == nil {
		handle = func(*http.Request) (int, []byte, error) {
			t.Error("the handler runs")
			return 200, nil, nil
		}
	}
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		t.Fatal(err)
	}
	verifier := &smilesig.Verifier{
		Signer:   signer,
		Guard:    &smilesig.MemoryGuard{},
		MaxBytes: 4 << 10,
		OnReject: func(*http.Request, error) int { return 0 },
	}
	logged := make(chan int, 1)
	middleware := []func(http.Handler) http.Handler{newURLs(t).Handler, verifier.Handler}
	return chain{serve(t, newChain(func(status int) { logged <- status }, middleware, handle)), logged}
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

func panics(*http.Request) (int, []byte, error) { panic("made up") }

func sample(product string) string {
	body, _ := smilesigtest.Sample(product, smilesig.InHeader)
	return string(body)
}

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

func genuine() smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return smilesigtest.NewCallback(credential, body)
}

func newVerifier(t *testing.T) *smilesig.Verifier {
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	return &smilesig.Verifier{Signer: signer, Guard: &smilesig.MemoryGuard{}, MaxBytes: 4 << 10}
}

// post returns the status of the answer, its body and one of its headers.
func post(t *testing.T, cb smilesigtest.Callback, url string) (status int, body, challenge string) {
	response, err := cb.Send(t.Context(), nil, url)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer), response.Header.Get("WWW-Authenticate")
}

// A server has Smile between echo's own middleware and a handler.
type server struct {
	*httptest.Server
	logged   []middleware.RequestLoggerValues
	failed   []error // what echo's error handler got
	handled  int     // calls of what is behind Smile
	lateBody error   // of reading the body after Smile has returned
	outer    smilesig.Callback
	status   int // that middleware before Smile sees
}

func newServer(t *testing.T, handle echo.HandlerFunc) *server {
	s := new(server)
	router := echo.New()
	answer := router.HTTPErrorHandler
	router.HTTPErrorHandler = func(err error, c echo.Context) {
		s.failed = append(s.failed, err)
		answer(err, c)
	}
	router.Use(
		middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
			LogStatus: true,
			LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error {
				s.logged = append(s.logged, v)
				return nil
			},
		}),
		middleware.Recover(),
		s.look,
	)
	router.POST("/callbacks", handle, Smile(newVerifier(t)), s.count)
	s.Server = httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s
}

func (s *server) look(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		s.outer, _ = smilesig.FromContext(c.Request().Context())
		_, s.lateBody = c.Request().Body.Read(make([]byte, 1))
		s.status = c.Response().Status
		return err
	}
}

func (s *server) count(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		s.handled++
		return next(c)
	}
}

// send returns when the server has finished with the request, its log included.
func (s *server) send(t *testing.T, cb smilesigtest.Callback) (status int, body, challenge string) {
	status, body, challenge = post(t, cb, s.URL+"/callbacks")
	s.Close()
	return status, body, challenge
}

func (s *server) assertLogged(t *testing.T, status int) {
	if assert.Len(t, s.logged, 1) {
		assert.Equal(t, status, s.logged[0].Status)
	}
}

func TestVerifiedCallbackReachesTheBinder(t *testing.T) {
	t.Parallel()
	var inContext smilesig.Callback
	s := newServer(t, func(c echo.Context) error {
		inContext, _ = smilesig.FromContext(c.Request().Context())
		var bound Result
		if err := c.Bind(&bound); err != nil {
			return err
		}
		return c.JSON(http.StatusAccepted, bound)
	})
	status, body, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusAccepted, status)
	assert.JSONEq(t, `{"SmileJobID":"0000000001","ResultCode":"1210"}`, body)
	assert.Equal(t, credential.PartnerID, inContext.PartnerID)
	assert.Equal(t, smilesig.InBody, inContext.Placement)
	assert.Equal(t, inContext, s.outer, "middleware before Smile finds the callback")
	assert.ErrorIs(t, s.lateBody, http.ErrBodyReadAfterClose)
	s.assertLogged(t, http.StatusAccepted)
	assert.Equal(t, 1, s.handled)
}

func TestWebhookKeepsItsBytes(t *testing.T) {
	t.Parallel()
	sent, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	s := newServer(t, func(c echo.Context) error {
		return c.Stream(http.StatusOK, "application/json", c.Request().Body)
	})
	status, body, _ := s.send(t, smilesigtest.NewWebhook(credential, sent))
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, string(sent), body)
}

func TestHandlerThatWritesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(echo.Context) error { return nil })
	status, _, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, http.StatusOK, s.status, "for middleware before Smile, too")
	s.assertLogged(t, http.StatusOK)
}

func TestRejectionEndsTheChain(t *testing.T) {
	t.Parallel()
	oversize := genuine()
	oversize.Body = []byte(`{"padding":"` + string(bytes.Repeat([]byte("x"), 8<<10)) + `"}`)
	for name, test := range map[string]struct {
		sent      smilesigtest.Callback
		status    int
		challenge string
	}{
		"forged":   {genuine().Forged(), http.StatusUnauthorized, "SmileID"},
		"stale":    {genuine().Stale(), http.StatusUnauthorized, "SmileID"},
		"doubled":  {genuine().Doubled(), http.StatusBadRequest, ""},
		"oversize": {oversize, http.StatusRequestEntityTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(c echo.Context) error { return c.String(http.StatusOK, "handled") })
			status, body, challenge := s.send(t, test.sent)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.challenge, challenge)
			assert.Equal(t, http.StatusText(test.status)+"\n", body, "nothing is added to it")
			assert.Zero(t, s.handled)
			assert.Empty(t, s.failed)
			s.assertLogged(t, test.status)
		})
	}
}

func TestBodyOfUndeclaredLengthIsCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(echo.Context) error { return nil })
	response, err := http.Post(s.URL+"/callbacks", "application/json", io.LimitReader(rand.Reader, 8<<10))
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.True(t, response.Close, "the rest is not waited for")
}

func TestPanicReachesRecover(t *testing.T) {
	t.Parallel()
	reason := errors.New("made up")
	s := newServer(t, func(echo.Context) error { panic(reason) })
	status, body, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.JSONEq(t, `{"message":"Internal Server Error"}`, body)
	if assert.Len(t, s.failed, 1) {
		assert.ErrorIs(t, s.failed[0], reason)
	}
	s.assertLogged(t, http.StatusInternalServerError)
}

func TestErrorReachesTheErrorHandler(t *testing.T) {
	t.Parallel()
	reason := echo.NewHTTPError(http.StatusTeapot, "made up")
	s := newServer(t, func(echo.Context) error { return reason })
	status, body, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusTeapot, status)
	assert.JSONEq(t, `{"message":"made up"}`, body)
	if assert.Len(t, s.failed, 1) {
		assert.ErrorIs(t, s.failed[0], reason)
	}
	s.assertLogged(t, http.StatusTeapot)
}

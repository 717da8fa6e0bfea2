package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

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

// A server has Smile between gin's own middleware and a handler.
type server struct {
	*httptest.Server
	log      bytes.Buffer // gin's access log
	handled  int          // calls of what is behind Smile
	lateBody error        // of reading the body after Smile has returned
	outer    smilesig.Callback
}

func newServer(t *testing.T, handle gin.HandlerFunc) *server {
	s := new(server)
	router := gin.New()
	router.Use(gin.LoggerWithWriter(&s.log), gin.RecoveryWithWriter(io.Discard), gin.ErrorLogger(), s.look)
	router.POST("/callbacks", Smile(newVerifier(t)), s.count, handle)
	s.Server = httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s
}

func (s *server) look(c *gin.Context) {
	c.Next()
	s.outer, _ = smilesig.FromContext(c.Request.Context())
	_, s.lateBody = c.Request.Body.Read(make([]byte, 1))
}

func (s *server) count(*gin.Context) { s.handled++ }

// send returns when the server has finished with the request, its log included.
func (s *server) send(t *testing.T, cb smilesigtest.Callback) (status int, body, challenge string) {
	status, body, challenge = post(t, cb, s.URL+"/callbacks")
	s.Close()
	return status, body, challenge
}

func TestVerifiedCallbackReachesTheBinder(t *testing.T) {
	t.Parallel()
	var inContext smilesig.Callback
	s := newServer(t, func(c *gin.Context) {
		inContext, _ = smilesig.FromContext(c.Request.Context())
		var bound Result
		if err := c.ShouldBindJSON(&bound); err != nil {
			c.AbortWithError(http.StatusBadRequest, err)
			return
		}
		c.JSON(http.StatusAccepted, bound)
	})
	status, body, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusAccepted, status)
	assert.JSONEq(t, `{"SmileJobID":"0000000001","ResultCode":"1210"}`, body)
	assert.Equal(t, credential.PartnerID, inContext.PartnerID)
	assert.Equal(t, smilesig.InBody, inContext.Placement)
	assert.Equal(t, inContext, s.outer, "middleware before Smile finds the callback")
	assert.ErrorIs(t, s.lateBody, http.ErrBodyReadAfterClose)
	assert.Contains(t, s.log.String(), " 202 ")
	assert.Equal(t, 1, s.handled)
}

func TestWebhookKeepsItsBytes(t *testing.T) {
	t.Parallel()
	sent, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	s := newServer(t, func(c *gin.Context) {
		body, _ := c.GetRawData()
		c.Data(http.StatusOK, "application/json", body)
	})
	status, body, _ := s.send(t, smilesigtest.NewWebhook(credential, sent))
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, string(sent), body)
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
			s := newServer(t, func(c *gin.Context) { c.String(http.StatusOK, "handled") })
			status, body, challenge := s.send(t, test.sent)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.challenge, challenge)
			assert.Equal(t, http.StatusText(test.status)+"\n", body, "nothing is added to it")
			assert.Zero(t, s.handled)
			assert.Contains(t, s.log.String(), fmt.Sprintf(" %d ", test.status))
		})
	}
}

func TestBodyOfUndeclaredLengthIsCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(*gin.Context) {})
	response, err := http.Post(s.URL+"/callbacks", "application/json", io.LimitReader(rand.Reader, 8<<10))
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.True(t, response.Close, "the rest is not waited for")
}

func TestPanicReachesRecovery(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(*gin.Context) { panic("made up") })
	status, _, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.Contains(t, s.log.String(), " 500 ")
}

func TestErrorReachesErrorLogger(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *gin.Context) { c.AbortWithError(http.StatusTeapot, errors.New("made up")) })
	status, body, _ := s.send(t, genuine())
	assert.Equal(t, http.StatusTeapot, status)
	assert.JSONEq(t, `{"error":"made up"}`, body)
	assert.Contains(t, s.log.String(), " 418 ")
}

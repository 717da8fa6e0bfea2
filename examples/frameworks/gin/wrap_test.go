package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"

	ginzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/examples/frameworks/internal/servertest"
	"example.com/smilesig/smilesigtest"
)

// What is in front of the Verifier may inflate a body, if it deletes the header that
// says otherwise.
func TestGzip(t *testing.T) {
	t.Parallel()
	inflates := ginzip.Gzip(ginzip.DefaultCompression, ginzip.WithDecompressFn(ginzip.DefaultDecompressHandle))
	for _, test := range []struct {
		inFront []gin.HandlerFunc
		status  int
	}{
		{nil, http.StatusUnsupportedMediaType},
		{[]gin.HandlerFunc{inflates}, http.StatusOK},
	} {
		assert.Equal(t, test.status, servertest.SendGzipped(t, func(p *partner.Partner) http.Handler {
			router := gin.New()
			router.Use(test.inFront...)
			router.POST("/callbacks/:job", Wrap(p.URLs.Handler), Wrap(p.Verifier.Handler), func(c *gin.Context) { c.Status(http.StatusOK) })
			return router
		}))
	}
}

// It may not take the body away, and the error says so.
func TestBodyIsTakenInFront(t *testing.T) {
	t.Parallel()
	drains := func(c *gin.Context) { io.Copy(io.Discard, c.Request.Body) }
	halves := func(c *gin.Context) { io.CopyN(io.Discard, c.Request.Body, 20) }
	cuts := func(c *gin.Context) { c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 20) }
	for name, test := range map[string]struct {
		inFront gin.HandlerFunc
		status  int
		text    string // in the error
	}{
		"drains": {drains, http.StatusBadRequest, "in front"},
		"halves": {halves, http.StatusBadRequest, "in front"},
		"limits": {cuts, http.StatusRequestEntityTooLarge, "20 bytes"},
	} {
		credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"}
		signer, err := smilesig.NewSigner(credential)
		require.NoError(t, err)
		var refused error
		verifier := &smilesig.Verifier{Signer: signer, OnReject: func(_ *http.Request, err error) int { refused = err; return 0 }}
		router := gin.New()
		router.POST("/callbacks", test.inFront, Wrap(verifier.Handler), func(c *gin.Context) { c.Status(http.StatusOK) })
		server := httptest.NewServer(router)
		t.Cleanup(server.Close)
		response, err := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`)).Send(t.Context(), nil, server.URL+"/callbacks")
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, test.status, response.StatusCode, name)
		assert.ErrorContains(t, refused, test.text, name)
	}
}

// Whatever the handler panics with, and wherever gin.Recovery is, the sender of a
// callback sees 500 or a closed connection.
func TestAPanicIsNoAcknowledgement(t *testing.T) {
	t.Parallel()
	recovery, wrap := gin.RecoveryWithWriter(io.Discard), Wrap(func(next http.Handler) http.Handler { return next })
	router := gin.New()
	var paths []string
	for reason, value := range map[string]any{
		"text":  "made up",
		"pipe":  fmt.Errorf("database: %w", syscall.EPIPE),
		"reset": syscall.ECONNRESET,
		"abort": http.ErrAbortHandler,
	} {
		for place, inFront := range map[string][]gin.HandlerFunc{
			"front":   {recovery, wrap, wrap},
			"between": {wrap, recovery, wrap},
			"behind":  {wrap, wrap, recovery},
			"nowhere": {wrap, wrap},
		} {
			for written, write := range map[string]gin.HandlerFunc{
				"nothing": func(*gin.Context) {},
				"status":  func(c *gin.Context) { c.Status(http.StatusOK) },
				"header":  func(c *gin.Context) { c.AbortWithStatus(http.StatusOK) },
				"body":    func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"kept": false}) },
			} {
				path := "/" + reason + "/" + place + "/" + written
				switch path {
				case "/text/behind/header", "/text/behind/body":
					continue // Wrap says so
				}
				paths = append(paths, path)
				router.POST(path, append(slices.Clone(inFront), func(c *gin.Context) { write(c); panic(value) })...)
			}
		}
	}
	for _, isHTTP2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(router)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = isHTTP2
		server.StartTLS()
		t.Cleanup(server.Close)
		for _, path := range paths {
			response, err := server.Client().Post(server.URL+path, "application/json", nil)
			if err != nil {
				continue
			}
			response.Body.Close()
			assert.Equal(t, http.StatusInternalServerError, response.StatusCode, "%s, %s", path, response.Proto)
		}
	}
}

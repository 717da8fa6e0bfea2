package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	ginzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// What is in front of the Verifier may inflate a body. What it may not do is to take
// the body away, and the error says so.
func TestMiddlewareInFront(t *testing.T) {
	t.Parallel()
	inflates := ginzip.Gzip(ginzip.DefaultCompression, ginzip.WithDecompressFn(ginzip.DefaultDecompressHandle))
	drains := func(c *gin.Context) { io.Copy(io.Discard, c.Request.Body) }
	cuts := func(c *gin.Context) { c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 20) }
	halves := func(c *gin.Context) { io.CopyN(io.Discard, c.Request.Body, 20) }
	for name, test := range map[string]struct {
		inFront    gin.HandlerFunc
		compressed bool
		status     int
		text       string // in the error
	}{
		"inflates": {inflates, true, http.StatusOK, ""},
		"nothing":  {func(*gin.Context) {}, true, http.StatusUnsupportedMediaType, "encoded"},
		"drains":   {drains, false, http.StatusBadRequest, "in front"},
		"halves":   {halves, false, http.StatusBadRequest, "in front"},
		"limits":   {cuts, false, http.StatusRequestEntityTooLarge, "20 bytes"},
	} {
		credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
		signer, err := smilesig.NewSigner(credential)
		require.NoError(t, err)
		var refused error
		verifier := &smilesig.Verifier{Signer: signer, OnReject: func(_ *http.Request, err error) int { refused = err; return 0 }}
		router := gin.New()
		router.POST("/callbacks", test.inFront, Wrap(verifier.Handler), func(c *gin.Context) { c.Status(http.StatusOK) })
		server := httptest.NewServer(router)
		t.Cleanup(server.Close)

		cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`))
		var body bytes.Buffer
		if test.compressed {
			w := gzip.NewWriter(&body)
			_, err = io.Copy(w, cb.Request("/callbacks").Body)
			require.NoError(t, errors.Join(err, w.Close()))
		} else {
			body.ReadFrom(cb.Request("/callbacks").Body)
		}
		req, err := http.NewRequest(http.MethodPost, server.URL+"/callbacks", &body)
		require.NoError(t, err)
		if test.compressed {
			req.Header.Set("Content-Encoding", "gzip")
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		assert.Equal(t, test.status, res.StatusCode, name)
		if test.text != "" {
			assert.ErrorContains(t, refused, test.text, name)
		}
	}
}

package main

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/gin-gonic/gin"

	"example.com/smilesig/examples/frameworks/internal/servertest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

func TestServer(t *testing.T) { servertest.TestNetHTTP(t, newRouter) }

func TestWrap(t *testing.T) {
	t.Parallel()
	servertest.TestMiddleware(t, func(logged func(int), middleware []func(http.Handler) http.Handler, handle servertest.Handle) servertest.Serve {
		router := gin.New()
		router.Use(
			func(c *gin.Context) { c.Next(); logged(c.Writer.Status()) },
			gin.RecoveryWithWriter(io.Discard),
			gin.ErrorLogger(), // answers with the errors
		)
		for _, m := range middleware {
			router.Use(Wrap(m))
		}
		router.POST("/callbacks/:job", func(c *gin.Context) {
			status, body, err := handle(c.Request)
			if err != nil {
				c.AbortWithError(status, err)
				return
			}
			c.Data(status, "text/plain", body)
		})
		return servertest.HTTP(router)
	})
}

package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"

	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/examples/frameworks/internal/servertest"
)

func TestServer(t *testing.T) { servertest.TestNetHTTP(t, newRouter) }

func TestWrapMiddleware(t *testing.T) {
	t.Parallel()
	servertest.TestMiddleware(t, func(logged func(int), wrapped []func(http.Handler) http.Handler, handle servertest.Handle) servertest.Serve {
		router := echo.New()
		router.Use(
			middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
				HandleError: true,
				LogStatus:   true,
				LogValuesFunc: func(_ *echo.Context, v middleware.RequestLoggerValues) error {
					logged(v.Status)
					return nil
				},
			}),
			middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}),
		)
		for _, w := range wrapped {
			router.Use(echo.WrapMiddleware(w))
		}
		router.POST("/callbacks/:job", func(c *echo.Context) error {
			status, body, err := handle(c.Request())
			if err != nil {
				return echo.NewHTTPError(status, err.Error())
			}
			return c.Blob(status, "text/plain", body)
		})
		return servertest.HTTP(router)
	})
}

// middleware.Decompress inflates the body and leaves the header that says
// otherwise. Put a middleware between it and the Verifier that deletes the header.
func TestDecompress(t *testing.T) {
	t.Parallel()
	deletes := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Request().Header.Del(echo.HeaderContentEncoding)
			return next(c)
		}
	}
	for _, test := range []struct {
		inFront []echo.MiddlewareFunc
		status  int
	}{
		{nil, http.StatusUnsupportedMediaType},
		{[]echo.MiddlewareFunc{middleware.Decompress()}, http.StatusUnsupportedMediaType},
		{[]echo.MiddlewareFunc{middleware.Decompress(), deletes}, http.StatusOK},
	} {
		assert.Equal(t, test.status, servertest.SendGzipped(t, func(p *partner.Partner) http.Handler {
			router := newRouter(p).(*echo.Echo)
			router.Use(test.inFront...)
			return router
		}))
	}
}

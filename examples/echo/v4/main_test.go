package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"example.com/smilesig/examples/internal/servertest"
)

func TestServer(t *testing.T) { servertest.TestServer(t, newRouter) }

func TestWrapMiddleware(t *testing.T) {
	t.Parallel()
	servertest.TestMiddleware(t, func(logged func(int), wrapped []func(http.Handler) http.Handler, handle servertest.Handle) http.Handler {
		router := echo.New()
		router.Use(
			middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
				HandleError: true,
				LogStatus:   true,
				LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error {
					logged(v.Status)
					return nil
				},
			}),
			middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}),
		)
		for _, w := range wrapped {
			router.Use(echo.WrapMiddleware(w))
		}
		router.POST("/callbacks/:job", func(c echo.Context) error {
			status, body, err := handle(c.Request())
			if err != nil {
				return echo.NewHTTPError(status, err.Error())
			}
			return c.Blob(status, "text/plain", body)
		})
		return router
	})
}

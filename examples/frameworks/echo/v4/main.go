// An echo v4 server for Smile ID's callbacks. There is no adapter to copy:
// echo.WrapMiddleware is one. Package partner names the settings.
//
//	go run ./echo/v4
package main

import (
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"example.com/smilesig/examples/frameworks/internal/partner"
)

func main() { partner.Serve(os.Getenv, newRouter) }

// newRouter has no access log, because that would hold the URLs. The handler always
// writes an answer: behind echo.WrapMiddleware, the status of a handler that writes
// nothing is 0 to the middleware in front.
func newRouter(p *partner.Partner) http.Handler {
	p.Verifier.Handler(http.NotFoundHandler()) // echo calls it for each request; a faulty Verifier panics now
	router := echo.New()
	router.RouteNotFound("/*", echo.WrapHandler(p.URLs.Handler(http.NotFoundHandler()))) // hears of URLs that something in front has changed
	router.POST("/callbacks/:job", func(c echo.Context) error {
		return c.NoContent(p.Take(c.Request().Context(), c.Request().Body))
	}, echo.WrapMiddleware(p.URLs.Handler), echo.WrapMiddleware(p.Verifier.Handler))
	return router
}

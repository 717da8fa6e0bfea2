package main

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"example.com/smilesig"
)

// Smile passes verified callbacks on to the handlers behind it. It answers all
// others as v does, and is done with them: they are no error to echo.
//
// The handlers read the body as ever, and find the callback with
// smilesig.FromContext(c.Request().Context()). Middleware before Smile, and the
// HTTPErrorHandler, find it too, but not the body, which is good only until
// Smile returns.
//
// echo.WrapMiddleware(v.Handler) would give c another Response, whose status is
// 0 if the handler writes nothing.
func Smile(v *smilesig.Verifier) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) (err error) {
			verified := func(_ http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				err = next(c)
			}
			v.Handler(http.HandlerFunc(verified)).ServeHTTP(c.Response(), c.Request())
			return err
		}
	}
}

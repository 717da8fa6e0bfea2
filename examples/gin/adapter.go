package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Wrap makes a gin handler of net/http middleware, such as the Handler method of
// a smilesig.Verifier or a joburl.URLs. When the middleware does not call next, it
// has answered the request itself, and Wrap ends the chain.
//
// The handlers behind it read the body as ever. What the middleware puts into the
// context is in c.Request.Context(), not in c.
func Wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		goesOn := false
		next := func(_ http.ResponseWriter, r *http.Request) {
			goesOn = true
			c.Request = r
			c.Next()
		}
		middleware(http.HandlerFunc(next)).ServeHTTP(c.Writer, c.Request)
		if !goesOn {
			c.Abort()
		}
	}
}

package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"example.com/smilesig"
)

// Smile passes verified callbacks on to the handlers behind it. It answers all
// others as v does, and ends their chain.
//
// The handlers read the body as ever, and find the callback with
// smilesig.FromContext(c.Request.Context()). Middleware before Smile finds it too
// when c.Next returns, but not the body, which is good only until Smile returns.
func Smile(v *smilesig.Verifier) gin.HandlerFunc {
	return func(c *gin.Context) {
		isVerified := false
		next := func(_ http.ResponseWriter, r *http.Request) {
			isVerified = true
			c.Request = r
			c.Next()
		}
		v.Handler(http.HandlerFunc(next)).ServeHTTP(c.Writer, c.Request)
		if !isVerified {
			c.Abort()
		}
	}
}

package main

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Wrap makes a gin handler of net/http middleware, such as the Handler method of
// a smilesig.Verifier or a joburl.URLs. When the middleware does not call next, it
// has answered the request itself, and Wrap ends the chain.
//
// The handlers behind it read the body as ever. What the middleware puts into the
// context is in c.Request.Context(), not in c.
//
// A handler that panics never answers with a 2xx. By itself, gin.Recovery sets no
// status after http.ErrAbortHandler or a broken pipe, even one to your database, and
// gin then answers 200. Put a recovery in front of Wrap. If it stands behind, a
// 2xx that was written before the panic goes out. gin.Recovery logs URLs, and
// gin.CustomRecoveryWithWriter(nil, …) does not.
func Wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	middleware(http.NotFoundHandler()) // a faulty Verifier panics now, not at the first callback
	return func(c *gin.Context) {
		goesOn, panics := false, true
		defer func() {
			if panics || c.IsAborted() && len(c.Errors) > 0 { // as gin.Recovery leaves it
				withdraw(c)
			}
		}()
		next := func(_ http.ResponseWriter, r *http.Request) {
			goesOn = true
			c.Request = r
			c.Next()
		}
		middleware(http.HandlerFunc(next)).ServeHTTP(c.Writer, c.Request)
		panics = false
		if !goesOn {
			c.Abort()
		}
	}
}

// withdraw replaces a 2xx by 500. If it is written, but still in the server's buffer,
// withdraw closes the connection or the stream of HTTP/2.
func withdraw(c *gin.Context) {
	switch {
	case c.Writer.Status() >= http.StatusMultipleChoices: // no 2xx
	case c.Writer.Written():
		http.NewResponseController(c.Writer).SetWriteDeadline(time.Now())
	default:
		c.Status(http.StatusInternalServerError)
	}
}

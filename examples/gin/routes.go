package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"example.com/smilesig"
)

// A Result is what is used of a v1 or v2 callback. v3 webhooks have other names.
type Result struct {
	SmileJobID string `binding:"required"`
	ResultCode string
}

// newRouter has no access log, because that would hold the path.
func newRouter(v *smilesig.Verifier, path string, keep func(context.Context, Result) error) *gin.Engine {
	router := gin.New()
	router.POST(path, answerErrors, recovery(), Smile(v), takeCallback(keep))
	return router
}

// takeCallback acknowledges a callback once it is kept. Without a 2xx it comes again.
func takeCallback(keep func(context.Context, Result) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		var result Result
		if err := c.ShouldBindJSON(&result); err != nil {
			c.AbortWithError(http.StatusBadRequest, err)
			return
		}
		if err := keep(c.Request.Context(), result); err != nil {
			c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.Status(http.StatusOK)
	}
}

// logResult is where a partner would look up the job and store its result.
func logResult(ctx context.Context, r Result) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified {
		return errors.New("not verified: is Smile missing on this route?")
	}
	slog.InfoContext(ctx, "callback", "partner", cb.PartnerID, "job", r.SmileJobID, "code", r.ResultCode, "seen_before", cb.SeenBefore)
	return nil
}

// answerErrors logs errors and makes sure that none is answered with 200. Gin
// takes a panic about any broken connection, also one to a database, for one
// about the client's, and sets no status then.
func answerErrors(c *gin.Context) {
	c.Next()
	for _, err := range c.Errors {
		slog.ErrorContext(c.Request.Context(), "callback failed", "error", err)
	}
	if len(c.Errors) > 0 && !c.Writer.Written() {
		c.Status(http.StatusInternalServerError)
	}
}

// recovery makes an error of a panic. Gin's own log is off, because it can hold
// the headers of the request, and so the signature of a v3 webhook.
func recovery() gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, reason any) {
		c.AbortWithError(http.StatusInternalServerError, fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
	})
}

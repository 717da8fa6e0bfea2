// A gin server for Smile ID's callbacks, each at the URL of its job. To use it in
// a server of your own, copy adapter.go.
//
//	export SMILE_PARTNER_ID=… SMILE_API_KEY=…
//	export SMILE_ORIGIN=https://partner.example SMILE_CALLBACK_SECRET=$(openssl rand -hex 32)
//	go run .
//
// A proxy in front has the TLS. What starts a job puts urls.For(job) into its
// request as the callback_url, with urls made as in newRouter.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	router, err := newRouter(os.Getenv, logVerdict)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: router, ReadTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type keepFunc = func(ctx context.Context, job, verdict string) error

// newRouter has no access log, because that would hold the URLs. It has no
// gin.Recovery either: that sets no status after a panic about a broken
// connection, even one to your database, and gin would acknowledge the callback
// with 200. Without it, net/http closes the connection.
func newRouter(getenv func(string) string, keep keepFunc) (http.Handler, error) {
	signer, signerErr := smilesig.NewSigner(smilesig.Credential{
		PartnerID: getenv("SMILE_PARTNER_ID"),
		APIKey:    getenv("SMILE_API_KEY"),
	})
	urls, urlsErr := joburl.New(getenv("SMILE_ORIGIN")+"/callbacks", []byte(getenv("SMILE_CALLBACK_SECRET")))
	if err := errors.Join(signerErr, urlsErr); err != nil {
		return nil, err
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: &smilesig.MemoryGuard{}}
	router := gin.New()
	router.POST("/callbacks/:job", Wrap(urls.Handler), Wrap(verifier.Handler), takeCallback(keep))
	return router, nil
}

// takeCallback acknowledges a callback once its verdict is kept. Without a 2xx it
// comes again.
func takeCallback(keep keepFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		job, _ := joburl.FromContext(ctx)
		var result struct{ ResultCode, Status string } // v1 and v2 have ResultCode, v3 has status
		if err := c.ShouldBindJSON(&result); err != nil || result.ResultCode+result.Status == "" {
			slog.ErrorContext(ctx, "callback without a verdict", "job", job, "error", err)
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		if err := keep(ctx, job, cmp.Or(result.ResultCode, result.Status)); err != nil {
			slog.ErrorContext(ctx, "verdict not kept", "job", job, "error", err)
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		c.Status(http.StatusOK)
	}
}

// logVerdict stands for a partner's own code. That looks up the job, keeps the
// verdict unless IsFinalResult is "false", and leaves a job alone that is decided.
// examples/readback shows how, and compares the ids in the body with the job's.
func logVerdict(ctx context.Context, job, verdict string) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified || job == "" {
		return errors.New("urls.Handler or verifier.Handler is missing on this route")
	}
	slog.InfoContext(ctx, "callback", "job", job, "verdict", verdict, "seen_before", cb.SeenBefore)
	return nil
}

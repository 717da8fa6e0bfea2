// An echo v5 server for Smile ID's callbacks, each at the URL of its job. There is
// no adapter to copy: echo.WrapMiddleware is one, see newRouter.
//
//	export SMILE_PARTNER_ID=… SMILE_API_KEY=…
//	export SMILE_ORIGIN=https://partner.example SMILE_CALLBACK_SECRET=$(openssl rand -hex 32)
//	go run ./v5
//
// A proxy in front has the TLS. What starts a job puts urls.For(job) into its
// request as the callback_url, with urls made as in newRouter.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v5"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

func main() {
	router, err := newRouter(os.Getenv, logVerdict)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: router, ReadTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type keepFunc = func(ctx context.Context, job, verdict string) error

// newRouter has no access log, because that would hold the URLs.
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
	router := echo.New()
	router.POST("/callbacks/:job", takeCallback(keep), echo.WrapMiddleware(urls.Handler), echo.WrapMiddleware(verifier.Handler))
	return router, nil
}

// takeCallback acknowledges a callback once its verdict is kept. Without a 2xx it
// comes again.
//
// It does not use c.Bind, which reads more than the body: the signature covers no
// path and no query. It always writes an answer: behind echo.WrapMiddleware, the
// status of a handler that writes nothing is 0 to the middleware in front.
func takeCallback(keep keepFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		ctx := c.Request().Context()
		job, _ := joburl.FromContext(ctx)
		var result struct{ ResultCode, Status string } // v1 and v2 have ResultCode, v3 has status
		if err := json.NewDecoder(c.Request().Body).Decode(&result); err != nil || result.ResultCode+result.Status == "" {
			slog.ErrorContext(ctx, "callback without a verdict", "job", job, "error", err)
			return c.NoContent(http.StatusBadRequest)
		}
		if err := keep(ctx, job, cmp.Or(result.ResultCode, result.Status)); err != nil {
			slog.ErrorContext(ctx, "verdict not kept", "job", job, "error", err)
			return c.NoContent(http.StatusInternalServerError)
		}
		return c.NoContent(http.StatusOK)
	}
}

// logVerdict stands for a partner's own code. That looks up the job, keeps the
// verdict, and leaves a job alone that is decided.
func logVerdict(ctx context.Context, job, verdict string) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified || job == "" {
		return errors.New("urls.Handler or verifier.Handler is missing on this route")
	}
	slog.InfoContext(ctx, "callback", "job", job, "verdict", verdict, "seen_before", cb.SeenBefore)
	return nil
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"example.com/smilesig"
)

// A Result is what is used of a v1 or v2 callback. v3 webhooks have other names.
type Result struct {
	SmileJobID string
	ResultCode string
}

// newRouter has no access log, because that would hold the path.
func newRouter(v *smilesig.Verifier, path string, keep func(context.Context, Result) error) *echo.Echo {
	router := echo.New()
	router.POST(path, takeCallback(keep), logErrors, middleware.Recover(), Smile(v))
	return router
}

// takeCallback acknowledges a callback once it is kept. Without a 2xx it comes again.
func takeCallback(keep func(context.Context, Result) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		var result Result
		if err := c.Bind(&result); err != nil {
			return err
		}
		if result.SmileJobID == "" {
			return echo.NewHTTPError(http.StatusBadRequest, "no SmileJobID")
		}
		if err := keep(c.Request().Context(), result); err != nil {
			return err
		}
		return c.NoContent(http.StatusOK)
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

// logErrors is here because echo's HTTPErrorHandler answers but does not log.
func logErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err != nil {
			slog.ErrorContext(c.Request().Context(), "callback failed", "error", err)
		}
		return err
	}
}

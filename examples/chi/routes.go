package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"example.com/smilesig"
)

// A Result is what is used of a v1 or v2 callback. v3 webhooks have other names.
type Result struct {
	SmileJobID string
	ResultCode string
}

// newRouter has no access log, because that would hold the path.
func newRouter(v *smilesig.Verifier, path string, keep func(context.Context, Result) error) http.Handler {
	router := chi.NewRouter()
	router.Use(withoutUpgrade, middleware.Recoverer)
	router.With(v.Handler).Post(path, takeCallback(keep))
	return router
}

// withoutUpgrade lets the Recoverer answer 500 to every panic. To a request with
// Connection: Upgrade, as some proxies send it, it writes no status, and net/http
// would acknowledge the callback.
func withoutUpgrade(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Connection")
		next.ServeHTTP(w, r)
	})
}

// takeCallback acknowledges a callback once it is kept. Without a 2xx it comes again.
func takeCallback(keep func(context.Context, Result) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var result Result
		if err := json.NewDecoder(r.Body).Decode(&result); err != nil || result.SmileJobID == "" {
			slog.ErrorContext(r.Context(), "callback without SmileJobID", "error", err)
			http.Error(w, "no SmileJobID", http.StatusBadRequest)
			return
		}
		if err := keep(r.Context(), result); err != nil {
			slog.ErrorContext(r.Context(), "callback not kept", "error", err)
			http.Error(w, "not kept", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}

// logResult is where a partner would look up the job and store its result.
func logResult(ctx context.Context, r Result) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified {
		return errors.New("not verified: is the Verifier's Handler missing on this route?")
	}
	slog.InfoContext(ctx, "callback", "partner", cb.PartnerID, "job", r.SmileJobID, "code", r.ResultCode, "seen_before", cb.SeenBefore)
	return nil
}

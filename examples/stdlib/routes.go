package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"example.com/smilesig"
)

// A Result is what is used of a v1 or v2 callback. v3 webhooks have other names.
type Result struct {
	SmileJobID string
	ResultCode string
}

type keepFunc func(ctx context.Context, tenant string, r Result) error

// newMux gives each tenant a Verifier. They share a guard, which must be so if
// two tenants have a credential in common.
func newMux(all tenants, keep keepFunc) *http.ServeMux {
	guard := &smilesig.MemoryGuard{}
	mux := http.NewServeMux()
	for name, t := range all {
		verifier := &smilesig.Verifier{Signer: t.signer, Guard: guard}
		mux.Handle("POST "+t.Path, verifier.Handler(takeCallback(name, keep)))
	}
	return mux
}

// takeCallback acknowledges a callback once it is kept. Without a 2xx it comes again.
func takeCallback(tenant string, keep keepFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var result Result
		if err := json.NewDecoder(r.Body).Decode(&result); err != nil || result.SmileJobID == "" {
			slog.ErrorContext(r.Context(), "callback without SmileJobID", "tenant", tenant, "error", err)
			http.Error(w, "no SmileJobID", http.StatusBadRequest)
			return
		}
		if err := keep(r.Context(), tenant, result); err != nil {
			slog.ErrorContext(r.Context(), "callback not kept", "tenant", tenant, "error", err)
			http.Error(w, "not kept", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// logResult is where a partner would look up the job and store its result.
func logResult(ctx context.Context, tenant string, r Result) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified {
		return errors.New("not verified: is the Verifier's Handler missing on this route?")
	}
	slog.InfoContext(ctx, "callback", "tenant", tenant, "job", r.SmileJobID, "code", r.ResultCode, "seen_before", cb.SeenBefore)
	return nil
}

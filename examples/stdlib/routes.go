package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

type keepFunc func(ctx context.Context, tenant, job, verdict string) error

// newMux gives each tenant a Verifier. They share a guard, which must be so if
// two tenants have a credential in common.
func newMux(all tenants, keep keepFunc) *http.ServeMux {
	guard := &smilesig.MemoryGuard{}
	mux := http.NewServeMux()
	for name, t := range all {
		verifier := &smilesig.Verifier{Signer: t.signer, Guard: guard}
		mux.Handle("POST /callbacks/"+name+"/", t.urls.Handler(verifier.Handler(takeCallback(name, keep))))
	}
	return mux
}

// takeCallback acknowledges a callback once its verdict is kept. Without a 2xx it
// comes again.
func takeCallback(tenant string, keep keepFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		job, _ := joburl.FromContext(ctx)
		var result struct{ ResultCode, Status string } // v1 and v2 have ResultCode, v3 has status
		if err := json.NewDecoder(r.Body).Decode(&result); err != nil || result.ResultCode+result.Status == "" {
			slog.ErrorContext(ctx, "callback without a verdict", "tenant", tenant, "job", job, "error", err)
			http.Error(w, "no verdict", http.StatusBadRequest)
			return
		}
		if err := keep(ctx, tenant, job, cmp.Or(result.ResultCode, result.Status)); err != nil {
			slog.ErrorContext(ctx, "verdict not kept", "tenant", tenant, "job", job, "error", err)
			http.Error(w, "not kept", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// logVerdict stands for a partner's own code. That looks up the job, keeps the
// verdict, and leaves a job alone that is decided.
func logVerdict(ctx context.Context, tenant, job, verdict string) error {
	cb, isVerified := smilesig.FromContext(ctx)
	if !isVerified || job == "" {
		return errors.New("urls.Handler or verifier.Handler is missing on this route")
	}
	slog.InfoContext(ctx, "callback", "tenant", tenant, "job", job, "verdict", verdict, "seen_before", cb.SeenBefore)
	return nil
}

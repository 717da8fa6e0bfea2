package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/result"
)

type keepFunc func(ctx context.Context, tenant, job string, found result.Result) error

// newHandler gives each tenant a Verifier. They share a guard, which must be so if
// two tenants have a credential in common. There is no router, which would answer a
// URL that was changed on its way: the URLs of its tenant hear of it.
func newHandler(all tenants, keep keepFunc) http.Handler {
	guard := &smilesig.MemoryGuard{}
	handlers := make(map[string]http.Handler)
	for name, t := range all {
		verifier := &smilesig.Verifier{Signer: t.signer, Guard: guard}
		handlers[name] = t.urls.Handler(verifier.Handler(takeCallback(name, keep)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[all.ownerOf(r.URL.Path)].ServeHTTP(w, r)
	})
}

// ownerOf returns the tenant whose job target has, else the one whose path it begins
// with, else any.
func (all tenants) ownerOf(target string) (owner string) {
	for name, t := range all {
		if _, isOwn := t.urls.Job(path.Base(target)); isOwn {
			return name
		}
		if owner == "" || strings.HasPrefix(target, "/callbacks/"+name+"/") {
			owner = name
		}
	}
	return owner
}

// takeCallback acknowledges a callback once its result is kept.
func takeCallback(tenant string, keep keepFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job, _ := joburl.FromContext(r.Context())
		body, readErr := io.ReadAll(r.Body)
		found, parseErr := result.Parse(body) // and nothing else reads the body
		if err := errors.Join(readErr, parseErr); err != nil {
			slog.ErrorContext(r.Context(), "callback without a result", "tenant", tenant, "job", job, "error", err)
			http.Error(w, "no result", http.StatusBadRequest)
			return
		}
		if err := keep(r.Context(), tenant, job, found); err != nil {
			slog.ErrorContext(r.Context(), "result not kept", "tenant", tenant, "job", job, "error", err)
			http.Error(w, "not kept", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// logResult stands for a partner's own code. examples/river has that: it keeps the
// result, reads it back from Smile ID, and decides once for each job. A Provisional
// result waits for another one. What is neither Approved nor Rejected is for a person.
func logResult(ctx context.Context, tenant, job string, found result.Result) error {
	cb, _ := smilesig.FromContext(ctx)
	slog.InfoContext(ctx, "callback", "tenant", tenant, "job", job, "outcome", found.Outcome.String(),
		"code", found.Code, "provisional", found.Provisional, "seen_before", cb.SeenBefore)
	return nil
}

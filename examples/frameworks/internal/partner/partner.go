// Package partner is what the servers of this module have in common: a partner of
// Smile ID with its settings, and what it does with a callback. Each server's own
// directory has what its framework needs beside that.
package partner

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/result"
)

// A Partner takes Smile ID's callbacks, each at the URL of its job. What starts a
// job puts URLs.For(job) into its request as the callback_url.
type Partner struct {
	URLs     *joburl.URLs
	Verifier *smilesig.Verifier
	Keep     Keep
}

// Keep keeps the result of a job. It is called again with every result that comes
// for the job, and decides once.
type Keep func(ctx context.Context, job string, found result.Result) error

// New reads the settings.
//
//	export SMILE_PARTNER_ID=… SMILE_API_KEY=…
//	export SMILE_ORIGIN=https://partner.example SMILE_CALLBACK_SECRET=$(openssl rand -hex 32)
//
// Use one secret for each environment. The guard is the Verifier's own: several
// instances must share one, so set Verifier.Guard, as package lambda does.
func New(getenv func(string) string, keep Keep) (*Partner, error) {
	signer, signerErr := smilesig.NewSigner(smilesig.Credential{
		PartnerID: getenv("SMILE_PARTNER_ID"),
		APIKey:    getenv("SMILE_API_KEY"),
	})
	urls, urlsErr := joburl.New(getenv("SMILE_ORIGIN")+"/callbacks", []byte(getenv("SMILE_CALLBACK_SECRET")))
	if err := errors.Join(signerErr, urlsErr); err != nil {
		return nil, err
	}
	return &Partner{URLs: urls, Verifier: &smilesig.Verifier{Signer: signer}, Keep: keep}, nil
}

// Take takes a callback that was verified at the URL of its job, and returns the
// status of the answer. It acknowledges a callback once its result is kept. Smile ID
// does not promise to send a callback again that gets no 2xx.
func (p *Partner) Take(ctx context.Context, body io.Reader) (status int) {
	_, isVerified := smilesig.FromContext(ctx)
	job, hasJob := joburl.FromContext(ctx)
	if !isVerified || !hasJob {
		slog.ErrorContext(ctx, "URLs.Handler or Verifier.Handler is missing on this route")
		return http.StatusInternalServerError
	}
	text, err := io.ReadAll(body)
	if err != nil {
		slog.ErrorContext(ctx, "callback not read", "job", job, "error", err)
		return http.StatusBadRequest
	}
	found, err := result.Parse(text) // and nothing else reads the body
	if err != nil {
		slog.ErrorContext(ctx, "callback without a result", "job", job, "error", err)
		return http.StatusBadRequest
	}
	if err := p.Keep(ctx, job, found); err != nil {
		slog.ErrorContext(ctx, "result not kept", "job", job, "error", err)
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// LogResult stands for a partner's own code. examples/river has that: it keeps the
// result, reads it back from Smile ID, and decides once for each job.
func LogResult(ctx context.Context, job string, found result.Result) error {
	next := "no decision: docs/outcomes.md says what to do" // Review, NoVerdict and Unknown
	switch {
	case found.Provisional:
		next = "another result will come"
	case found.Outcome == result.Approved, found.Outcome == result.Rejected:
		next = "read it back, then decide"
	}
	slog.InfoContext(ctx, next, "job", job, "outcome", found.Outcome.String(), "code", found.Code)
	return nil
}

// Serve runs a net/http server. A proxy in front has the TLS.
func Serve(getenv func(string) string, newHandler func(*Partner) http.Handler) {
	p, err := New(getenv, LogResult)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: newHandler(p), ReadTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}

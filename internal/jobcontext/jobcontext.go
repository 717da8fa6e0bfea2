// Package jobcontext has the job of a callback in a context, for package joburl and
// for the log of the Verifier behind it.
package jobcontext

import (
	"context"
	"log/slog"
)

type key struct{}

// With returns a context in which From finds job.
func With(ctx context.Context, job string) context.Context {
	return context.WithValue(ctx, key{}, job)
}

// From returns the job, and whether there is one.
func From(ctx context.Context) (job string, ok bool) {
	job, ok = ctx.Value(key{}).(string)
	return job, ok
}

// Attr is the job for a log line. Handlers leave it out where there is none.
func Attr(ctx context.Context) slog.Attr {
	if job, ok := From(ctx); ok {
		return slog.String("job", job)
	}
	return slog.Attr{}
}

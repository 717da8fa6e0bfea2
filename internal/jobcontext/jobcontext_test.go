package jobcontext_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig/internal/jobcontext"
)

func TestJobContext(t *testing.T) {
	ctx := jobcontext.With(t.Context(), "job-1")
	job, ok := jobcontext.From(ctx)
	assert.True(t, ok)
	assert.Equal(t, "job-1", job)
	assert.Equal(t, slog.String("job", "job-1"), jobcontext.Attr(ctx))

	_, ok = jobcontext.From(t.Context())
	assert.False(t, ok)
	assert.Zero(t, jobcontext.Attr(t.Context()))
}

package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
)

func TestUnreadableStdin(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"sign", "-inject"}, {"sign", "-key-file", "-"}, {"verify"}} {
		var stderr strings.Builder
		c := smilesigCommand(args...)
		code := run(t.Context(), c.args, iotest.ErrReader(errors.New("unreadable")), io.Discard, &stderr, c.getenv)
		assert.Equal(t, exitUsage, code, args)
		assert.Contains(t, stderr.String(), "unreadable", args)
	}
}

// A brokenPipe is what a program writes to whose reader has gone.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	for _, args := range [][]string{
		{"sign"}, {"sign", "-json"}, {"sign", "-inject"}, {"verify"}, {"verify", "-json"},
		{"send", r.URL}, {"send", "-json", r.URL}, {"serve", "-addr", "127.0.0.1:0"},
	} {
		var stderr strings.Builder
		c := smilesigCommand(args...)
		code := run(t.Context(), c.args, strings.NewReader("{}"), brokenPipe{}, &stderr, c.getenv)
		assert.Equal(t, exitRefused, code, args)
		assert.Contains(t, stderr.String(), "broken pipe", args)
	}
}

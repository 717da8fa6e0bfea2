package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig/examples/internal/servertest"
)

const path = "/8f14e45fceea167a5a36"

func TestServer(t *testing.T) { servertest.Test(t, run) }

func TestWhatIsNotKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(context.Context, Result) error{
		"error":                  func(context.Context, Result) error { return errors.New("made up") },
		"panic":                  func(context.Context, Result) error { panic("made up") },
		"panic of a broken pipe": func(context.Context, Result) error { panic(fmt.Errorf("database: %w", syscall.EPIPE)) },
	} {
		server := httptest.NewServer(newRouter(newVerifier(t), path, keep))
		status, _, _ := post(t, genuine(), server.URL+path)
		assert.Equal(t, http.StatusInternalServerError, status, name)
		server.Close()
	}
}

func TestAPanicIsAnErrorToWhoAsksForAnUpgrade(t *testing.T) {
	t.Parallel()
	router := newRouter(newVerifier(t), path, func(context.Context, Result) error { panic("made up") })
	r := genuine().Request(path)
	r.Header.Set("Connection", "Upgrade")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	assert.Equal(t, http.StatusInternalServerError, w.Code)
}

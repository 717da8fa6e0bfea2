package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"example.com/smilesig/examples/frameworks/internal/servertest"
)

func TestServer(t *testing.T) { servertest.TestNetHTTP(t, newRouter) }

// A statusLog is a log of chi's own.
type statusLog func(status int)

func (l statusLog) NewLogEntry(*http.Request) middleware.LogEntry { return l }

func (l statusLog) Write(status, _ int, _ http.Header, _ time.Duration, _ any) { l(status) }

func (l statusLog) Panic(any, []byte) {}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	servertest.TestMiddleware(t, func(logged func(int), wrapped []func(http.Handler) http.Handler, handle servertest.Handle) servertest.Serve {
		router := chi.NewRouter()
		router.Use(middleware.RequestLogger(statusLog(logged)), middleware.Recoverer)
		router.Use(wrapped...)
		router.Post("/callbacks/{job}", func(w http.ResponseWriter, r *http.Request) {
			status, body, err := handle(r)
			if err != nil {
				http.Error(w, err.Error(), status)
				return
			}
			w.WriteHeader(status)
			w.Write(body)
		})
		return servertest.HTTP(router)
	})
}

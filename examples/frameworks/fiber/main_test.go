package main

import (
	"net"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/examples/frameworks/internal/servertest"
)

func serve(app *fiber.App) servertest.Serve {
	return func(l net.Listener) error {
		return app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true})
	}
}

func newServer(p *partner.Partner) servertest.Serve { return serve(newApp(p)) }

func TestServer(t *testing.T) { servertest.TestServer(t, newServer) }

func TestChangedURLs(t *testing.T) { servertest.TestChangedURLs(t, newServer) }

func TestBehindNginx(t *testing.T) { servertest.TestBehindNginx(t, newServer) }

func TestMiddleware(t *testing.T) {
	t.Parallel()
	servertest.TestMiddleware(t, func(logged func(int), wrapped []func(http.Handler) http.Handler, handle servertest.Handle) servertest.Serve {
		var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, body, err := handle(r)
			if err != nil {
				http.Error(w, err.Error(), status)
				return
			}
			w.WriteHeader(status)
			w.Write(body)
		})
		for _, m := range []int{1, 0} {
			handler = wrapped[m](handler)
		}
		app := fiber.New()
		app.Use(func(c fiber.Ctx) error {
			err := c.Next()
			if err != nil {
				err = c.App().ErrorHandler(c, err)
			}
			logged(c.Response().StatusCode())
			return err
		}, recover.New())
		app.Post("/callbacks/:job", adaptor.HTTPHandler(handler))
		return serve(app)
	})
}

// fiber's own limit must not refuse what a Verifier takes.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	assert.Equal(t, smilesig.DefaultMaxBytes, fiber.DefaultBodyLimit)
}

// A fiber server for Smile ID's callbacks. There is no adapter to copy: fiber's own
// takes a net/http handler with its middleware. Package partner names the settings.
//
//	go run ./fiber
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/recover"

	"example.com/smilesig/examples/frameworks/internal/partner"
)

func main() {
	p, err := partner.New(os.Getenv, partner.LogResult)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(newApp(p).Listen("127.0.0.1:8080"))
}

// newApp has no access log, because that would hold the URLs.
//
// The handler behind the middleware is one of net/http, too, and its request is good
// until it returns. With adaptor.HTTPMiddleware it could be one of fiber, but then
// the job and the Callback come by reflection over the context. Without recover, a
// panic ends the process.
//
// fiber reads every body before a handler runs, also one to a guessed URL: 4 MiB at
// most, which is DefaultMaxBytes, and no longer than ReadTimeout.
func newApp(p *partner.Partner) *fiber.App {
	take := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(p.Take(r.Context(), r.Body)) }
	app := fiber.New(fiber.Config{ReadTimeout: 20 * time.Second})
	app.Post("/callbacks/:job", recover.New(), adaptor.HTTPHandler(p.URLs.Handler(p.Verifier.Handler(http.HandlerFunc(take)))))
	app.Use(adaptor.HTTPHandler(p.URLs.Handler(http.NotFoundHandler()))) // hears of URLs that something in front has changed
	return app
}

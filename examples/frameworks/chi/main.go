// A chi server for Smile ID's callbacks. There is no adapter to copy: chi takes
// net/http middleware as it is. Package partner names the settings.
//
//	go run ./chi
package main

import (
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"

	"example.com/smilesig/examples/frameworks/internal/partner"
)

func main() { partner.Serve(os.Getenv, newRouter) }

// newRouter has no access log, because that would hold the URLs. It has no
// middleware.Recoverer either: that sets no status after a panic if the request
// has Connection: Upgrade, as some proxies send it, and net/http would acknowledge
// the callback with 200. Without it, net/http closes the connection.
func newRouter(p *partner.Partner) http.Handler {
	router := chi.NewRouter()
	router.NotFound(p.URLs.Handler(http.NotFoundHandler()).ServeHTTP) // hears of URLs that something in front has changed
	router.With(p.URLs.Handler, p.Verifier.Handler).Post("/callbacks/{job}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(p.Take(r.Context(), r.Body))
	})
	return router
}

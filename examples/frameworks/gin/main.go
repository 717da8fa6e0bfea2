// A gin server for Smile ID's callbacks. To use it in a server of your own, copy
// wrap.go. Package partner names the settings.
//
//	go run ./gin
package main

import (
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"example.com/smilesig/examples/frameworks/internal/partner"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	partner.Serve(os.Getenv, newRouter)
}

// newRouter has no access log, as gin.Default has, because that would hold the URLs.
// gin.Recovery would write them there, too. NoRoute lets URLs.Handler hear of URLs
// that something in front has changed.
func newRouter(p *partner.Partner) http.Handler {
	router := gin.New()
	router.RedirectTrailingSlash = false
	router.NoRoute(Wrap(p.URLs.Handler))
	router.POST("/callbacks/:job", Wrap(p.URLs.Handler), Wrap(p.Verifier.Handler), func(c *gin.Context) {
		c.Status(p.Take(c.Request.Context(), c.Request.Body))
	})
	return router
}

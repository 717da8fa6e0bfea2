package redisguard_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/redisguard"
)

func Example() {
	signer, err := smilesig.NewSigner(smilesig.Credential{
		PartnerID: os.Getenv("SMILE_PARTNER_ID"),
		APIKey:    os.Getenv("SMILE_API_KEY"),
	})
	if err != nil {
		log.Fatal(err)
	}
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	guard, err := redisguard.New(redis.NewClient(options), redisguard.Options{})
	if err != nil {
		log.Fatal(err)
	}
	switch err := guard.Check(context.Background()); {
	case errors.Is(err, redisguard.ErrNotVisible):
		log.Print(err)
	case err != nil:
		log.Fatal(err)
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard}
	urls, err := joburl.New("https://partner.example/callbacks", []byte(os.Getenv("SMILE_CALLBACK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	handler := urls.Handler(verifier.Handler(http.HandlerFunc(takeResult)))
	server := &http.Server{Addr: ":8080", Handler: handler, ReadTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}

func takeResult(_ http.ResponseWriter, r *http.Request) {
	callback, _ := smilesig.FromContext(r.Context())
	log.Printf("callback of %v, seen before: %t", callback.Time, callback.SeenBefore)
}

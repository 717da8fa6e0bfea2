package redisguard_test

import (
	"log"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
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
	client := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true,
	})
	guard, err := redisguard.New(client, redisguard.Options{})
	if err != nil {
		log.Fatal(err)
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard}
	http.Handle("POST /callback", verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		callback, _ := smilesig.FromContext(r.Context())
		log.Printf("callback of %v, seen before: %t", callback.Time, callback.SeenBefore)
	})))
	log.Fatal(http.ListenAndServe(":8080", nil))
}

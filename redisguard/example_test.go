package redisguard_test

import (
	"log"
	"net/http"
	"os"
	"time"

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
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true, DialerRetries: 1})
	guard, err := redisguard.New(client, redisguard.Options{})
	if err != nil {
		log.Fatal(err)
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/"+os.Getenv("SMILE_CALLBACK_SECRET"), verifier.Handler(http.HandlerFunc(takeResult)))
	server := &http.Server{Addr: ":8080", Handler: mux, ReadTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}

func takeResult(_ http.ResponseWriter, r *http.Request) {
	callback, _ := smilesig.FromContext(r.Context())
	log.Printf("callback of %v, seen before: %t", callback.Time, callback.SeenBefore)
}

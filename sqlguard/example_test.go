package sqlguard_test

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"os"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/sqlguard"
)

// The table is there, because a migration has run PostgreSQLSchema.
func Example() {
	signer, err := smilesig.NewSigner(smilesig.Credential{
		PartnerID: os.Getenv("SMILE_PARTNER_ID"),
		APIKey:    os.Getenv("SMILE_API_KEY"),
	})
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	guard, err := sqlguard.New(db, sqlguard.Options{Dialect: sqlguard.PostgreSQL})
	if err != nil {
		log.Fatal(err)
	}
	if err := guard.Check(context.Background()); err != nil {
		log.Fatal(err)
	}
	go sweep(guard)
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard}
	urls, err := joburl.New("https://partner.example/callbacks", []byte(os.Getenv("SMILE_CALLBACK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	handler := urls.Handler(verifier.Handler(http.HandlerFunc(takeResult)))
	server := &http.Server{Addr: ":8080", Handler: handler, ReadTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}

func sweep(guard *sqlguard.Guard) {
	for range time.Tick(time.Minute) {
		if _, err := guard.Sweep(context.Background()); err != nil {
			log.Print(err)
		}
	}
}

func takeResult(_ http.ResponseWriter, r *http.Request) {
	callback, _ := smilesig.FromContext(r.Context())
	log.Printf("callback of %v, seen before: %t", callback.Time, callback.SeenBefore)
}

func Example_sqlite() {
	db, err := sql.Open("sqlite", "file:callbacks.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(500)")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // so that binds queue here and do not poll for the lock
	guard, err := sqlguard.New(db, sqlguard.Options{Dialect: sqlguard.SQLite})
	if err != nil {
		log.Fatal(err)
	}
	go sweep(guard)
}

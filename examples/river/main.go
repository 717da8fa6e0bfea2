// River is the pattern for decisions that matter, in v1, v2 and v3, on any number of
// machines. A callback's signature does not cover its body, so nothing in the body is
// acted on:
//
//  1. A job is a row of PostgreSQL before Smile ID hears of it (service.go). The row has
//     the names to ask by, and a deadline.
//  2. A callback is verified. Its URL tells the row. A transaction puts a job of River
//     (https://riverqueue.com) into the queue, unless the row has one there. Then Smile ID
//     gets its 200 (callbacks.go).
//  3. A worker asks Smile ID. It decides and acts in one transaction (worker.go). While
//     there is no final result, it asks again later. What no program should decide goes
//     to the table people: reviews, results without a verdict or of unknown meaning, and
//     answers that are not about our job.
//  4. A sweep asks about what is open after its deadline, whether a callback has come or
//     not (sweep.go).
//
// # What it guarantees
//
// Each row gets one decision at most, and its action happens once, in the transaction of
// the decision. That is so for any number and any order of callbacks, on any number of
// machines, which may die at any time.
//
// Each row ends as approved, as rejected or with a person, as long as PostgreSQL keeps
// what it has committed, and Smile ID can be asked at some time. Neither a lost callback
// nor a forged one changes what it ends as. A callback that comes later still decides a
// row that is with a person.
//
// # What it does not guarantee
//
// A decision is as true as Smile ID's own answer: see package readback. The answer of v3
// tells the status of a job and its user, but neither the product nor whose document was
// checked.
//
// The first decision stands. If Smile ID revises a final result, a person has to notice.
//
// After a callback, the decision comes within seconds. It can take a few minutes if a
// machine dies. If the callback comes while the job runs, the job asks again after half a
// minute, or after up to an hour if it has been in the queue for long.
//
// If the answer to a request of v3 is lost, nobody knows Smile ID's name for the job. The
// row goes to a person at its deadline.
//
// # The demonstration
//
// It needs an empty database, and runs against a stand-in for Smile ID, which makes up
// the results:
//
//	DATABASE_URL=postgres://... go run ./examples/river
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/smilesig"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest/standin"
)

func main() {
	if err := run(context.Background(), os.Getenv("DATABASE_URL"), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run starts an instance, has three jobs verified and prints the decisions.
func run(ctx context.Context, database string, out io.Writer) error {
	db, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrate(ctx, db); err != nil {
		return err
	}
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		return err
	}
	defer smileID.Close()

	server := httptest.NewUnstartedServer(nil)
	decisions := make(chan string, 3)
	s, err := newService(db, credential, smileID.URL, "http://"+server.Listener.Addr().String()+"/callbacks", []byte(rand.Text()+rand.Text()),
		func(_ context.Context, _ pgx.Tx, id string, decision result.Outcome) error {
			decisions <- fmt.Sprintf("%s: %v", id, decision)
			return nil
		})
	if err != nil {
		return err
	}
	s.pace.sweep = time.Second
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.queue.Stop(ctx)
	server.Config.Handler = s.handler()
	server.Start()
	defer server.Close()

	client := http.Client{Transport: &smilesig.Transport{Signer: s.signer, Origins: []string{smileID.URL}}}
	for sandboxResult, name := range []string{"a good job", "a bad job", "a job whose callback is lost"} {
		v := verification{id: name + ", " + rand.Text(), version: 1, userID: "user-1", deadline: time.Now().Add(2 * time.Second)}
		err := s.verify(ctx, v, func(ctx context.Context, callbackURL string) (smileJob string, err error) {
			if sandboxResult == 2 {
				callbackURL = "http://127.0.0.1:1/"
			}
			response, err := client.Post(smileID.URL+"/v1/async_id_verification", "application/json", strings.NewReader(fmt.Sprintf(
				`{"partner_id": "085", "country": "NG", "id_type": "NIN_V2", "id_number": "00000000000", "callback_url": %q,
				"partner_params": {"user_id": %q, "job_id": %q, "job_type": 5, "sandbox_result": "%d"}}`,
				callbackURL, v.userID, v.id, sandboxResult%2)))
			if err == nil {
				response.Body.Close()
			}
			return "", err // v1 and v2 are asked by our names
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(out, <-decisions)
	}
	return nil
}

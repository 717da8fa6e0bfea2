package joburl_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

func Example() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		log.Fatal(err)
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: &smilesig.MemoryGuard{}}

	secret := bytes.Repeat([]byte("x"), 32) // yours is random, and for this alone
	urls, err := joburl.New("https://partner.example/callbacks", secret)
	if err != nil {
		log.Fatal(err)
	}
	next := func(w http.ResponseWriter, r *http.Request) {
		job, ok := joburl.FromContext(r.Context())
		if !ok {
			http.Error(w, "urls.Handler is missing on this route", http.StatusInternalServerError)
			return
		}
		fmt.Println("a callback for", job)
	}
	handler := urls.Handler(verifier.Handler(http.HandlerFunc(next)))

	callback := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"0810"}`))
	for _, url := range []string{
		urls.For("kenya:production:4711:1"), // the callback_url of the job's request
		urls.For("kenya:production:4711:1") + "0",
		"https://partner.example/callbacks/",
	} {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, callback.Request(url))
		fmt.Println(response.Code)
	}
	// Output:
	// a callback for kenya:production:4711:1
	// 200
	// 404
	// 404
}

// Behind a proxy or a handler that changes the path, such as StripPrefix, ask Job.
func ExampleURLs_Job() {
	urls, err := joburl.New("https://partner.example/callbacks", bytes.Repeat([]byte("x"), 32))
	if err != nil {
		log.Fatal(err)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job, _ := joburl.FromContext(r.Context())
		fmt.Println("a callback for", job)
	})
	verified := next // in truth verifier.Handler(next)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /{job}", func(w http.ResponseWriter, r *http.Request) {
		job, ok := urls.Job(r.PathValue("job"))
		if !ok {
			// Discard what comes within a second. The sender may lose the answer otherwise.
			w.Header().Set("Connection", "close")
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second)); err == nil {
				io.Copy(io.Discard, r.Body)
			}
			http.NotFound(w, r)
			return
		}
		verified.ServeHTTP(w, r.WithContext(joburl.NewContext(r.Context(), job)))
	})
	handler := http.StripPrefix("/callbacks", mux)

	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", urls.For("kenya:production:4711:1"), nil))
	// Output:
	// a callback for kenya:production:4711:1
}

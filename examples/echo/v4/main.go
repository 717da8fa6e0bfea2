// An echo v4 server for Smile ID's callbacks. To use it in a server of your own,
// copy adapter.go.
//
//	export SMILE_PARTNER_ID=… SMILE_API_KEY=…
//	export SMILE_CALLBACK_PATH=/$(openssl rand -hex 16)
//	go run .
//
// It listens on SMILE_LISTEN, 127.0.0.1:8080 if that is not set, for a proxy that
// has the TLS. SIGINT and SIGTERM stop it when the callbacks under way are answered.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"example.com/smilesig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("SMILE_LISTEN"), "127.0.0.1:8080"))
	if err == nil {
		err = run(ctx, os.Getenv, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Who has seen a pair can send any body with it, so the path is a secret too.
var unguessable = regexp.MustCompile(`^/[0-9A-Za-z_-]{20,}$`)

func run(ctx context.Context, getenv func(string) string, listener net.Listener) error {
	signer, err := smilesig.NewSigner(smilesig.Credential{
		PartnerID: getenv("SMILE_PARTNER_ID"),
		APIKey:    getenv("SMILE_API_KEY"),
	})
	if err != nil {
		return fmt.Errorf("SMILE_PARTNER_ID, SMILE_API_KEY: %w", err)
	}
	path := getenv("SMILE_CALLBACK_PATH")
	if !unguessable.MatchString(path) {
		return errors.New("SMILE_CALLBACK_PATH: want a slash and 20 letters or digits at least, that nobody can guess")
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: &smilesig.MemoryGuard{}}
	slog.Info("listening", "address", listener.Addr().String())
	return serve(ctx, listener, newRouter(verifier, path, logResult))
}

// serve answers requests until ctx ends, and then those that are under way.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second, // header and body, which may hold photos
		WriteTimeout:      30 * time.Second, // reading the body and the handler are in it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), server.WriteTimeout)
		defer cancel()
		return server.Shutdown(grace)
	}
}

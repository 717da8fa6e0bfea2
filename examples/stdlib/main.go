// A net/http server for the callbacks of several tenants, each a partner of
// Smile ID with keys of its own. SMILE_TENANTS names a file that has them:
//
//	{
//	  "kenya":   {"Credentials": [{"PartnerID": "085", "APIKey": "…"}],  "Secrets": ["…"]},
//	  "nigeria": {"Credentials": [{"PartnerID": "2343", "APIKey": "…"}], "Secrets": ["…"]}
//	}
//
// SMILE_ORIGIN is where Smile ID reaches the server, such as https://partner.example.
// The callbacks of each job have a URL of their own, such as
// https://partner.example/callbacks/kenya/…: what starts a job puts urls.For(job)
// into its request as the callback_url, with urls made as in tenant.prepare. A
// secret for them comes from "openssl rand -hex 32".
//
// To rotate a key, put the new credential first, leave the old one behind it, and
// send SIGHUP. When Smile ID has ceased to use the old one, remove it, and send
// SIGHUP again. If there is anything wrong with the file, no credential changes.
// Package joburl says how to rotate a secret; each step takes a restart.
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
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("SMILE_LISTEN"), "127.0.0.1:8080"))
	if err == nil {
		err = run(ctx, os.Getenv("SMILE_TENANTS"), os.Getenv("SMILE_ORIGIN"), hangups, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tenantsFile, origin string, hangups <-chan os.Signal, listener net.Listener) error {
	tenants, err := readTenants(tenantsFile, origin)
	if err != nil {
		return fmt.Errorf("SMILE_TENANTS, SMILE_ORIGIN: %w", err)
	}
	go func() {
		for range hangups {
			if err := tenants.rotate(tenantsFile, origin); err != nil {
				slog.Error("credentials not rotated", "error", err)
			} else {
				slog.Info("credentials rotated")
			}
		}
	}()
	slog.Info("listening", "address", listener.Addr().String())
	return serve(ctx, listener, newHandler(tenants, logResult))
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
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), server.WriteTimeout)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

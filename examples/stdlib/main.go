// A net/http server for the callbacks of several tenants, each a partner of
// Smile ID with a path and keys of its own. SMILE_TENANTS names a file that has
// them:
//
//	{
//	  "kenya":   {"Path": "/8f14e45fceea167a5a36", "Credentials": [{"PartnerID": "085", "APIKey": "…"}]},
//	  "nigeria": {"Path": "/c9f0f895fb98ab9159f5", "Credentials": [{"PartnerID": "2343", "APIKey": "…"}]}
//	}
//
// To rotate a key, put the new credential first, leave the old one behind it, and
// send SIGHUP. When Smile ID has ceased to use the old one, remove it, and send
// SIGHUP again. If there is anything wrong with the file, no credential changes.
//
// It listens on SMILE_LISTEN, 127.0.0.1:8080 if that is not set, for a proxy that
// has the TLS. SIGINT and SIGTERM stop it when the callbacks under way are answered.
package main

import (
	"cmp"
	"context"
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
		err = run(ctx, os.Getenv("SMILE_TENANTS"), hangups, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tenantsFile string, hangups <-chan os.Signal, listener net.Listener) error {
	tenants, err := readTenants(tenantsFile)
	if err != nil {
		return fmt.Errorf("SMILE_TENANTS: %w", err)
	}
	go func() {
		for {
			select {
			case <-hangups:
				if err := tenants.rotate(tenantsFile); err != nil {
					slog.Error("credentials not rotated", "error", err)
				} else {
					slog.Info("credentials rotated")
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	slog.Info("listening", "address", listener.Addr().String())
	return serve(ctx, listener, newMux(tenants, logResult))
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

// Smilesig signs requests to Smile ID, verifies and sends callbacks, and stands in
// for Smile ID while you develop a program. Run it with -h.
// To install it from a checkout: go install ./cmd/smilesig
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

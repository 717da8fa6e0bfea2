// Smilesig signs, verifies and sends what Smile ID's API and its callbacks
// carry, and stands in for Smile ID while a program is developed. Run it with -h.
// To install it from a checkout: go install ./cmd/smilesig
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// Package retryablehttp retries with hashicorp/go-retryablehttp what smilesig signs.
// To use it in a program of your own, copy this file.
package retryablehttp

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"example.com/smilesig"
)

// NewClient returns a client that retries and, below that, signs: each attempt
// has a pair of its own time, so that a late one is not stale. Give it only what
// Smile ID may get twice, because an attempt without an answer may have arrived.
func NewClient(signing *smilesig.Transport) *http.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: signing, Timeout: 30 * time.Second} // of one attempt
	client.CheckRetry = retryUnlessRefused
	client.RetryMax = 3
	client.Logger = slog.Default()
	return client.StandardClient()
}

// retryUnlessRefused stops at every error of smilesig that has a reason: a request
// that is refused once is refused every time, and an answer whose pair is wrong may
// belong to a call that was made and billed. An answer that breaks off has no
// reason: the next attempt asks for it again.
func retryUnlessRefused(ctx context.Context, response *http.Response, err error) (bool, error) {
	if err != nil && smilesig.Reason(err) != "other" {
		return false, err
	}
	return retryablehttp.ErrorPropagatedRetryPolicy(ctx, response, err)
}

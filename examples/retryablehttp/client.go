package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"example.com/smilesig"
)

// newClient returns a client that retries and, below that, signs: each attempt
// has a pair of its own time, so that a late one is not stale. Give it only what
// Smile ID may get twice, because an attempt without an answer may have arrived.
func newClient(signing *smilesig.Transport) *http.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: signing, Timeout: 30 * time.Second} // of one attempt
	client.CheckRetry = retryUnlessRefused
	client.RetryMax = 3
	client.Logger = slog.Default()
	return client.StandardClient()
}

// refusals would come again with every attempt. The last two are about answers:
// ConfirmResponses refused one.
var refusals = []error{
	smilesig.ErrOrigin, smilesig.ErrPartner, smilesig.ErrMalformed, smilesig.ErrEncoded,
	smilesig.ErrSignature, smilesig.ErrMissing,
}

func retryUnlessRefused(ctx context.Context, response *http.Response, err error) (bool, error) {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return false, err
		}
	}
	return retryablehttp.ErrorPropagatedRetryPolicy(ctx, response, err)
}

// Package smilesig signs requests to Smile ID and verifies its callbacks, as
// net/http middleware in both directions.
//
//   - [Transport] is an [http.RoundTripper] that puts a signed pair into a
//     request's JSON body or headers, as the endpoint wants it.
//   - [Verifier.Handler] wraps an [http.Handler], which then runs only for
//     callbacks whose pair is confirmed, fresh and, with a [ReplayGuard], not
//     known from another body.
//   - [Signer] is the core of both: it signs, confirms and injects pairs.
//
// # The signature
//
// A pair is a timestamp and
//
//	signature = base64(HMAC-SHA256(key = API key, message = timestamp + partner ID + "sid_request"))
//
// in padded standard base64, over the very text of the timestamp that is sent.
// For example, partner ID "partner", API key "apiKey" and the timestamp
// "2023-02-13T15:07:42.214Z" give "XxThLHZy2ij1WINkqNEPgzVs9RvUDHWlebDYzprqS74=".
//
// v1 and v2 callbacks, and most requests, have the pair as top-level members
// signature and timestamp of their JSON; v3 webhooks in the headers
// Response-Signature and Response-Timestamp; some requests in SmileID- headers.
//
// # What a verified callback proves
//
// That its sender knows the API key, or has seen a recent pair for this partner.
// No more: the signature covers neither the body nor the path, the method, the
// job or the direction. Any body with a genuine pair has a genuine signature,
// the pair of a request of yours serves for a callback, and /v1/auth_smile hands
// pairs to mobile apps. So do not take a verified body as authentic. Freshness
// and a Guard narrow the window; beyond that
//
//   - keep the callback's URL unguessable and out of logs,
//   - accept results only for jobs that you have started,
//   - read results that matter back from /v1/job_status before acting on them,
//     with [Transport] over TLS: examples/readback shows how.
//
// # How sure the facts are
//
// The algorithm and the timestamps are confirmed by running the five official
// SDKs. What goes where is read from their source and from Smile ID's docs, and
// the headers of v3 webhooks from third parties; that stands in endpoints.go.
// Nothing was observed against Smile ID's own servers.
package smilesig

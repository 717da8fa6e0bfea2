// Package smilesig signs requests to Smile ID and verifies its callbacks, as
// net/http middleware in both directions.
//
//   - [Transport] is an [http.RoundTripper]. It puts a signed pair into a
//     request's JSON body or headers, as the endpoint wants it.
//   - [Verifier.Handler] wraps an [http.Handler]. It runs that handler only for
//     callbacks whose pair is confirmed, fresh and, with a [ReplayGuard], not
//     known from anything else.
//   - [Signer] is the core of both: it signs, confirms and injects pairs.
//
// # The signature
//
// A pair is a timestamp and
//
//	signature = base64(HMAC-SHA256(key = API key, message = timestamp + partner ID + "sid_request"))
//
// in padded standard base64, over the exact text of the timestamp that is sent.
// For example, partner ID "partner", API key "apiKey" and the timestamp
// "2023-02-13T15:07:42.214Z" give "XxThLHZy2ij1WINkqNEPgzVs9RvUDHWlebDYzprqS74=".
//
// v1 and v2 callbacks, and most requests, have the pair as top-level members
// signature and timestamp of their JSON. v3 webhooks, and the answers to v3's
// synchronous calls, have it in the headers Response-Signature and
// Response-Timestamp. Some requests have it in SmileID- headers. v3 requests are
// not signed: the only signature for them covers the body with another secret, and
// Smile ID has not published how.
//
// # What a verified callback proves
//
// A verified callback proves that its sender knows the API key, or has seen a
// recent pair for this partner. It proves no more, because the signature covers
// neither the body nor the path, the method, the job or the direction. Any body
// with a genuine pair has a genuine signature. The pair of a request of yours
// serves for a callback. /v1/auth_smile hands pairs to mobile apps, and a holder of
// a v3 token, which goes to apps by design, can obtain one from a synchronous
// call. So do not take a verified body as authentic:
//
//   - Set a Guard. Then a pair is good for one body at one URL.
//   - Give each job a callback URL of its own, with package joburl. Then you know
//     which job a callback is for, whatever its body says.
//   - Decide once for each job.
//   - Read results that matter back from Smile ID before you act on them, with
//     [Transport] over TLS. The directory examples/readback shows how.
//
// # How sure the facts are
//
// The algorithm and the timestamps are confirmed by running the five official
// SDKs. What goes where is read from their source, from Smile ID's docs and from
// its published description of v3. That v3's message ends in sid_request, too, is
// known from third parties only. The file endpoints.go marks each fact. Nothing was
// observed against Smile ID's own servers.
package smilesig

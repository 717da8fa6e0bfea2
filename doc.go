// Package smilesig signs requests to Smile ID and verifies its callbacks, as
// net/http middleware in both directions.
//
//   - [Transport] is an [http.RoundTripper]. It puts a signed pair into a
//     request's JSON body or headers, as the endpoint wants it.
//   - [Verifier.Handler] wraps an [http.Handler]. It runs that handler only for
//     callbacks whose pair is confirmed and fresh. A [ReplayGuard] refuses a pair
//     that came with another body or to another URL before.
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
// v1 and v2 callbacks, and most requests, have the pair in their JSON, as the
// top-level members signature and timestamp. v3 webhooks, and the answers to v3's
// synchronous calls, have it in the headers Response-Signature and
// Response-Timestamp. Some requests have it in SmileID- headers. v3 requests are
// not signed. The official SDKs once signed them and no longer do, because Smile ID
// has not published how.
//
// # What a verified callback proves
//
// A verified callback proves that its sender knows the API key, or has seen a
// recent pair for this partner. It proves no more, because the signature covers
// neither the body nor the path, the method, the job or the direction. A pair stays
// valid when somebody changes the body. A pair from one of your requests also works
// in a callback. /v1/auth_smile hands pairs to mobile apps. Apps get v3 tokens, and
// the holder of a token can presumably get a pair from a synchronous call. So a
// verified body is not authentic:
//
//   - Share one Guard between all machines. Then a pair is good for one body at
//     one URL. A Verifier without further settings guards its own process.
//   - Give each job a callback URL of its own, with package joburl. Then you know
//     which job a callback is for, whatever its body says.
//   - Decide once for each job.
//   - Read the body with package result, and read results that matter back from
//     Smile ID with package readback before you act on them.
//
// # How sure the facts are
//
// The algorithm and the timestamps are confirmed by running the five official
// SDKs. What goes where is read from their source, from Smile ID's docs and from
// its published description of v3. Only third parties say that the message that
// v3 signs also ends in sid_request. The file endpoints.go marks each fact.
// Nothing was tried against Smile ID's own servers.
package smilesig

// Package joburl makes callback URLs that are good for one job each.
//
// Smile ID sends the callbacks of a job to the callback_url of its request. Its
// signature covers no body, so a verified callback does not say for certain which
// job it is for. A URL of this package does: it carries the job and a MAC over
// it. You need no table, and you need not trust the body.
//
//	urls, err := joburl.New("https://partner.example/callbacks", secret)
//	request.CallbackURL = urls.For("kenya:production:4711:1")
//	server := &http.Server{Handler: urls.Handler(verifier.Handler(next))}
//	// In next:
//	job, ok := joburl.FromContext(r.Context())
//
// Keep this order. A stranger without a URL then gets a 404. Nothing of the body is
// kept, and the stranger never reaches the Verifier's guard.
//
// If the server has other routes, mount the handler at "/" of the [http.ServeMux]. At
// "/callbacks/", the ServeMux would itself answer a URL that something in front has
// changed, and nobody would hear of it. Even at "/", it redirects a path with // or ..
// by itself.
//
// Where a router keeps the path as it was sent, use [URLs.Handler]. Behind
// [http.StripPrefix] or a proxy that rewrites paths, give the last segment of the
// path to [URLs.Job]: r.PathValue("job") of net/http, c.Param("job") of gin and echo.
//
// # What to use as the job
//
// Use your own reference: the id of a row, with its tenant, its environment and
// the number of the attempt, if you have these. You cannot use the job id of v3,
// because it is not known yet when you make the URL. Anybody who has the URL can
// read the job in it, so put no personal data there.
//
// A URL does not expire and is good for any number of callbacks, because a job
// can have several: a provisional result, and days later the final one. So close
// the job yourself. Once it is decided, let the handler acknowledge further
// callbacks and change nothing. A resubmission is another attempt: give it
// another job and so another URL.
//
// Keep the URL as you keep a password. Leave it out of access logs and traces.
// Use a secret for this purpose and this environment alone: the MAC does not
// cover the base, so a segment is valid at every base with the same secret.
//
// # Rotating the secret
//
// Make a secret with crypto/rand or "openssl rand -hex 32". Replace it in three
// steps, and finish each on all machines before the next:
//
//  1. New(base, old, new): every machine accepts both secrets.
//  2. New(base, new, old): new URLs have the new secret.
//  3. New(base, new), when all jobs with old URLs are done.
//
// In another order, one machine answers 404 to the URLs of another, and results
// are lost. Count the requests that [URLs.OnReject] sees, or the warnings in the log
// without it. An [ErrChanged] is a lost result: something in front of the handler
// changes URLs. An [ErrUnknown] with more text may be a lost result. An [ErrUnknown]
// without more text is most likely from a stranger who guesses.
//
// # What it stops, and what it does not
//
// Nobody can make your handler act on a job whose URL they have not seen: not by
// a forged callback, not by a replayed one, not by a genuine one of another job.
// These risks remain:
//
//   - An applicant whose own app starts the job sees its URL, and may try to
//     approve themselves. To hide it, make the request from your server, or bind
//     callback_url into the v3 token. Read results that matter back.
//   - Whoever holds a v3 token may be able to send the genuine result of job A to
//     the URL of job B, by /v3/replay with another callback_url. If the body has
//     ids, compare them with those of the job.
//   - A log of outbound requests holds a URL and a fresh pair in one line.
//   - Callbacks that no request asked for, such as aml_monitoring_update, go to
//     the default URL of the partner. Give them a route of their own. Accept them
//     for that product only, or use them only as a hint to read the result back.
//
// # The construction
//
// The URL is the base without its trailing slash, a slash, and this segment:
//
//	enc     = base64url(job)
//	mac     = HMAC-SHA256(secret, "smilesig/joburl/v1\x00" || enc)
//	segment = enc || base64url(the first 16 bytes of mac)
//
// base64url is that of RFC 4648, section 5, without padding, so that the second
// half always has 22 characters. The MAC is over the encoded text. It is compared
// as text, before anything is decoded. So there is one text for each job and
// secret. For example:
//
//	base    = "https://partner.example/callbacks"
//	secret  = "0123456789abcdef0123456789abcdef"
//	job     = "kenya:production:4711:2"
//	segment = "a2VueWE6cHJvZHVjdGlvbjo0NzExOjIk764g9ltVitQxCCDkmzpoQ"
package joburl

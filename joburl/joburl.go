package joburl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

const (
	macPrefix    = "smilesig/joburl/v1\x00"
	macBytes     = 16
	macLen       = (macBytes*8 + 5) / 6 // in characters
	minSecretLen = 32
)

var encoding = base64.RawURLEncoding

// URLs makes the callback URLs of one base and tells whether a URL is one of
// them. It is safe for concurrent use and never changes. Use [New]: the zero
// value accepts no URL. Printing a URLs shows the base and no secret.
type URLs struct {
	base string // ends in a slash
	path string // of base, escaped

	// macs has one function for each secret, the one for new URLs first. The
	// secret is only in the closure, where nothing that prints a URLs reaches it.
	macs []func(enc string) []byte
}

// New returns the URLs below base. base is where Smile ID reaches your
// [URLs.Handler]: an absolute http or https URL without user, query or fragment.
// A slash at its end makes no difference.
//
// [URLs.For] makes URLs with secret. URLs that were made with one of older are
// accepted, too. A secret must have at least 32 random bytes. New copies the
// secrets. Its error names every fault and quotes neither base nor a secret.
func New(base string, secret []byte, older ...[]byte) (*URLs, error) {
	parsed, err := checkBase(base)
	u := new(URLs)
	for i, s := range append([][]byte{secret}, older...) {
		if len(s) < minSecretLen {
			err = errors.Join(err, fmt.Errorf("joburl: %s has %d bytes, want %d at least", secretName(i), len(s), minSecretLen))
		}
		u.macs = append(u.macs, macWith(s))
	}
	if err != nil {
		return nil, err
	}
	u.base = strings.TrimSuffix(parsed.String(), "/") + "/"
	u.path = strings.TrimSuffix(parsed.EscapedPath(), "/") + "/"
	return u, nil
}

func checkBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("joburl: the base is no URL") // err might quote a password
	}
	segment := strings.TrimSuffix(u.Path, "/") + "/segment"
	var faults []error
	for _, check := range []struct {
		fails bool
		fault string
	}{
		{u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "", "is no absolute http or https URL"},
		{u.User != nil, "has a user"},
		{u.RawQuery != "" || u.ForceQuery, "has a query"},
		{strings.Contains(base, "#"), "has a fragment"},
		// Senders, proxies and http.ServeMux would change such a path.
		{path.Clean(segment) != segment, "has an empty segment, . or .. in its path"},
	} {
		if check.fails {
			faults = append(faults, errors.New("joburl: the base "+check.fault))
		}
	}
	return u, errors.Join(faults...)
}

func secretName(i int) string {
	if i == 0 {
		return "the secret"
	}
	return fmt.Sprintf("older[%d]", i-1)
}

// macWith returns the function that makes the second half of a segment from the first.
func macWith(secret []byte) func(enc string) []byte {
	secret = bytes.Clone(secret)
	return func(enc string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(macPrefix + enc))
		return encoding.AppendEncode(nil, mac.Sum(nil)[:macBytes])
	}
}

// For returns the callback URL of a job: the base, and one more segment of
// letters, digits, hyphens and underscores. The segment has four characters for
// every three bytes of job, and 22 more. For panics if job is empty.
func (u *URLs) For(job string) string {
	if job == "" {
		panic("joburl: the job is empty")
	}
	enc := encoding.EncodeToString([]byte(job))
	return u.base + enc + string(u.macs[0](enc))
}

// Job returns the job that a segment of a path was made for. ok is false if the
// segment was not made with a secret of u. The segment is the last one of the
// URL, decoded or not: r.PathValue("job"), c.Param("job"), or the last path
// element of a message in a queue.
//
// Job does not see the rest of the URL. Answer 404 if ok is false, before you read
// the body.
func (u *URLs) Job(segment string) (job string, ok bool) {
	end := len(segment) - macLen
	if end <= 0 {
		return "", false
	}
	enc, received := segment[:end], []byte(segment[end:])
	match := 0
	for _, mac := range u.macs {
		match |= subtle.ConstantTimeCompare(mac(enc), received)
	}
	if match == 0 {
		return "", false
	}
	decoded, err := encoding.DecodeString(enc)
	if err != nil {
		return "", false
	}
	return string(decoded), true
}

// Handler returns a handler that runs next for the URLs of u, and answers 404 to
// all others without reading the body. next finds the job with [FromContext].
// Put the Verifier behind it:
//
//	urls.Handler(verifier.Handler(next))
//
// The path of the request, as it was sent, must be the path of the base and one
// segment that u has made, byte for byte. There must be no query. Handler does
// not compare the host, because proxies change it. It does not look at the
// method.
//
// On HTTP/1, a 404 closes the connection if the request has a body, so that the
// server does not wait for the body of a stranger.
func (u *URLs) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segment, isBelow := strings.CutPrefix(r.URL.EscapedPath(), u.path)
		job, isOurs := u.Job(segment)
		if !isBelow || !isOurs || r.URL.RawQuery != "" || r.URL.ForceQuery {
			if r.ProtoMajor == 1 && r.ContentLength != 0 {
				w.Header().Set("Connection", "close")
			}
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), job)))
	})
}

type contextKey struct{}

// NewContext returns a context in which [FromContext] finds job. Handler does
// this. Use it in tests of handlers, and where you call [URLs.Job] yourself.
func NewContext(ctx context.Context, job string) context.Context {
	return context.WithValue(ctx, contextKey{}, job)
}

// FromContext returns the job that a callback is for. ok is false if the handler
// runs without [URLs.Handler] around it.
func FromContext(ctx context.Context) (job string, ok bool) {
	job, ok = ctx.Value(contextKey{}).(string)
	return job, ok
}

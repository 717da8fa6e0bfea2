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
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"example.com/smilesig/internal/jobcontext"
	"example.com/smilesig/internal/unread"
)

const (
	macPrefix    = "smilesig/joburl/v1\x00"
	macBytes     = 16
	macLen       = (macBytes*8 + 5) / 6 // in characters
	minSecretLen = 32
)

var encoding = base64.RawURLEncoding

// form matches the segments that some secret could have made.
var form = regexp.MustCompile(`^[0-9A-Za-z_-]{23,}$`)

// The reasons for a 404. The error of a request wraps one of them and says more where
// that is known. It never quotes the URL.
var (
	ErrUnknown = errors.New("joburl: no URL of ours")
	ErrChanged = errors.New("joburl: a URL of ours was changed on its way") // so a result is about to get lost
)

// errLikely is an ErrUnknown that may be a lost result.
var errLikely = fmt.Errorf("%w, but it has the form of one: its secret may be missing here, or it was cut or changed", ErrUnknown)

// URLs makes the callback URLs of one base and tells whether a URL is one of
// them. It is safe for concurrent use. Use [New]: the zero value accepts no URL.
// Printing a URLs shows the base and no secret.
type URLs struct {
	// OnReject sees each request that [URLs.Handler] answers with 404, with an error
	// that wraps ErrUnknown or ErrChanged. If err is ErrUnknown itself, by ==, the
	// request is most likely a stranger's. Any other error may mean that a result got
	// lost. OnReject must not read the body. Set it before use. If it is nil, Handler
	// logs with [slog.Default]: a warning for what may be a lost result, and the rest
	// at debug level.
	OnReject func(r *http.Request, err error) `json:"-"`

	base        string // ends in a slash, as the paths do
	path        string // of base, escaped
	decodedPath string

	// macs has one function for each secret, the one for new URLs first. The
	// secret is only in the closure, where nothing that prints a URLs reaches it.
	macs []func(enc string) []byte
}

// New returns the URLs below base. base is where Smile ID reaches your
// [URLs.Handler]: an absolute http or https URL without user, query or fragment.
// A slash at its end makes no difference.
//
// [URLs.For] makes URLs with secret. URLs that were made with one of older are
// accepted, too. A secret must have at least 32 random bytes. If it is text, it must
// not start or end in white space, such as the line break at the end of a file. New
// copies the secrets. Its error names every fault and quotes neither base nor a secret.
func New(base string, secret []byte, older ...[]byte) (*URLs, error) {
	parsed, err := checkBase(base)
	err = errors.Join(err, checkSecret("the secret", secret))
	u := &URLs{macs: []func(string) []byte{macWith(secret)}}
	for i, s := range older {
		err = errors.Join(err, checkSecret(fmt.Sprintf("older[%d]", i), s))
		u.macs = append(u.macs, macWith(s))
	}
	if err != nil {
		return nil, err
	}
	u.base = strings.TrimSuffix(parsed.String(), "/") + "/"
	u.path = strings.TrimSuffix(parsed.EscapedPath(), "/") + "/"
	u.decodedPath = strings.TrimSuffix(parsed.Path, "/") + "/"
	return u, nil
}

func checkBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("joburl: the base is no URL") // err might quote a password
	}
	segment := strings.TrimSuffix(u.Path, "/") + "/segment"
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
			err = errors.Join(err, errors.New("joburl: the base "+check.fault))
		}
	}
	return u, err
}

func checkSecret(name string, secret []byte) error {
	if len(secret) < minSecretLen {
		return fmt.Errorf("joburl: %s has %d bytes, want %d at least", name, len(secret), minSecretLen)
	}
	// Bytes that are no UTF-8 count as the replacement character.
	isBinary := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	if !bytes.ContainsFunc(secret, isBinary) && len(bytes.TrimSpace(secret)) < len(secret) {
		return fmt.Errorf("joburl: %s is text that starts or ends in white space", name)
	}
	return nil
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

// Handler returns a handler that runs next for the URLs of u. It answers 404 to all
// others and keeps nothing of their bodies. next finds the job with [FromContext].
// Handler panics if next is nil.
// Put the Verifier behind it:
//
//	urls.Handler(verifier.Handler(next))
//
// The path of the request, as it was sent, must be the path of the base and one
// segment that u has made, byte for byte. There must be no query. Handler does
// not compare the host, because proxies change it. It does not look at the
// method.
//
// A 404 to a request with a body closes an HTTP/1 connection. To keep the answer from
// getting lost, Handler first discards what the sender writes within one second. It
// calls OnReject before that, because the context may be cancelled afterwards.
func (u *URLs) Handler(next http.Handler) http.Handler {
	serve := next.ServeHTTP // panics here if next is nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job, err := u.jobOf(r.URL)
		if err != nil {
			u.report(r, err)
			unread.Discard(w, r, false)
			http.NotFound(w, r)
			return
		}
		serve(w, r.WithContext(NewContext(r.Context(), job)))
	})
}

// jobOf returns the job of a URL, or an error if the URL is not exactly as u made it.
// It looks for a MAC in the last segment only, so a long path costs no more.
func (u *URLs) jobOf(target *url.URL) (job string, err error) {
	segment := path.Base(target.Path)
	job, isOurs := u.Job(segment)
	if isOurs {
		return job, u.compare(target, segment)
	}
	if target.Path == u.decodedPath+segment && form.MatchString(segment) {
		return "", errLikely
	}
	return "", ErrUnknown
}

// compare returns an error if target differs from the URL that u made with segment. The
// error names the first difference.
func (u *URLs) compare(target *url.URL, segment string) error {
	difference := ""
	switch {
	case target.EscapedPath() == u.path+segment && target.RawQuery == "" && !target.ForceQuery:
		return nil
	case target.EscapedPath() == u.path+segment:
		difference = "there is a query"
	case target.Path == u.decodedPath+segment:
		difference = "characters of the path are percent-encoded"
	case path.Clean(target.Path) == u.decodedPath+segment:
		difference = "the path has a slash or a dot too many"
	default:
		difference = "the path in front of the job is not that of the base"
	}
	return fmt.Errorf("%w: %s", ErrChanged, difference)
}

func (u *URLs) report(r *http.Request, err error) {
	if u.OnReject != nil {
		u.OnReject(r, err)
		return
	}
	level := slog.LevelWarn
	if err == ErrUnknown {
		level = slog.LevelDebug
	}
	slog.Log(r.Context(), level, "joburl: callback rejected", "status", http.StatusNotFound, "error", err)
}

// NewContext returns a context in which [FromContext] finds job. Handler does
// this. Use it in tests of handlers, and where you call [URLs.Job] yourself.
func NewContext(ctx context.Context, job string) context.Context {
	return jobcontext.With(ctx, job)
}

// FromContext returns the job that a callback is for. ok is false if the handler
// runs without [URLs.Handler] around it.
func FromContext(ctx context.Context) (job string, ok bool) {
	return jobcontext.From(ctx)
}

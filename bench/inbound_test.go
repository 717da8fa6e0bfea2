package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stripe/stripe-go/v82/webhook"

	"example.com/smilesig"
)

// BenchmarkInbound measures http.Handlers around one that reads the body.
func BenchmarkInbound(b *testing.B) {
	for _, body := range slices.Concat(ordinary, hostile) {
		b.Run(body.name, func(b *testing.B) {
			signed := must(signer.Inject(body.json, time.Now()))
			var ways []way
			for name, in := range inbounds() {
				ways = append(ways, in.way(b.Context(), name, signed))
			}
			c := compare(b, wallClock, 5*time.Millisecond, ways)
			peer := c.fastest(webhooks, stripe, slackGo)
			c.time(guarded)
			c.ratioAs("guarded/peer", guarded, peer)
			c.ratioAs("unguarded/peer", unguarded, peer)
			c.ratio(guarded, andSHA256)
			c.ratioAs("in-headers/in-body", headerPair, guarded)
			for _, other := range []string{bare, stdlib, webhooks, stripe, slackGo} {
				c.ratio(other, guarded)
			}
		})
	}
}

const (
	bare       = "bare"
	guarded    = "guarded"
	headerPair = "guarded, pair in headers"
	unguarded  = "unguarded"
	andSHA256  = "unguarded+SHA-256"
	stdlib     = "stdlib"
	webhooks   = "standard-webhooks"
	stripe     = "stripe-go"
	slackGo    = "slack-go"
)

// An inbound is a way to let only signed callbacks through to a handler. All but
// the bare one read the body whole before the handler runs.
type inbound struct {
	wrap func(next http.Handler) http.Handler
	sign func(h http.Header, body []byte, key string) // what the way wants in the header; nil if nothing
}

func inbounds() map[string]inbound {
	return map[string]inbound{
		bare:       {func(next http.Handler) http.Handler { return next }, nil},
		guarded:    {newVerifier(new(momentaryGuard)).Handler, nil},
		headerPair: {newVerifier(new(momentaryGuard)).Handler, signHeader},
		unguarded:  {newVerifier(smilesig.NoGuard).Handler, nil},
		andSHA256:  {newVerifier(smilesig.NoGuard).Handler, nil},
		stdlib:     {readThen(verifyPlainly), nil},
		webhooks:   {readThen(must(standardwebhooks.NewWebhookRaw([]byte(apiKey))).Verify), signForWebhooks},
		stripe:     {readThen(verifyStripe), signForStripe},
		slackGo:    {readThen(verifySlack), signForSlack},
	}
}

const (
	partnerID = "085"
	apiKey    = "a-made-up-key-of-the-bench"
	otherKey  = "another-made-up-key"
	maxAge    = 24 * time.Hour // freshPairs needs many milliseconds
)

var signer = newSigner(apiKey)

func newSigner(key string) *smilesig.Signer {
	return must(smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: key}))
}

func newVerifier(guard smilesig.ReplayGuard) *smilesig.Verifier {
	return &smilesig.Verifier{Signer: signer, MaxAge: maxAge, Guard: guard, OnReject: func(*http.Request, error) int { return 0 }}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A momentaryGuard forgets a pair after a moment. So it soon has some hundreds of
// pairs, as with ten thousand callbacks a day, and each new pair has it drop an old
// one.
type momentaryGuard struct{ smilesig.MemoryGuard }

func (g *momentaryGuard) Bind(ctx context.Context, pair, content smilesig.Digest, _ time.Duration) (smilesig.Digest, bool, error) {
	return g.MemoryGuard.Bind(ctx, pair, content, time.Millisecond)
}

// readThen is the handler that the docs of the peers show: read all, verify.
func readThen(verify func(body []byte, header http.Header) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, smilesig.DefaultMaxBytes))
			if err == nil {
				err = verify(body, r.Header)
			}
			if err != nil {
				http.Error(w, "not verified", http.StatusUnauthorized)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

// verifyPlainly is what a careful person writes without a library.
func verifyPlainly(body []byte, _ http.Header) error {
	var pair smilesig.Pair
	if err := json.Unmarshal(body, &pair); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339Nano, pair.Timestamp)
	fresh := err == nil && time.Since(t).Abs() <= maxAge
	if !fresh || !hmac.Equal([]byte(plainSignature(pair.Timestamp)), []byte(pair.Signature)) {
		return errors.New("no genuine pair")
	}
	return nil
}

// plainSignature is the signature as the official SDKs compute it.
func plainSignature(timestamp string) string {
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte(timestamp + partnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func signHeader(h http.Header, _ []byte, key string) {
	pair := newSigner(key).Sign(time.Now())
	h.Set("Response-Signature", pair.Signature)
	h.Set("Response-Timestamp", pair.Timestamp)
}

func signForWebhooks(h http.Header, body []byte, key string) {
	now := time.Now()
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, must(must(standardwebhooks.NewWebhookRaw([]byte(key))).Sign("msg_1", now, body)))
}

func verifyStripe(body []byte, header http.Header) error {
	return webhook.ValidatePayload(body, header.Get("Stripe-Signature"), apiKey)
}

func signForStripe(h http.Header, body []byte, key string) {
	h.Set("Stripe-Signature", webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: key}).Header)
}

func verifySlack(body []byte, header http.Header) error {
	v, err := slack.NewSecretsVerifier(header, apiKey)
	if err != nil {
		return err
	}
	_, err = v.Write(body)
	return errors.Join(err, v.Ensure())
}

func signForSlack(h http.Header, body []byte, key string) {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "v0:%s:%s", timestamp, body)
	h.Set("X-Slack-Request-Timestamp", timestamp)
	h.Set("X-Slack-Signature", fmt.Sprintf("v0=%x", mac.Sum(nil)))
}

// newCallback has the headers that a proxy in front of a server hands on.
func newCallback(ctx context.Context, body []byte) *http.Request {
	r := must(http.NewRequestWithContext(ctx, http.MethodPost, "/callbacks", bytes.NewReader(body)))
	r.RequestURI, r.Host = "/callbacks", "partner.example"
	for name, value := range map[string]string{
		"Accept":            "application/json, text/plain, */*",
		"Accept-Encoding":   "gzip, compress, deflate, br",
		"Content-Length":    strconv.Itoa(len(body)),
		"Content-Type":      "application/json",
		"User-Agent":        "axios/1.7.9",
		"X-Forwarded-For":   "192.0.2.7",
		"X-Forwarded-Proto": "https",
		"X-Real-Ip":         "192.0.2.7",
		"X-Request-Id":      "0123456789abcdef0123456789abcdef",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// way delivers signed, a body with a pair, again and again. The pair is another
// one each time, except for peers with a MAC over the body: they remember nothing.
func (in inbound) way(ctx context.Context, name string, signed []byte) way {
	served := 0
	handler := in.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		readAndAnswer(w, r)
	}))
	callback, request := newCallback(ctx, signed), new(http.Request)
	reader, w := bytes.NewReader(nil), &discardingWriter{http.Header{}}
	var body io.ReadCloser = struct{ io.ReadCloser }{io.NopCloser(reader)} // nothing but Read and Close, as from a socket
	var pairs []smilesig.Pair
	prepare := func(n int) {
		pairs = freshPairs(n)
		if in.sign != nil {
			putPair(signed, pairs[0])
			in.sign(callback.Header, signed, apiKey)
		}
	}
	run := func(n int) {
		served = 0
		for _, pair := range pairs {
			if in.sign == nil || name == headerPair {
				putPair(signed, pair)
			}
			if name == headerPair {
				callback.Header["Response-Signature"][0] = pair.Signature
				callback.Header["Response-Timestamp"][0] = pair.Timestamp
			}
			reader.Reset(signed)
			*request = *callback // a way may put another body into it
			request.Body = body
			handler.ServeHTTP(w, request)
			if name == andSHA256 {
				sha256.Sum256(signed)
			}
		}
		if served != n {
			panic(name + " did not let a genuine callback through")
		}
	}
	return way{name: name, prepare: prepare, run: run}
}

// freshPairs returns pairs that it never returned before.
func freshPairs(n int) []smilesig.Pair {
	pairs := make([]smilesig.Pair, n)
	for i := range pairs {
		pairsMade++
		pairs[i] = signer.Sign(processStart.Add(-time.Duration(pairsMade) * time.Millisecond))
	}
	return pairs
}

var pairsMade int

// putPair replaces the pair that Inject has put into body.
func putPair(body []byte, pair smilesig.Pair) {
	rest := body[len(`{"signature":"`):]
	copy(rest[copy(rest, pair.Signature)+len(`","timestamp":"`):], pair.Timestamp)
}

// readAndAnswer is the handler behind all ways.
func readAndAnswer(w http.ResponseWriter, r *http.Request) {
	if err := readAll(r.Body); err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
	}
}

var readBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readAll reads in larger pieces than io.Discard does, which would be slow enough
// to make the bare handler lose.
func readAll(body io.Reader) error {
	buffer := readBuffers.Get().(*[32 << 10]byte)
	defer readBuffers.Put(buffer)
	for {
		if _, err := body.Read(buffer[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// discardingWriter keeps nothing of an answer.
type discardingWriter struct{ header http.Header }

func (w *discardingWriter) Header() http.Header         { return w.header }
func (w *discardingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardingWriter) WriteHeader(int)             {}

// Genuine callbacks reach the handler to the byte. Those that are signed with
// another key do not.
func TestEveryInboundWayDoesItsJob(t *testing.T) {
	for _, body := range slices.Concat(ordinary, hostile) {
		for name, in := range inbounds() {
			for _, key := range []string{apiKey, otherKey} {
				signed := must(newSigner(key).Inject(body.json, time.Now()))
				callback := newCallback(t.Context(), signed)
				if in.sign != nil {
					in.sign(callback.Header, signed, key)
				}
				var got []byte
				next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) })
				in.wrap(next).ServeHTTP(&discardingWriter{http.Header{}}, callback)
				genuine := key == apiKey || name == bare
				assert.Equal(t, genuine, bytes.Equal(signed, got), "%s, %s", name, body.name)
			}
		}
	}
}

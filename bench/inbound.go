package bench

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v82/webhook"

	"example.com/smilesig"
)

const (
	partnerID = "085"
	apiKey    = "a-made-up-key"
)

// signer has the made-up credential that everything here is signed with.
var signer = newSigner(apiKey)

func newSigner(key string) *smilesig.Signer {
	return must(smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: key}))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An Inbound is a way to let only signed callbacks through to a handler.
type Inbound struct {
	Name string
	Wrap func(next http.Handler) http.Handler

	// Header is what the way wants in the header for a body, signed with key.
	// The body has Smile ID's own pair in any case, so that all get the same bytes.
	Header func(body []byte, key string) http.Header

	Open bool // lets everything through
}

// Names of ways.
const (
	Bare            = "bare"
	Smilesig        = "smilesig"
	StandardLibrary = "standard library"
	StandardWebhook = "standard-webhooks"
	Stripe          = "stripe-go"
	Slack           = "slack-go"
)

// Inbounds are the ways to check a callback. All but the bare one read the body
// whole before the handler runs.
func Inbounds() []Inbound {
	verifier := &smilesig.Verifier{Signer: signer}
	guarded := &smilesig.Verifier{Signer: signer, Guard: new(smilesig.MemoryGuard)}
	return []Inbound{
		{Name: Bare, Open: true, Header: nothing, Wrap: func(next http.Handler) http.Handler { return next }},
		{Name: Smilesig, Header: nothing, Wrap: verifier.Handler},
		{Name: Smilesig + ", pair in headers", Header: smileIDHeader, Wrap: verifier.Handler},
		{Name: Smilesig + ", with a Guard", Header: nothing, Wrap: guarded.Handler},
		{Name: StandardLibrary, Header: nothing, Wrap: readThen(standardLibraryVerify)},
		{Name: StandardWebhook, Header: standardWebhooksHeader, Wrap: readThen(standardWebhooksVerify())},
		{Name: Stripe, Header: stripeHeader, Wrap: readThen(stripeVerify)},
		{Name: Slack, Header: slackHeader, Wrap: readThen(slackVerify)},
	}
}

func nothing([]byte, string) http.Header { return http.Header{} }

// standardLibraryVerify is what a careful person writes without a library.
func standardLibraryVerify(body []byte, _ http.Header) error {
	var pair smilesig.Pair
	if err := json.Unmarshal(body, &pair); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339Nano, pair.Timestamp)
	fresh := err == nil && time.Since(t).Abs() <= smilesig.DefaultMaxAge
	if !fresh || !hmac.Equal([]byte(plainSignature(apiKey, pair.Timestamp)), []byte(pair.Signature)) {
		return errors.New("no genuine pair")
	}
	return nil
}

// plainSignature is the signature as the official SDKs compute it.
func plainSignature(key, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + partnerID + "sid_request"))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// readThen is the handler that the docs of the peers show: read all, verify.
func readThen(verify func(body []byte, header http.Header) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, smilesig.DefaultMaxBytes))
			if err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			if err := verify(body, r.Header); err != nil {
				http.Error(w, "not verified", http.StatusUnauthorized)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

func smileIDHeader(_ []byte, key string) http.Header {
	pair := newSigner(key).Sign(time.Now())
	return http.Header{"Response-Signature": {pair.Signature}, "Response-Timestamp": {pair.Timestamp}}
}

func standardWebhooksVerify() func([]byte, http.Header) error {
	return must(standardwebhooks.NewWebhookRaw([]byte(apiKey))).Verify
}

func standardWebhooksHeader(body []byte, key string) http.Header {
	now := time.Now()
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, must(must(standardwebhooks.NewWebhookRaw([]byte(key))).Sign("msg_1", now, body)))
	return h
}

func stripeVerify(body []byte, header http.Header) error {
	return webhook.ValidatePayload(body, header.Get("Stripe-Signature"), apiKey)
}

func stripeHeader(body []byte, key string) http.Header {
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: key})
	return http.Header{"Stripe-Signature": {signed.Header}}
}

func slackVerify(body []byte, header http.Header) error {
	v, err := slack.NewSecretsVerifier(header, apiKey)
	if err != nil {
		return err
	}
	if _, err := v.Write(body); err != nil {
		return err
	}
	return v.Ensure()
}

func slackHeader(body []byte, key string) http.Header {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "v0:%s:%s", timestamp, body)
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", timestamp)
	h.Set("X-Slack-Signature", fmt.Sprintf("v0=%x", mac.Sum(nil)))
	return h
}

// sign puts Smile ID's pair into a body, as in a v1 callback.
func sign(body []byte, key string) []byte { return must(newSigner(key).Inject(body, time.Now())) }

// The least that a callback can take: its bytes copied once, which every way
// does, or hashed once, which the ways with a MAC over the body do.
const (
	Copy     = "limit: copy"
	HashBody = "limit: SHA-256 of the body"
)

// InboundWays prepares every way for one callback with the body. The handler
// behind them reads the body to its end and answers.
func InboundWays(b Body) []Way {
	var ways []Way
	signed := sign(b.JSON, apiKey)
	for _, in := range Inbounds() {
		r := newCallback(in.Header(signed, apiKey), signed)
		served := 0
		handler := in.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served++
			readAndAnswer(w, r)
		}))
		w := &discardingWriter{http.Header{}}
		ways = append(ways, Way{in.Name, func() {
			before := served
			request := *r // a way may put another body into it
			request.Body = &rereadable{bytes.NewReader(signed)}
			handler.ServeHTTP(w, &request)
			if served != before+1 {
				panic(in.Name + " did not let a genuine callback through")
			}
		}})
	}
	destination := make([]byte, len(signed))
	return append(ways,
		Way{Copy, func() { copy(destination, signed) }},
		Way{HashBody, func() { sha256.Sum256(signed) }})
}

// HandlerAllocations counts what Handler allocates for a callback beyond the
// shallow copy of the request and its context, which no middleware that hands on
// a value gets around.
func HandlerAllocations(b Body) float64 {
	counts := make(map[string]float64)
	for _, way := range InboundWays(b)[:2] {
		counts[way.Name] = testing.AllocsPerRun(20, way.Run)
	}
	r := newCallback(http.Header{}, nil)
	cb := smilesig.Callback{PartnerID: partnerID}
	var passed *http.Request
	copied := testing.AllocsPerRun(20, func() { passed = r.WithContext(smilesig.NewContext(r.Context(), cb)) })
	runtime.KeepAlive(passed)
	return counts[Smilesig] - counts[Bare] - copied
}

// CheckInbound reports what a way does wrong with a body: genuine callbacks
// reach the handler to the byte, those signed with another key do not.
func CheckInbound(b Body) error {
	for _, in := range Inbounds() {
		for _, key := range []string{apiKey, "another-key"} {
			signed := sign(b.JSON, key)
			var got []byte
			handler := in.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, _ = io.ReadAll(r.Body)
			}))
			handler.ServeHTTP(&discardingWriter{http.Header{}}, newCallback(in.Header(signed, key), signed))
			genuine := key == apiKey || in.Open
			if genuine != (got != nil) || genuine && !bytes.Equal(got, signed) {
				return fmt.Errorf("%s, %s: lets a forged callback through, or not to the byte a genuine one", in.Name, b.Name)
			}
		}
	}
	return nil
}

func newCallback(header http.Header, body []byte) *http.Request {
	r := must(http.NewRequest(http.MethodPost, "/callbacks", bytes.NewReader(body)))
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	return r
}

var readBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readAndAnswer is the handler behind all ways. It reads in larger pieces than
// io.Discard does, which would be slow enough to make the bare handler lose.
func readAndAnswer(w http.ResponseWriter, r *http.Request) {
	if err := readAll(r.Body); err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func readAll(body io.Reader) error {
	buffer := readBuffers.Get().(*[32 << 10]byte)
	defer readBuffers.Put(buffer)
	for {
		switch _, err := body.Read(buffer[:]); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// rereadable has nothing but Read and Close, as a body from a socket.
type rereadable struct{ r *bytes.Reader }

func (b *rereadable) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b *rereadable) Close() error               { return nil }

// discardingWriter keeps nothing of an answer.
type discardingWriter struct{ header http.Header }

func (w *discardingWriter) Header() http.Header         { return w.header }
func (w *discardingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardingWriter) WriteHeader(int)             {}

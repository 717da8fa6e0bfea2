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
	"strconv"
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
var signer = func() *smilesig.Signer {
	s, err := smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: apiKey})
	if err != nil {
		panic(err)
	}
	return s
}()

// An Inbound is a way to let only signed callbacks through to a handler.
type Inbound struct {
	Name string
	Wrap func(next http.Handler) http.Handler

	// Header is what the way wants in the header for a body, signed with key.
	// The body has Smile ID's own pair in any case, so that all get the same bytes.
	Header func(body []byte, key string) http.Header

	Open bool // lets everything through
}

// Names of ways that others are compared with.
const (
	Bare            = "bare"
	Smilesig        = "smilesig"
	StandardLibrary = "standard library"
	StandardWebhook = "standard-webhooks"
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
		{Name: StandardLibrary, Header: nothing, Wrap: standardLibraryHandler},
		{Name: StandardWebhook, Header: standardWebhooksHeader, Wrap: readThen(standardWebhooksVerify())},
		{Name: "stripe-go", Header: stripeHeader, Wrap: readThen(stripeVerify)},
		{Name: "slack-go", Header: slackHeader, Wrap: readThen(slackVerify)},
	}
}

func nothing([]byte, string) http.Header { return http.Header{} }

// standardLibraryHandler is what a careful person writes without a library.
func standardLibraryHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, smilesig.DefaultMaxBytes))
		if err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		var pair struct {
			Timestamp string `json:"timestamp"`
			Signature string `json:"signature"`
		}
		if err := json.Unmarshal(body, &pair); err != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		t, err := time.Parse(time.RFC3339Nano, pair.Timestamp)
		fresh := err == nil && time.Since(t).Abs() <= smilesig.DefaultMaxAge
		if !fresh || !hmac.Equal([]byte(plainSignature(apiKey, pair.Timestamp)), []byte(pair.Signature)) {
			http.Error(w, "no genuine pair", http.StatusUnauthorized)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
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
	s, err := smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: key})
	if err != nil {
		panic(err)
	}
	pair := s.Sign(time.Now())
	return http.Header{"Response-Signature": {pair.Signature}, "Response-Timestamp": {pair.Timestamp}}
}

func standardWebhooksVerify() func([]byte, http.Header) error {
	wh, err := standardwebhooks.NewWebhookRaw([]byte(apiKey))
	if err != nil {
		panic(err)
	}
	return wh.Verify
}

func standardWebhooksHeader(body []byte, key string) http.Header {
	wh, err := standardwebhooks.NewWebhookRaw([]byte(key))
	if err != nil {
		panic(err)
	}
	now := time.Now()
	signature, err := wh.Sign("msg_1", now, body)
	if err != nil {
		panic(err)
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
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
func sign(body []byte, key string) []byte {
	s, err := smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: key})
	if err != nil {
		panic(err)
	}
	signed, err := s.Inject(body, time.Now())
	if err != nil {
		panic(err)
	}
	return signed
}

// InboundWays prepares every way for one callback with the body. The handler
// behind them reads the body to its end and answers.
func InboundWays(b Body) []Way {
	var ways []Way
	signed := sign(b.JSON, apiKey)
	for _, in := range Inbounds() {
		r := newCallback(in.Header(signed, apiKey), signed)
		served := 0
		handler := in.Wrap(reader(&served))
		w := new(discardingWriter)
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
	return ways
}

// CheckInbound reports what a way does wrong with a body: genuine callbacks
// reach the handler to the byte, those signed with another key do not.
func CheckInbound(b Body) error {
	for _, in := range Inbounds() {
		if err := checkInbound(in, b); err != nil {
			return fmt.Errorf("%s, %s: %w", in.Name, b.Name, err)
		}
	}
	return nil
}

func checkInbound(in Inbound, b Body) error {
	for _, key := range []string{apiKey, "another-key"} {
		signed := sign(b.JSON, key)
		var got []byte
		handler := in.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, _ = io.ReadAll(r.Body)
		}))
		handler.ServeHTTP(new(discardingWriter), newCallback(in.Header(signed, key), signed))
		switch {
		case (key == apiKey || in.Open) && !bytes.Equal(got, signed):
			return errors.New("a genuine callback did not get through to the byte")
		case key != apiKey && !in.Open && got != nil:
			return errors.New("a forged callback got through")
		}
	}
	return nil
}

func newCallback(header http.Header, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "/callbacks", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	return r
}

// reader is a handler that reads the body through a buffer of its own, and counts.
func reader(served *int) http.Handler {
	buffer := make([]byte, 32<<10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := r.Body.Read(buffer); err != nil {
				break
			}
		}
		*served++
		w.WriteHeader(http.StatusOK)
	})
}

// rereadable has nothing but Read and Close, as a body from a socket.
type rereadable struct{ r *bytes.Reader }

func (b *rereadable) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b *rereadable) Close() error               { return nil }

// discardingWriter keeps nothing of an answer.
type discardingWriter struct{ header http.Header }

func (w *discardingWriter) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}
func (w *discardingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardingWriter) WriteHeader(int)             {}

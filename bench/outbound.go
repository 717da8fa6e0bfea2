package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/smilesig"
)

// sandbox is an origin that nothing here sends to.
const sandbox = "https://testapi.smileidentity.com"

// An Outbound is a way to sign requests on their way to a RoundTripper.
type Outbound struct {
	Name string
	Wrap func(base http.RoundTripper) http.RoundTripper
	Open bool // signs nothing
}

// Outbounds are the ways to sign a request to origin whose pair goes into its body.
func Outbounds(origin string) []Outbound {
	return []Outbound{
		{Name: Bare, Open: true, Wrap: func(base http.RoundTripper) http.RoundTripper { return base }},
		{Name: Smilesig, Wrap: func(base http.RoundTripper) http.RoundTripper {
			return &smilesig.Transport{Signer: signer, Base: base, Origins: []string{origin}}
		}},
		{Name: StandardLibrary, Wrap: func(base http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) { return standardLibraryRoundTrip(base, r) })
		}},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// standardLibraryRoundTrip decodes the body and encodes it again with a pair.
func standardLibraryRoundTrip(base http.RoundTripper, r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	timestamp := time.Now().UTC().Format(smilesig.TimestampLayout)
	members["timestamp"] = timestamp
	members["signature"] = plainSignature(apiKey, timestamp)
	signed, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(signed)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(signed))
	return base.RoundTrip(r)
}

// Inject is Signer.Inject alone, with the body in hand already.
const Inject = "Signer.Inject"

// OutboundWays prepares every way for one request with the body. The base
// behind them reads the body to its end and answers.
func OutboundWays(b Body) []Way {
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return answer, errors.Join(readAll(r.Body), r.Body.Close())
	})
	var ways []Way
	for _, out := range Outbounds(sandbox) {
		r := newRequest(sandbox, b.JSON)
		transport := out.Wrap(base)
		ways = append(ways, Way{out.Name, func() {
			r.Body = &rereadable{bytes.NewReader(b.JSON)}
			must(transport.RoundTrip(r))
		}})
	}
	return append(ways, Way{Inject, func() { must(signer.Inject(b.JSON, time.Now())) }})
}

// CheckOutbound reports what a way does wrong with a body: the sent body has a
// pair that an SDK confirms, and what it had before.
func CheckOutbound(b Body) error {
	for _, out := range Outbounds(sandbox) {
		var sent []byte
		transport := out.Wrap(roundTripper(func(r *http.Request) (*http.Response, error) {
			sent, _ = io.ReadAll(r.Body)
			if r.ContentLength != int64(len(sent)) {
				return nil, errors.New("another length than declared")
			}
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		_, err := transport.RoundTrip(newRequest(sandbox, b.JSON))
		var pair smilesig.Pair
		want := b.JSON
		if !out.Open {
			err = errors.Join(err, json.Unmarshal(sent, &pair))
			want = signedWith(pair, b.JSON)
		}
		if err = errors.Join(err, sameJSON(sent, want)); err != nil {
			return fmt.Errorf("%s, %s: %w", out.Name, b.Name, err)
		}
		if !out.Open && pair.Signature != plainSignature(apiKey, pair.Timestamp) {
			return fmt.Errorf("%s, %s: the sent body has no genuine pair", out.Name, b.Name)
		}
	}
	return nil
}

// signedWith is body with the pair in front of its other members.
func signedWith(pair smilesig.Pair, body []byte) []byte {
	return fmt.Appendf(nil, `{"signature":%q,"timestamp":%q,%s`, pair.Signature, pair.Timestamp, body[1:])
}

// sameJSON reports whether two texts differ in more than how they are written.
func sameJSON(got, want []byte) error {
	a, b := jsontext.Value(bytes.Clone(got)), jsontext.Value(bytes.Clone(want))
	if err := errors.Join(a.Canonicalize(), b.Canonicalize()); err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return errors.New("the sent body has other members")
	}
	return nil
}

func newRequest(origin string, body []byte) *http.Request {
	r := must(http.NewRequest(http.MethodPost, origin+"/v1/id_verification", bytes.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	return r
}

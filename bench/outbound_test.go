package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/smilesig"
)

const (
	signs  = "signed"
	inject = "Signer.Inject" // alone, with the body in hand

	sandbox = "https://testapi.smileidentity.com" // nothing here sends to it
)

// BenchmarkOutbound measures http.RoundTrippers around one that reads the body.
func BenchmarkOutbound(b *testing.B) {
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	base := roundTripper(func(r *http.Request) (*http.Response, error) { return answer, readAll(r.Body) })
	for _, body := range ordinary {
		b.Run(body.name, func(b *testing.B) {
			ways := []way{{name: inject, run: each(func() { must(signer.Inject(body.json, time.Now())) })}}
			for name, wrap := range outbounds(sandbox) {
				request, transport, reader := newRequest(sandbox, body.json), wrap(base), bytes.NewReader(nil)
				request.Body = struct{ io.ReadCloser }{io.NopCloser(reader)}
				ways = append(ways, way{name: name, run: each(func() {
					reader.Reset(body.json)
					must(transport.RoundTrip(request))
				})})
			}
			c := compare(b, wallClock, 5*time.Millisecond, ways)
			c.time(signs)
			c.ratio(bare, signs)
			c.ratio(stdlib, signs)
			c.ratio(inject, signs)
		})
	}
}

// outbounds are ways to sign a request to origin whose pair goes into its body.
func outbounds(origin string) map[string]func(base http.RoundTripper) http.RoundTripper {
	return map[string]func(base http.RoundTripper) http.RoundTripper{
		bare: func(base http.RoundTripper) http.RoundTripper { return base },
		signs: func(base http.RoundTripper) http.RoundTripper {
			return &smilesig.Transport{Signer: signer, Base: base, Origins: []string{origin}}
		},
		stdlib: func(base http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) { return signPlainly(base, r) })
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// signPlainly decodes the body and encodes it again with a pair. It loses members
// with doubled names.
func signPlainly(base http.RoundTripper, r *http.Request) (*http.Response, error) {
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
	members["timestamp"], members["signature"] = timestamp, plainSignature(timestamp)
	signed := must(json.Marshal(members))
	r = r.Clone(r.Context())
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(signed)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(signed))
	return base.RoundTrip(r)
}

func newRequest(origin string, body []byte) *http.Request {
	r := must(http.NewRequest(http.MethodPost, origin+"/v1/id_verification", bytes.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestEveryOutboundWayDoesItsJob(t *testing.T) {
	for _, body := range ordinary {
		for name, wrap := range outbounds(sandbox) {
			var sent []byte
			transport := wrap(roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = must(io.ReadAll(r.Body))
				assert.Len(t, sent, int(r.ContentLength))
				return nil, nil
			}))
			must(transport.RoundTrip(newRequest(sandbox, body.json)))
			want := body.json
			if name != bare {
				var pair smilesig.Pair
				assert.NoError(t, json.Unmarshal(sent, &pair))
				assert.Equal(t, plainSignature(pair.Timestamp), pair.Signature, name)
				want = signedWith(pair, body.json)
			}
			assert.JSONEq(t, string(want), string(sent), name)
		}
	}
}

// signedWith is body with the pair in front of its other members.
func signedWith(pair smilesig.Pair, body []byte) []byte {
	return fmt.Appendf(nil, `{"signature":%q,"timestamp":%q,%s`, pair.Signature, pair.Timestamp, body[1:])
}

package smilesigtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

func newSigner(t testing.TB) *smilesig.Signer {
	t.Helper()
	signer, err := smilesig.NewSigner(credential)
	require.NoError(t, err)
	return signer
}

// newVerifier returns a Verifier and where it puts the last refusal.
func newVerifier(t testing.TB) (*smilesig.Verifier, *error) {
	t.Helper()
	refusal := new(error)
	return &smilesig.Verifier{
		Signer:   newSigner(t),
		OnReject: func(_ *http.Request, err error) int { *refusal = err; return 0 },
	}, refusal
}

func TestCallbacksAndWhatTheyGet(t *testing.T) {
	t.Parallel()
	body := []byte(`{"ResultCode":"1012"}`)
	for placement, cb := range map[smilesig.Placement]smilesigtest.Callback{
		smilesig.InBody:   smilesigtest.NewCallback(credential, body),
		smilesig.InHeader: smilesigtest.NewWebhook(credential, body),
	} {
		unsigned := cb
		unsigned.Placement = smilesig.Unsigned
		for _, test := range []struct {
			name string
			cb   smilesigtest.Callback
			want error
		}{
			{"genuine", cb, nil},
			{"with another body", cb.WithBody([]byte(`{"ResultCode":"0000"}`)), nil},
			{"stale", cb.Stale(), smilesig.ErrStale},
			{"forged", cb.Forged(), smilesig.ErrSignature},
			{"doubled", cb.Doubled(), smilesig.ErrMalformed},
			{"unsigned", unsigned, smilesig.ErrMissing},
		} {
			t.Run(placement.String()+" "+test.name, func(t *testing.T) {
				t.Parallel()
				verifier, refusal := newVerifier(t)
				var verified smilesig.Callback
				handler := verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					verified, _ = smilesig.FromContext(r.Context())
				}))
				response := httptest.NewRecorder()
				handler.ServeHTTP(response, test.cb.Request("/callbacks"))

				assert.ErrorIs(t, *refusal, test.want)
				assert.Equal(t, smilesig.StatusCode(test.want), response.Code)
				if test.want == nil {
					assert.Equal(t, placement, verified.Placement)
					assert.Equal(t, "085", verified.PartnerID)
				}
			})
		}
	}
}

func TestARequestIsAsAServerReceivesIt(t *testing.T) {
	t.Parallel()
	body := []byte(`{"status":"clear"}`)
	for target, host := range map[string]string{
		"/callbacks?of=smileid":                       "example.com",
		"http://partner.example/callbacks?of=smileid": "partner.example",
	} {
		r := smilesigtest.NewWebhook(credential, body).Request(target)
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "/callbacks?of=smileid", r.RequestURI)
		assert.Equal(t, "/callbacks", r.URL.Path)
		assert.Equal(t, host, r.Host)
		assert.Equal(t, "HTTP/1.1", r.Proto)
		assert.NotEmpty(t, r.RemoteAddr)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.EqualValues(t, len(body), r.ContentLength)
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, body, got)
	}
}

func TestTheSameCallbackMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	read := func(cb smilesigtest.Callback) string {
		r := cb.Request("/")
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.Header.Get("Response-Signature") + r.Header.Get("Response-Timestamp") + string(body)
	}
	webhook := smilesigtest.NewWebhook(credential, []byte(`{}`))
	callback := smilesigtest.NewCallback(credential, []byte(`{}`))
	assert.Equal(t, read(webhook), read(webhook))
	assert.Equal(t, read(callback), read(callback))
	assert.NotEqual(t, read(callback), read(callback.Stale()))
}

func TestAVariantLeavesItsCallbackAlone(t *testing.T) {
	t.Parallel()
	cb := smilesigtest.NewCallback(credential, []byte(`{}`))
	before := cb
	cb.Stale()
	cb.Forged()
	cb.Doubled()
	cb.WithBody(nil)
	cb.Request("/")
	assert.True(t, before.Time.Equal(cb.Time) && before.Credential == cb.Credential)
	assert.Equal(t, []byte(`{}`), cb.Body)
}

func TestWhatCannotBeSigned(t *testing.T) {
	t.Parallel()
	for name, cb := range map[string]smilesigtest.Callback{
		"no JSON object":    smilesigtest.NewCallback(credential, []byte(`[]`)),
		"another partner's": smilesigtest.NewCallback(credential, []byte(`{"partner_id":"86"}`)),
		"no credential":     smilesigtest.NewWebhook(smilesig.Credential{}, []byte(`{}`)),
	} {
		assert.Panics(t, func() { cb.Request("/") }, name)
		_, err := cb.Send(t.Context(), nil, "http://127.0.0.1:1")
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), credential.APIKey)
	}
}

func TestWhatIsNoURL(t *testing.T) {
	t.Parallel()
	cb := smilesigtest.NewCallback(credential, []byte(`{}`))
	for _, target := range []string{"/%zz", "http://[::1"} {
		assert.Panics(t, func() { cb.Request(target) }, target)
	}
	for _, url := range []string{"/secret", "http://[::1/secret", "http://127.0.0.1:1/secret"} {
		_, err := cb.Send(t.Context(), nil, url)
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	verifier, _ := newVerifier(t)
	partner := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	})))
	t.Cleanup(partner.Close)
	cb := smilesigtest.NewCallback(credential, []byte(`{}`))

	for _, client := range []*http.Client{nil, partner.Client()} {
		response, err := cb.Send(t.Context(), client, partner.URL)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, http.StatusAccepted, response.StatusCode)
	}

	ended, end := context.WithCancel(t.Context())
	end()
	_, err := cb.Send(ended, nil, partner.URL)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestEverySampleCanBeSigned(t *testing.T) {
	t.Parallel()
	verifier := &smilesig.Verifier{Signer: newSigner(t)}
	for _, placement := range []smilesig.Placement{smilesig.InBody, smilesig.InHeader} {
		require.NotEmpty(t, smilesigtest.Products(placement))
		for _, product := range smilesigtest.Products(placement) {
			body, ok := smilesigtest.Sample(product, placement)
			require.True(t, ok, product)
			cb := smilesigtest.NewCallback(credential, body)
			cb.Placement = placement
			r := cb.Request("/")
			received, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			verified, err := verifier.Verify(t.Context(), "/callbacks", r.Header, received)
			require.NoError(t, err, product)
			assert.Equal(t, placement, verified.Placement)
		}
	}
	for _, unknown := range []string{"", "no_such_product", "../v3/one_time_aml"} {
		_, ok := smilesigtest.Sample(unknown, smilesig.InBody)
		assert.False(t, ok, unknown)
	}
	_, ok := smilesigtest.Sample("aml_check", smilesig.Unsigned)
	assert.False(t, ok)
	assert.Empty(t, smilesigtest.Products(smilesig.Unsigned))
}

// The names of v3's products are those of its bodies, and it has no endpoint for
// some products of v1 and v2.
func TestSamplesOfV3(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{
		"aml_monitoring_update", "biometric_kyc", "document_verification", "enhanced_document_verification", "enhanced_kyc",
		"one_time_aml", "residency_document_verification",
		"smart_selfie_authentication", "smart_selfie_compare", "smart_selfie_registration",
	}, smilesigtest.Products(smilesig.InHeader))
	for _, product := range smilesigtest.Products(smilesig.InHeader) {
		body, _ := smilesigtest.Sample(product, smilesig.InHeader)
		var sample struct{ Status, Product string }
		require.NoError(t, json.Unmarshal(body, &sample), product)
		assert.Equal(t, product, sample.Product)
		assert.Contains(t, []string{"clear", "block", "attention", "error"}, sample.Status, product)
	}
	for _, product := range []string{"aml_check", "basic_kyc", "business_verification", "smartselfie_enrollment"} {
		_, ok := smilesigtest.Sample(product, smilesig.InHeader)
		assert.False(t, ok, product)
	}
}

func TestCallbacksNeverShareAPair(t *testing.T) {
	t.Parallel()
	var times sync.Map
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				for _, cb := range []smilesigtest.Callback{smilesigtest.NewCallback(credential, nil), smilesigtest.NewWebhook(credential, nil)} {
					_, twice := times.LoadOrStore(cb.Time.UnixMilli(), true)
					assert.False(t, twice)
				}
			}
		})
	}
	all.Wait()
}

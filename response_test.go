package smilesig_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// An answeringBase gives one answer to every request.
type answeringBase struct {
	status int
	header http.Header
	body   io.Reader
	closed atomic.Int32
}

func (b *answeringBase) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Body.Close()
	return &http.Response{
		StatusCode: b.status, Header: b.header, ContentLength: -1,
		Body: struct {
			io.Reader
			io.Closer
		}{b.body, closerFunc(func() error { b.closed.Add(1); return nil })},
	}, nil
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

func TestConfirmResponses(t *testing.T) {
	signer := newSigner(t, testCredential, otherCredential)
	ours := pairBody(signer.Sign(testTime), `,"result":{"signature":"nested"}`)
	old := pairBody(newSigner(t, otherCredential).Sign(testTime.Add(-10*365*24*time.Hour)), "")
	wrong := pairBody(smilesig.Pair{Timestamp: "2024-01-02T03:04:05.678Z", Signature: strings.Repeat("A", 43) + "="}, "")
	unkeyed := pairBody(smilesig.Pair{Timestamp: "1", Signature: "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"}, "")
	doubled := pairBody(signer.Sign(testTime), `,"signature":"x"`)
	padding := strings.Repeat(" ", smilesig.DefaultMaxBytes-len(ours))

	const status, verify, enroll = "/v1/job_status", "/v2/verify", "/v2/smart-selfie-enroll"
	const isJSON, text = "application/json", "text/plain"
	tests := []struct {
		name        string
		path        string
		code        int
		contentType string
		encoding    string
		body        string
		want        error
	}{
		{"signed", status, 200, isJSON, "", ours, nil},
		{"signed with an accepted credential long ago", status, 200, isJSON, "", old, nil},
		{"signed, no Content-Type", status, 200, "", "", ours, nil},
		{"signed, odd Content-Type", status, 200, text, "", ours, nil},
		{"as long as read", status, 200, isJSON, "", ours + padding, nil},
		{"wrong pair", status, 200, isJSON, "", wrong, smilesig.ErrSignature},
		{"wrong pair, odd Content-Type", status, 200, text, "", wrong, smilesig.ErrSignature},
		{"unkeyed hash", status, 200, isJSON, "", unkeyed, smilesig.ErrSignature},
		{"doubled", status, 200, isJSON, "", doubled, smilesig.ErrSignature},
		{"signature not a string", status, 200, isJSON, "", `{"signature":true,"timestamp":"x"}`, smilesig.ErrSignature},
		{"no pair", status, 200, isJSON, "", `{"a":1}`, smilesig.ErrMissing},
		{"signature only", status, 200, isJSON, "", `{"signature":"x"}`, smilesig.ErrMissing},
		{"timestamp only", status, 200, isJSON, "", `{"timestamp":"x"}`, smilesig.ErrMissing},
		{"nested pair", status, 200, isJSON, "", `{"result":` + ours + `}`, smilesig.ErrMissing},
		{"no JSON", status, 200, "text/html", "", `<html>`, smilesig.ErrMissing},
		{"too long", status, 200, isJSON, "", ours + padding + " ", smilesig.ErrMissing},
		{"encoded", status, 200, isJSON, "gzip", "\x1f\x8b", smilesig.ErrMissing},
		{"204", status, 204, "", "", "", smilesig.ErrMissing},
		{"HTTP 400", status, 400, isJSON, "", wrong, nil},
		{"redirected as a GET", status, 302, isJSON, "", ours, smilesig.ErrMissing},
		{"redirected as a POST", status, 307, isJSON, "", ours, smilesig.ErrMissing},

		{"another endpoint, signed", verify, 200, isJSON, "", ours, nil},
		{"another endpoint, wrong pair", verify, 201, isJSON, "", wrong, smilesig.ErrSignature},
		{"another endpoint, wrong pair, no Content-Type", verify, 200, "", "", wrong, smilesig.ErrSignature},
		{"another endpoint, no pair", verify, 200, isJSON, "", `{"success":true}`, nil},
		{"another endpoint, signature only", verify, 200, isJSON, "", `{"signature":true}`, nil},
		{"another endpoint, timestamp only", verify, 200, isJSON, "", `{"timestamp":"x"}`, nil},
		{"another endpoint, not JSON", verify, 200, "text/html", "", wrong, nil},
		{"another endpoint, broken JSON", verify, 200, isJSON, "", wrong + "x", nil},
		{"another endpoint, encoded", verify, 200, isJSON, "br", "\x1f\x8b", nil},
		{"another endpoint, too long", verify, 200, isJSON, "", wrong + padding + padding, nil},
		{"another endpoint, redirected", verify, 302, isJSON, "", wrong, nil},
		{"another endpoint, 204", verify, 204, "", "", "", nil},
		{"header-signed, wrong pair", enroll, 200, isJSON, "", wrong, smilesig.ErrSignature},
		{"unsigned, wrong pair", "/v1/auth_smile", 200, isJSON, "", wrong, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := &answeringBase{status: tt.code, header: http.Header{}, body: strings.NewReader(tt.body)}
			if tt.contentType != "" {
				base.header.Set("Content-Type", tt.contentType)
			}
			if tt.encoding != "" {
				base.header.Set("Content-Encoding", tt.encoding)
			}
			transport := &smilesig.Transport{Signer: signer, Base: base, ConfirmResponses: true}
			res, err := transport.RoundTrip(newRequest(t, "POST", "https://api.smileidentity.com"+tt.path, "", strings.NewReader("{}")))
			if tt.want != nil {
				assert.Nil(t, res)
				require.ErrorIs(t, err, tt.want)
				assert.True(t, strings.HasPrefix(err.Error(), "smilesig: "), err)
				assert.NotErrorIs(t, err, smilesig.ErrMalformed, "that would mean that nothing was sent")
				assert.EqualValues(t, 1, base.closed.Load(), "the body is closed")
				return
			}
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.True(t, tt.body == string(got), "the answer is whole")
			assert.Zero(t, base.closed.Load())
			require.NoError(t, res.Body.Close())
			assert.EqualValues(t, 1, base.closed.Load())
		})
	}
}

func TestConfirmResponsesThatBreakOff(t *testing.T) {
	brokeOff := errors.New("the connection broke off")
	for path, want := range map[string]error{"/v1/job_status": smilesig.ErrMissing, "/v2/verify": nil} {
		base := &answeringBase{status: 200, body: io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(brokeOff))}
		transport := &smilesig.Transport{Signer: newSigner(t, testCredential), Base: base, ConfirmResponses: true}
		res, err := transport.RoundTrip(newRequest(t, "POST", "https://api.smileidentity.com"+path, "", strings.NewReader("{}")))
		if want != nil {
			assert.ErrorIs(t, err, want)
			assert.ErrorIs(t, err, brokeOff)
			continue
		}
		require.NoError(t, err)
		got, err := io.ReadAll(res.Body)
		assert.ErrorIs(t, err, brokeOff)
		assert.Equal(t, `{"a":`, string(got))
	}
}

func TestConfirmResponsesLeavesErrorsAlone(t *testing.T) {
	transport := &smilesig.Transport{Signer: newSigner(t, testCredential), ConfirmResponses: true}
	transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, io.ErrNoProgress })
	_, err := transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	assert.Equal(t, io.ErrNoProgress, err)

	transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	_, err = transport.RoundTrip(newRequest(t, "POST", jobStatus, "", strings.NewReader("{}")))
	assert.ErrorIs(t, err, smilesig.ErrMissing, "an answer without a body")
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestConfirmResponsesThroughGzip(t *testing.T) {
	signer := newSigner(t, testCredential)
	answer := pairBody(signer.Sign(testTime), "")
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Accept-Encoding") != "gzip" {
			fmt.Fprint(w, answer)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		compressed := gzip.NewWriter(w)
		fmt.Fprint(compressed, answer)
		compressed.Close()
	}))
	client := signedClient(t, server)
	client.Transport.(*smilesig.Transport).ConfirmResponses = true
	send := func(path, acceptEncoding string) (*http.Response, error) {
		req := newRequest(t, "POST", server.URL+path, "application/json", strings.NewReader("{}"))
		if acceptEncoding != "" {
			req.Header.Set("Accept-Encoding", acceptEncoding)
		}
		return client.Do(req)
	}

	res, err := send("/v1/job_status", "")
	require.NoError(t, err, "net/http's own gzip is transparent")
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	assert.Equal(t, answer, string(got))
	assert.True(t, res.Uncompressed)

	_, err = send("/v1/job_status", "gzip")
	assert.ErrorIs(t, err, smilesig.ErrMissing, "the caller asked for what cannot be read")

	res, err = send("/v2/verify", "gzip")
	require.NoError(t, err)
	defer res.Body.Close()
	plain, err := gzip.NewReader(res.Body)
	require.NoError(t, err)
	got, err = io.ReadAll(plain)
	require.NoError(t, err)
	assert.Equal(t, answer, string(got), "untouched")
}

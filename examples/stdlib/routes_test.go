package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
)

const (
	origin        = "https://partner.example"
	kenyaSecret   = "made-up-secret-of-kenya-32-bytes"
	nigeriaSecret = "made-up-secret-of-nigeria-32-bytes"
)

var (
	kenya    = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-kenya"}
	newKenya = smilesig.Credential{PartnerID: "085", APIKey: "made-up-new-key-of-kenya"}
	nigeria  = smilesig.Credential{PartnerID: "2343", APIKey: "made-up-key-of-nigeria"}

	kenyaPath   = pathOf("kenya", kenyaSecret, "production:4711:1")
	nigeriaPath = pathOf("nigeria", nigeriaSecret, "production:4711:1")
)

// pathOf is the path of a job's callback URL.
func pathOf(tenant, secret, job string) string {
	urls, err := joburl.New(origin+"/callbacks/"+tenant, []byte(secret))
	if err != nil {
		panic(err)
	}
	return strings.TrimPrefix(urls.For(job), origin)
}

// writeTenants writes the tenants' file. smilesig.Credential would hide the keys.
func writeTenants(t *testing.T, file string, kenyas ...smilesig.Credential) {
	type credential struct{ PartnerID, APIKey, Label string }
	type plain struct {
		Credentials []credential
		Secrets     []string
	}
	ofKenya := plain{Secrets: []string{kenyaSecret}}
	for _, c := range kenyas {
		ofKenya.Credentials = append(ofKenya.Credentials, credential(c))
	}
	text, err := json.Marshal(map[string]plain{
		"kenya":   ofKenya,
		"nigeria": {[]credential{credential(nigeria)}, []string{nigeriaSecret}},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

func newTenantsFile(t *testing.T, kenyas ...smilesig.Credential) string {
	file := filepath.Join(t.TempDir(), "tenants.json")
	writeTenants(t, file, kenyas...)
	return file
}

func callback(credential smilesig.Credential) smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return smilesigtest.NewCallback(credential, body)
}

// post returns the status of the answer, 0 if there is none.
func post(t *testing.T, cb smilesigtest.Callback, url string) int {
	response, err := cb.Send(t.Context(), nil, url)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

func newServer(t *testing.T, keep keepFunc) *httptest.Server {
	all, err := readTenants(newTenantsFile(t, kenya), origin)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(newHandler(all, keep))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // net/http's own, of panics
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func TestTwoTenants(t *testing.T) {
	t.Parallel()
	kept := make(chan string, 9)
	server := newServer(t, func(ctx context.Context, tenant, job string, found result.Result) error {
		cb, _ := smilesig.FromContext(ctx)
		kept <- fmt.Sprint(tenant, " ", job, " ", found.Outcome, " ", found.Code, " of partner ", cb.PartnerID)
		return logResult(ctx, tenant, job, found)
	})
	ofKenya, ofNigeria := callback(kenya), callback(nigeria)
	webhook := callback(nigeria)
	webhook.Body, _ = smilesigtest.Sample("biometric_kyc", smilesig.InHeader)
	webhook.Placement, webhook.Time = smilesig.InHeader, webhook.Time.Add(time.Second)
	for _, test := range []struct {
		name   string
		sent   smilesigtest.Callback
		path   string
		status int
	}{
		{"kenya's to nigeria", ofKenya, nigeriaPath, http.StatusUnauthorized},
		{"nigeria's to kenya", ofNigeria, kenyaPath, http.StatusUnauthorized},
		{"kenya's to nobody", ofKenya, "/callbacks", http.StatusNotFound},
		{"kenya's to no job", ofKenya, "/callbacks/kenya/guessed", http.StatusNotFound},
		{"kenya's to nigeria's job", ofKenya, strings.Replace(nigeriaPath, "nigeria", "kenya", 1), http.StatusNotFound},
		{"kenya's with nigeria's secret", ofKenya, pathOf("kenya", nigeriaSecret, "production:4711:1"), http.StatusNotFound},
		{"forged", ofKenya.Forged(), kenyaPath, http.StatusUnauthorized},
		{"kenya's", ofKenya, kenyaPath, http.StatusOK},
		{"nigeria's", ofNigeria, nigeriaPath, http.StatusOK},
		{"nigeria's v3", webhook, nigeriaPath, http.StatusOK},
	} {
		assert.Equal(t, test.status, post(t, test.sent, server.URL+test.path), test.name)
	}
	require.Len(t, kept, 3)
	assert.Equal(t, "kenya production:4711:1 approved 1210 of partner 085", <-kept)
	assert.Equal(t, "nigeria production:4711:1 approved 1210 of partner 2343", <-kept)
	assert.Equal(t, "nigeria production:4711:1 approved clear of partner 2343", <-kept)
}

// The tenant whose job it is hears of a URL that something in front has changed.
func TestChangedURLs(t *testing.T) {
	t.Parallel()
	all, err := readTenants(newTenantsFile(t, kenya), origin)
	require.NoError(t, err)
	heard := make(chan error, 1)
	server := httptest.NewServer(newHandler(all, logResult))
	t.Cleanup(server.Close)
	for name, path := range map[string]string{"kenya": kenyaPath, "nigeria": nigeriaPath} {
		all[name].urls.OnReject = func(_ *http.Request, err error) { heard <- fmt.Errorf("%s: %w", name, err) }
		for changed, want := range map[string]error{
			"/prod" + path: joburl.ErrChanged, "/" + path: joburl.ErrChanged, path + "/": joburl.ErrChanged, path + "?stage=prod": joburl.ErrChanged,
			path[:len(path)-1]: joburl.ErrUnknown,
		} {
			assert.Equal(t, http.StatusNotFound, post(t, callback(kenya), server.URL+changed))
			err := <-heard
			assert.ErrorIs(t, err, want, changed)
			assert.ErrorContains(t, err, name+": ")
			assert.NotEqual(t, name+": "+joburl.ErrUnknown.Error(), err.Error(), "a lost result, and no stranger's")
		}
	}
}

func TestOversize(t *testing.T) {
	t.Parallel()
	server := newServer(t, logResult)
	const size = smilesig.DefaultMaxBytes + 1
	request, err := http.NewRequest(http.MethodPost, server.URL+kenyaPath, io.LimitReader(rand.Reader, size))
	require.NoError(t, err)
	request.ContentLength = size
	request.Header.Set("Expect", "100-continue") // what is refused unread need not be sent
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

func TestWhatIsNotKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(_ context.Context, tenant, _ string, _ result.Result) error {
		if tenant == "kenya" {
			panic("made up")
		}
		return errors.New("made up")
	})
	assert.Zero(t, post(t, callback(kenya), server.URL+kenyaPath), "net/http cuts the connection")
	assert.Equal(t, http.StatusInternalServerError, post(t, callback(nigeria), server.URL+nigeriaPath))
}

// A second code under a name in other letters approves nobody.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	kept := make(chan string, 1)
	server := newServer(t, func(_ context.Context, _, _ string, found result.Result) error {
		kept <- fmt.Sprint(found.Outcome, " ", found.Provisional)
		return nil
	})
	for body, outcome := range map[string]string{
		`{"ResultCode":"0811","resultcode":"0810","PartnerParams":{"job_type":1}}`: "rejected false",
		`{"ResultCode":"0814","PartnerParams":{"job_type":1}}`:                     "review true",
		`{"ResultCode":"0001"}`: "no verdict false",
		`{}`:                    "unknown false",
	} {
		sent := smilesigtest.NewCallback(kenya, []byte(body))
		require.Equal(t, http.StatusOK, post(t, sent, server.URL+kenyaPath), body)
		assert.Equal(t, outcome, <-kept)
	}
}

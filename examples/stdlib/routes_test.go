package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

const (
	kenyaPath   = "/8f14e45fceea167a5a36"
	nigeriaPath = "/c9f0f895fb98ab9159f5"
)

var (
	kenya    = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-kenya"}
	newKenya = smilesig.Credential{PartnerID: "085", APIKey: "made-up-new-key-of-kenya"}
	nigeria  = smilesig.Credential{PartnerID: "2343", APIKey: "made-up-key-of-nigeria"}
)

// writeTenants writes the tenants' file. smilesig.Credential would hide the keys.
func writeTenants(t *testing.T, file string, kenyas ...smilesig.Credential) {
	type credential struct{ PartnerID, APIKey, Label string }
	type plain struct {
		Path        string
		Credentials []credential
	}
	all := map[string]plain{
		"kenya":   {Path: kenyaPath},
		"nigeria": {Path: nigeriaPath, Credentials: []credential{credential(nigeria)}},
	}
	for _, c := range kenyas {
		all["kenya"] = plain{kenyaPath, append(all["kenya"].Credentials, credential(c))}
	}
	text, err := json.Marshal(all)
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
	all, err := readTenants(newTenantsFile(t, kenya))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(newMux(all, keep))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // net/http's own, of panics
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func TestTwoTenants(t *testing.T) {
	t.Parallel()
	kept := make(map[string]string) // partner by tenant
	server := newServer(t, func(ctx context.Context, tenant string, r Result) error {
		cb, _ := smilesig.FromContext(ctx)
		kept[tenant] = cb.PartnerID
		return logResult(ctx, tenant, r)
	})
	ofKenya, ofNigeria := callback(kenya), callback(nigeria)
	for name, test := range map[string]struct {
		sent   smilesigtest.Callback
		path   string
		status int
	}{
		"kenya's":            {ofKenya, kenyaPath, http.StatusOK},
		"nigeria's":          {ofNigeria, nigeriaPath, http.StatusOK},
		"kenya's to nigeria": {ofKenya, nigeriaPath, http.StatusUnauthorized},
		"nigeria's to kenya": {ofNigeria, kenyaPath, http.StatusUnauthorized},
		"forged":             {ofKenya.Forged(), kenyaPath, http.StatusUnauthorized},
		"to nobody":          {ofKenya, "/callbacks", http.StatusNotFound},
	} {
		assert.Equal(t, test.status, post(t, test.sent, server.URL+test.path), name)
	}
	server.Close()
	assert.Equal(t, map[string]string{"kenya": "085", "nigeria": "2343"}, kept)
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
	server := newServer(t, func(_ context.Context, tenant string, _ Result) error {
		if tenant == "kenya" {
			panic("made up")
		}
		return errors.New("made up")
	})
	assert.Zero(t, post(t, callback(kenya), server.URL+kenyaPath), "net/http cuts the connection")
	assert.Equal(t, http.StatusInternalServerError, post(t, callback(nigeria), server.URL+nigeriaPath))
}

func TestUnreadableResult(t *testing.T) {
	t.Parallel()
	server := newServer(t, logResult)
	unreadable := smilesigtest.NewCallback(kenya, []byte(`{"SmileJobID":1}`))
	assert.Equal(t, http.StatusBadRequest, post(t, unreadable, server.URL+kenyaPath))
}

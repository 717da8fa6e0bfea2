package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTenantsFileRefused(t *testing.T) {
	t.Parallel()
	const (
		credentials = `"Credentials":[{"PartnerID":"085","APIKey":"made-up-key"}]`
		secrets     = `"Secrets":["made-up-secret-of-32-bytes-or-so"]`
	)
	for text, fault := range map[string]string{
		``:                            "unexpected end",
		`{}`:                          "no tenants",
		`{}{}`:                        "after top-level value",
		`{"a":{` + secrets + `}}`:     "a: no Credentials",
		`{"a":{` + credentials + `}}`: "a: no Credentials or no Secrets",
		`{"a":{"Path":"/callbacks"}}`: "a: no Credentials or no Secrets",
		`{"a":{"Secrets":[""],` + credentials + `}}`:                                            "a: joburl: the secret has 0 bytes",
		`{"a":{"Secrets":["made-up-secret-of-32-bytes-or-so",""],` + credentials + `}}`:         "a: joburl: older[0] has 0 bytes",
		`{"":{` + secrets + `,` + credentials + `}}`:                                            "want a name",
		`{"a/b":{` + secrets + `,` + credentials + `}}`:                                         "want a name",
		`{"a":{` + secrets + `,` + credentials + `},"b":{` + secrets + `,` + credentials + `}}`: "have a secret in common",
		`{"a":{` + secrets + `,"Credentials":[{"PartnerID":"085","APIKey":"made-up-key "}]}}`:   "a: smilesig: current credential: the API key has white space",
	} {
		file := filepath.Join(t.TempDir(), "tenants.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := readTenants(file, origin)
		assert.ErrorContains(t, err, fault)
		assert.NotContains(t, err.Error(), "made-up")
	}
	_, err := readTenants(filepath.Join(t.TempDir(), "tenants.json"), origin)
	assert.ErrorIs(t, err, os.ErrNotExist)

	_, err = readTenants(newTenantsFile(t, kenya), "partner.example")
	assert.ErrorContains(t, err, "no absolute", "the origin")
}

func TestRotateTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	file := newTenantsFile(t, kenya)
	all, err := readTenants(file, origin)
	require.NoError(t, err)
	pair := all["kenya"].signer.Sign(callback(kenya).Time)

	writeTenants(t, file) // kenya has no credential any more
	assert.Error(t, all.rotate(file, origin))
	assert.True(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))

	const oneTenant = `{"kenya":{"Secrets":["` + kenyaSecret + `"],"Credentials":[{"PartnerID":"085","APIKey":"another"}]}}`
	require.NoError(t, os.WriteFile(file, []byte(oneTenant), 0o600))
	assert.ErrorContains(t, all.rotate(file, origin), "restart")
	assert.True(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))

	writeTenants(t, file, newKenya)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte(kenyaSecret), []byte(kenyaSecret+"2"), 1), 0o600))
	assert.ErrorContains(t, all.rotate(file, origin), "restart")
	assert.True(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))

	writeTenants(t, file, newKenya)
	assert.NoError(t, all.rotate(file, origin))
	assert.False(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))
}

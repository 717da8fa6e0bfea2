package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTenantsFileRefused(t *testing.T) {
	t.Parallel()
	const path, credentials = `"Path":"/8f14e45fceea167a5a36"`, `"Credentials":[{"PartnerID":"085","APIKey":"made-up-key"}]`
	for text, fault := range map[string]string{
		``:                              "EOF",
		`{}`:                            "no tenants",
		`{}{}`:                          "something follows",
		`{} garbage}`:                   "something follows",
		`{"a":{` + path + `}}`:          "a: no Credentials",
		`{"a":{` + credentials + `}}`:   "a: want a Path",
		`{"a":{"path":"/callbacks"}}`:   "a: want a Path",
		`{"a":{` + path + `,"Keys":1}}`: `unknown field "Keys"`,
		`{"a":{` + path + `,` + credentials + `},"b":{` + path + `,` + credentials + `}}`:  "have the same Path",
		`{"a":{` + path + `,"Credentials":[{"PartnerID":"085","APIKey":"made-up-key "}]}}`: "a: smilesig: current credential: white space",
	} {
		file := filepath.Join(t.TempDir(), "tenants.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := readTenants(file)
		assert.ErrorContains(t, err, fault)
		assert.NotContains(t, err.Error(), "made-up")
	}
	_, err := readTenants(filepath.Join(t.TempDir(), "tenants.json"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestRotateTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	file := newTenantsFile(t, kenya)
	all, err := readTenants(file)
	require.NoError(t, err)
	pair := all["kenya"].signer.Sign(callback(kenya).Time)

	writeTenants(t, file) // kenya has no credential any more
	assert.Error(t, all.rotate(file))
	assert.True(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))

	const oneTenant = `{"kenya":{"Path":"` + kenyaPath + `","Credentials":[{"PartnerID":"085","APIKey":"another"}]}}`
	require.NoError(t, os.WriteFile(file, []byte(oneTenant), 0o600))
	assert.ErrorContains(t, all.rotate(file), "restart")
	assert.True(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))

	writeTenants(t, file, newKenya)
	assert.NoError(t, all.rotate(file))
	assert.False(t, all["kenya"].signer.Confirm(pair.Timestamp, pair.Signature))
}

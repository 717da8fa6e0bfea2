package sqlguard_test

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/sqlguard"
)

// A machine receives callbacks. It notes what its handler and its OnReject got last.
type machine struct {
	*httptest.Server
	handled  *smilesig.Callback
	rejected error
}

func startMachine(t *testing.T, signer *smilesig.Signer, guard smilesig.ReplayGuard) *machine {
	t.Helper()
	m := new(machine)
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard, OnReject: func(_ *http.Request, err error) int {
		m.rejected = err
		return 0
	}}
	m.Server = httptest.NewServer(verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		callback, _ := smilesig.FromContext(r.Context())
		m.handled = &callback
	})))
	t.Cleanup(m.Close)
	return m
}

// receive returns what became of a delivery: its status and either the callback
// that the handler got or the error that OnReject got.
func (m *machine) receive(t *testing.T, body []byte) (status int, handled *smilesig.Callback, rejected error) {
	t.Helper()
	m.handled, m.rejected = nil, nil
	response, err := http.Post(m.URL, "application/json", strings.NewReader(string(body)))
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode, m.handled, m.rejected
}

func TestTwoMachinesShareAGuard(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "made-up"})
		require.NoError(t, err)
		table := createTable(t, db, dialect)
		one := startMachine(t, signer, newGuard(t, db, dialect, table))
		two := startMachine(t, signer, newGuard(t, db, dialect, table))

		signedAt := time.Now()
		genuine, err := signer.Inject([]byte(`{"ResultCode":"1210"}`), signedAt)
		require.NoError(t, err)
		swapped, err := signer.Inject([]byte(`{"ResultCode":"0810"}`), signedAt)
		require.NoError(t, err)

		status, handled, _ := one.receive(t, genuine)
		assert.Equal(t, http.StatusOK, status)
		require.NotNil(t, handled)
		assert.False(t, handled.SeenBefore)

		for _, m := range []*machine{one, two} {
			status, handled, rejected := m.receive(t, swapped)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Nil(t, handled)
			assert.ErrorIs(t, rejected, smilesig.ErrReplayed)

			status, handled, _ = m.receive(t, genuine)
			assert.Equal(t, http.StatusOK, status)
			require.NotNil(t, handled)
			assert.True(t, handled.SeenBefore)
		}

		execute(t, db, "DROP TABLE "+table)
		for _, body := range [][]byte{genuine, swapped} {
			status, handled, rejected := two.receive(t, body)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Nil(t, handled)
			assert.ErrorIs(t, rejected, smilesig.ErrGuard)
			assert.ErrorContains(t, rejected, table) // which table is missing
		}
	})
}

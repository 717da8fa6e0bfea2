package sqlguard_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/sqlguard"
)

// insertExpired inserts n rows that have expired.
func insertExpired(t testing.TB, db *sql.DB, dialect sqlguard.Dialect, table string, n int) {
	t.Helper()
	query := map[sqlguard.Dialect]string{
		sqlguard.PostgreSQL: `INSERT INTO ` + table + ` SELECT sha256(i::text::bytea), sha256('body'),
			statement_timestamp() - i % 100 * interval '1 s', false FROM generate_series(1, $1::int) i`,
		sqlguard.SQLite: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			INSERT INTO ` + table + ` SELECT randomblob(32), randomblob(32), unixepoch('subsec') - i % 100, 0 FROM n`,
	}[dialect]
	execute(t, db, query, n)
}

func TestSweepDeletesWhatHasExpired(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard := newGuard(t, db, dialect, table)
		pair, body, expired := digest(), digest(), digest()
		_, _, err := guard.Bind(t.Context(), pair, body, time.Minute) // the end is near
		require.NoError(t, err)
		bindExpired(t, guard, expired)
		insertExpired(t, db, dialect, table, 2500)

		for _, want := range []int64{2501, 0} {
			deleted, err := guard.Sweep(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, want, deleted)
		}
		var rows int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM "+table).Scan(&rows))
		assert.Equal(t, 1, rows)
		assertBound(t, guard, pair, body)
		assertFirst(t, guard, expired, digest())
	})
}

func TestSweepsAndBindsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, db *sql.DB, dialect sqlguard.Dialect) {
		table := createTable(t, db, dialect)
		guard := newGuard(t, db, dialect, table)
		insertExpired(t, db, dialect, table, 5000)
		ctx, stop := context.WithCancel(t.Context())
		var sweeps, binds sync.WaitGroup
		for range 3 {
			sweeps.Go(func() {
				for ctx.Err() == nil {
					_, err := guard.Sweep(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		for range 8 {
			binds.Go(func() {
				for range 20 {
					pair, body := digest(), digest()
					bindExpired(t, guard, pair)
					assertFirst(t, guard, pair, body)
					assertBound(t, guard, pair, body)
				}
			})
		}
		binds.Wait()
		stop()
		sweeps.Wait()
		var live int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM "+table).Scan(&live))
		assert.Equal(t, 8*20, live)
	})
}

func TestSweepLeavesARowThatIsBeingRebound(t *testing.T) {
	t.Parallel()
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	guard := newGuard(t, db, sqlguard.PostgreSQL, table)
	pair, body := digest(), digest()
	bindExpired(t, guard, pair)

	rebinding, err := db.Begin()
	require.NoError(t, err)
	defer rebinding.Rollback()
	_, err = rebinding.Exec("UPDATE "+table+" SET body = $1, expires = now() + interval '1 hour' WHERE pair = $2", body[:], pair[:])
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	deleted, err := guard.Sweep(ctx) // does not wait for it
	assert.NoError(t, err)
	assert.Zero(t, deleted)
	require.NoError(t, rebinding.Commit())
	assertBound(t, guard, pair, body)
}

func TestBindWaitsForASweepOfItsRow(t *testing.T) {
	t.Parallel()
	db := sharedServer(t).open(t)
	table := createTable(t, db, sqlguard.PostgreSQL)
	guard := newGuard(t, db, sqlguard.PostgreSQL, table)
	pair, body := digest(), digest()
	bindExpired(t, guard, pair)

	sweeping, err := db.Begin()
	require.NoError(t, err)
	defer sweeping.Rollback()
	_, err = sweeping.Exec("DELETE FROM " + table)
	require.NoError(t, err)
	var bind sync.WaitGroup
	bind.Go(func() { assertFirst(t, guard, pair, body) })
	awaitLockWait(t, db, table)
	require.NoError(t, sweeping.Commit())
	bind.Wait()
	assertBound(t, guard, pair, body)
}

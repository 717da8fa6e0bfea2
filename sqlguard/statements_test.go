package sqlguard

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// In a race, the quick statement finds no live row, and then this one finds it.
func TestTheStatementThatDecidesEveryBindChangesNoLiveRow(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	_, err = db.Exec(SQLiteSchema)
	require.NoError(t, err)
	guard, err := New(db, Options{Dialect: SQLite, Timeout: time.Minute})
	require.NoError(t, err)
	expires := func() (when float64) {
		require.NoError(t, db.QueryRow("SELECT expires FROM smilesig_bindings").Scan(&when))
		return when
	}
	bind := func(content string, ttl time.Duration) (bound string, seen bool) {
		stored, seen, err := guard.bind(context.Background(), guard.sql.bind, []byte("pair"), []byte(content), ttl.Milliseconds())
		require.NoError(t, err)
		return string(stored), seen
	}

	bound, seen := bind("first", time.Hour)
	assert.Equal(t, "first", bound)
	assert.False(t, seen)
	before := expires()
	bound, seen = bind("second", 2*time.Hour)
	assert.Equal(t, "first", bound)
	assert.True(t, seen)
	assert.Equal(t, before, expires())

	_, err = db.Exec("UPDATE smilesig_bindings SET expires = unixepoch('subsec')")
	require.NoError(t, err)
	bound, seen = bind("third", 2*time.Hour)
	assert.Equal(t, "third", bound)
	assert.False(t, seen)
	assert.Greater(t, expires(), before)
}

// Before 3.42, unixepoch('subsec') is NULL.
func TestCheckNamesAnOldSQLite(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "old.db"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	_, err = db.Exec(SQLiteSchema)
	require.NoError(t, err)
	guard, err := New(db, Options{Dialect: SQLite, Timeout: time.Minute})
	require.NoError(t, err)
	require.NoError(t, guard.Check(t.Context()))
	guard.sql.check = strings.ReplaceAll(guard.sql.check, "unixepoch('subsec')", "NULL")
	assert.ErrorContains(t, guard.Check(t.Context()), " is older than 3.42")
}

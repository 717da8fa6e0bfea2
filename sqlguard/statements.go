package sqlguard

// PostgreSQLSchema creates the table that a guard needs on PostgreSQL, under the
// name DefaultTable. For another Table, change the name in the text.
const PostgreSQLSchema = `CREATE TABLE smilesig_bindings (
	pair    bytea       PRIMARY KEY,
	body    bytea       NOT NULL,
	expires timestamptz NOT NULL,
	again   boolean     NOT NULL -- the statement that wrote the row found it live
);
CREATE INDEX ON smilesig_bindings (expires); -- for Sweep
`

// SQLiteSchema creates the table that a guard needs on SQLite, under the name
// DefaultTable. For another Table, change the name in the text.
const SQLiteSchema = `CREATE TABLE smilesig_bindings (
	pair    BLOB    PRIMARY KEY,
	body    BLOB    NOT NULL,
	expires REAL    NOT NULL, -- Unix time in seconds
	again   INTEGER NOT NULL  -- the statement that wrote the row found it live
) STRICT, WITHOUT ROWID;
CREATE INDEX smilesig_bindings_expires ON smilesig_bindings (expires); -- for Sweep
`

// statements are the SQL of one dialect. Each has the table's name as %[1]s. The
// parameters of bind are the pair, the body and the ttl in milliseconds. The
// parameter of sweep is the largest number of rows to delete.
type statements struct{ bind, sweep string }

// The column again says whether an upsert found a live row. RETURNING cannot tell
// this in any other way: it sees the new row only, and xmax is not zero after a
// rebind either.
//
// statement_timestamp() is the same all through a statement. So is
// unixepoch('subsec').
var dialects = map[Dialect]statements{
	PostgreSQL: {
		// A live row is selected first, because the upsert locks and writes the
		// row. The upsert looks again, because only the upsert sees the newest
		// version of the row. The snapshot of the select may not have it.
		//
		// The casts give each parameter its type where nothing is prepared.
		bind: `WITH live AS (
	SELECT body FROM %[1]s WHERE pair = $1::bytea AND expires > statement_timestamp()
), upsert AS (
	INSERT INTO %[1]s AS old (pair, body, expires, again)
	SELECT $1::bytea, $2::bytea, statement_timestamp() + $3::bigint * interval '1 millisecond', false
	WHERE NOT EXISTS (SELECT FROM live)
	ON CONFLICT (pair) DO UPDATE SET
		body    = CASE WHEN old.expires > statement_timestamp() THEN old.body    ELSE excluded.body    END,
		expires = CASE WHEN old.expires > statement_timestamp() THEN old.expires ELSE excluded.expires END,
		again   = old.expires > statement_timestamp()
	RETURNING body, again
)
SELECT body, true FROM live UNION ALL SELECT body, again FROM upsert`,

		// FOR UPDATE looks at the newest version of each row and locks it. So the
		// sweep deletes no row that was rebound meanwhile. SKIP LOCKED lets
		// sweeps on several machines share the work.
		sweep: `DELETE FROM %[1]s WHERE pair = ANY (ARRAY(
	SELECT pair FROM %[1]s WHERE expires <= statement_timestamp()
	ORDER BY expires LIMIT $1::bigint FOR UPDATE SKIP LOCKED
))`,
	},
	SQLite: {
		// One writer at a time: nothing changes under the statement.
		bind: `INSERT INTO %[1]s AS old (pair, body, expires, again)
VALUES (?1, ?2, unixepoch('subsec') + ?3 / 1000.0, 0)
ON CONFLICT (pair) DO UPDATE SET
	body    = CASE WHEN old.expires > unixepoch('subsec') THEN old.body    ELSE excluded.body    END,
	expires = CASE WHEN old.expires > unixepoch('subsec') THEN old.expires ELSE excluded.expires END,
	again   = old.expires > unixepoch('subsec')
RETURNING body, again`,

		sweep: `DELETE FROM %[1]s WHERE pair IN (
	SELECT pair FROM %[1]s WHERE expires <= unixepoch('subsec') ORDER BY expires LIMIT ?1
)`,
	},
}

package sqlguard

import "strings"

// PostgreSQLSchema creates the table that a guard needs on PostgreSQL, under the
// name DefaultTable. It can run again. For another Table, replace that name wherever
// the text has it. If the Table has a schema, leave it out of the index's name.
const PostgreSQLSchema = `CREATE TABLE IF NOT EXISTS smilesig_bindings (
	pair    bytea       PRIMARY KEY,
	body    bytea       NOT NULL, -- the digest that the pair is bound to
	expires timestamptz NOT NULL,
	again   boolean     NOT NULL  -- the statement that wrote the row found it live
);
CREATE INDEX IF NOT EXISTS smilesig_bindings_expires ON smilesig_bindings (expires); -- for Sweep
`

// SQLiteSchema creates the table that a guard needs on SQLite, under the name
// DefaultTable. It can run again. For another Table, replace that name wherever the
// text has it. If the Table has a schema, the index has it, too, but not the table
// behind ON: CREATE INDEX … s.bindings_expires ON bindings (expires).
const SQLiteSchema = `CREATE TABLE IF NOT EXISTS smilesig_bindings (
	pair    BLOB    PRIMARY KEY,
	body    BLOB    NOT NULL, -- the digest that the pair is bound to
	expires REAL    NOT NULL, -- Unix time in seconds
	again   INTEGER NOT NULL  -- the statement that wrote the row found it live
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS smilesig_bindings_expires ON smilesig_bindings (expires); -- for Sweep
`

// statements are the SQL of one dialect. {table} stands for the table's name. For
// SQLite, {schema} and {name} are its two halves. The
// parameters of quick and bind are the pair, the content and the ttl in milliseconds.
// Both return what the pair is bound to, and whether it was bound before.
type statements struct {
	prepare bool // prepare quick and bind, which is safe where there is no pooler

	quick string // decides most binds, and returns no row if it cannot
	bind  string // decides every bind
	sweep string // parameter: the largest number of rows to delete
	check string // selects what is wrong, in words
}

func (s statements) of(table string) statements {
	schema, name, named := strings.Cut(table, ".")
	if !named {
		schema, name = "main", table
	}
	fill := strings.NewReplacer("{table}", table, "{schema}", schema, "{name}", name).Replace
	return statements{prepare: s.prepare, quick: fill(s.quick), bind: fill(s.bind), sweep: fill(s.sweep), check: fill(s.check)}
}

// The column again says whether bind found a live row. RETURNING cannot tell this
// in any other way: it sees the new row only, and xmax is not zero after a rebind
// either.
//
// statement_timestamp() is the same all through a statement. So is
// unixepoch('subsec').
var dialects = map[Dialect]statements{
	PostgreSQL: {
		// An insert that does nothing locks and writes nothing, as an upsert would.
		// It cannot decide if the row has expired, or is too new for the
		// statement's snapshot.
		//
		// The casts give each parameter its type where nothing is prepared.
		quick: `WITH smilesig_bound AS (
	INSERT INTO {table} (pair, body, expires, again)
	VALUES ($1::bytea, $2::bytea, statement_timestamp() + $3::bigint * interval '1 millisecond', false)
	ON CONFLICT (pair) DO NOTHING
	RETURNING body
)
SELECT body, false FROM smilesig_bound UNION ALL
SELECT body, true FROM {table} WHERE pair = $1::bytea AND expires > statement_timestamp() AND NOT EXISTS (SELECT FROM smilesig_bound)`,

		// It sees the newest version of the row.
		bind: `INSERT INTO {table} AS old (pair, body, expires, again)
VALUES ($1::bytea, $2::bytea, statement_timestamp() + $3::bigint * interval '1 millisecond', false)
ON CONFLICT (pair) DO UPDATE SET
	body    = CASE WHEN old.expires > statement_timestamp() THEN old.body    ELSE excluded.body    END,
	expires = CASE WHEN old.expires > statement_timestamp() THEN old.expires ELSE excluded.expires END,
	again   = old.expires > statement_timestamp()
RETURNING body, again`,

		sweep: `DELETE FROM {table} WHERE pair = ANY (ARRAY(
	SELECT pair FROM {table} WHERE expires <= statement_timestamp()
	ORDER BY expires LIMIT $1::bigint FOR UPDATE SKIP LOCKED
))`,

		// The type of expires counts most: a timestamp without time zone means
		// another time on each connection with another TimeZone.
		check: `WITH found AS (
	SELECT oid, relpersistence FROM pg_class WHERE oid = to_regclass('{table}')
), wanted (name, type) AS (
	VALUES ('pair', 'bytea'), ('body', 'bytea'), ('expires', 'timestamp with time zone'), ('again', 'boolean')
)
SELECT 'column ' || name || ' of {table} is ' || coalesce(format_type(atttypid, atttypmod), 'missing') || ' and must be ' || type
	FROM found CROSS JOIN wanted LEFT JOIN pg_attribute ON attrelid = oid AND attname = name
	WHERE format_type(atttypid, atttypmod) IS DISTINCT FROM type
UNION ALL SELECT 'pair is not the primary key of {table}' FROM found WHERE NOT EXISTS (
	SELECT FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attname = 'pair'
	WHERE conrelid = found.oid AND contype IN ('p', 'u') AND conkey = ARRAY[attnum])
UNION ALL SELECT 'user ' || current_user || ' may not ' || privilege || ' on {table}'
	FROM found, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
	WHERE NOT has_table_privilege(oid, privilege)
UNION ALL SELECT 'no index of {table} begins with expires: Sweep is slow' FROM found WHERE NOT EXISTS (
	SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
	WHERE indrelid = found.oid AND attname = 'expires' AND indisvalid AND indpred IS NULL)
UNION ALL SELECT 'row-level security of {table} is active for user ' || current_user FROM found
	WHERE row_security_active(oid) AND NOT EXISTS (
	SELECT FROM pg_policy WHERE polrelid = found.oid AND polcmd = '*' AND pg_get_expr(polqual, polrelid) = 'true')
UNION ALL SELECT '{table} is not permanent: a crash empties it' FROM found WHERE relpersistence <> 'p'
UNION ALL SELECT 'isolation is ' || current_setting('transaction_isolation') || ' and must be read committed'
	WHERE current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
UNION ALL SELECT 'transactions are read-only, as on a standby' WHERE current_setting('transaction_read_only') = 'on'
UNION ALL SELECT 'with ' || name || ' = off a crash forgets bindings'
	FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'`,
	},
	SQLite: {
		prepare: true,

		// It only reads, because a statement that may write takes the database's
		// lock. It uses every parameter, because drivers count them.
		quick: `SELECT body, 1 FROM {table}
WHERE pair = ?1 AND expires > unixepoch('subsec') AND ?2 IS NOT NULL AND ?3 IS NOT NULL`,

		// One writer at a time: nothing changes under the statement.
		bind: `INSERT INTO {table} AS old (pair, body, expires, again)
VALUES (?1, ?2, unixepoch('subsec') + ?3 / 1000.0, 0)
ON CONFLICT (pair) DO UPDATE SET
	body    = CASE WHEN old.expires > unixepoch('subsec') THEN old.body    ELSE excluded.body    END,
	expires = CASE WHEN old.expires > unixepoch('subsec') THEN old.expires ELSE excluded.expires END,
	again   = old.expires > unixepoch('subsec')
RETURNING body, again`,

		sweep: `DELETE FROM {table} WHERE pair IN (
	SELECT pair FROM {table} WHERE expires <= unixepoch('subsec') ORDER BY expires LIMIT ?1
)`,

		check: `WITH attribute AS (
	SELECT lower(name) AS name, upper(type) AS type, pk FROM pragma_table_info('{name}', '{schema}')
), wanted (name, type) AS (
	VALUES ('pair', 'BLOB'), ('body', 'BLOB'), ('expires', 'REAL'), ('again', 'INTEGER')
)
SELECT 'database {schema} has no table {table}' WHERE NOT EXISTS (SELECT 1 FROM attribute)
UNION ALL SELECT 'column ' || wanted.name || ' of {table} is ' || coalesce(attribute.type, 'missing') || ' and must be ' || wanted.type
	FROM wanted LEFT JOIN attribute USING (name)
	WHERE attribute.type IS NOT wanted.type AND EXISTS (SELECT 1 FROM attribute)
UNION ALL SELECT 'pair is not the primary key of {table}' WHERE EXISTS (SELECT 1 FROM attribute)
	AND (SELECT group_concat(name) FROM attribute WHERE pk > 0) IS NOT 'pair'
UNION ALL SELECT 'no index of {table} begins with expires: Sweep is slow' WHERE EXISTS (SELECT 1 FROM attribute) AND NOT EXISTS (
	SELECT 1 FROM pragma_index_list('{name}', '{schema}') AS list, pragma_index_info(list.name, '{schema}') AS info
	WHERE info.seqno = 0 AND lower(info.name) = 'expires' AND list.partial = 0)
UNION ALL SELECT 'with synchronous = ' || synchronous || ' a crash forgets bindings; it must be 2 (FULL)'
	FROM pragma_synchronous('{schema}') WHERE synchronous < 2
UNION ALL SELECT 'database {schema} has no file: it ends with its connection'
	FROM pragma_database_list WHERE name = '{schema}' COLLATE NOCASE AND file = ''
UNION ALL SELECT 'SQLite ' || sqlite_version() || ' is older than 3.42' WHERE unixepoch('subsec') IS NULL`,
	},
}

package sqlguard_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/sqlguard"
)

// bareStatements write the row of a first delivery and read that of a redelivery.
// A guard has to do no less. pgx prepares them by itself. On SQLite they are parsed
// each time, as with any query that is not prepared.
var bareStatements = map[sqlguard.Dialect]struct{ upsert, read string }{
	sqlguard.PostgreSQL: {
		`INSERT INTO smilesig_bindings VALUES ($1::bytea, $2::bytea, statement_timestamp() + $3::bigint * interval '1 millisecond', false)
			ON CONFLICT (pair) DO UPDATE SET body = excluded.body, expires = excluded.expires RETURNING body, again`,
		`SELECT body, true FROM smilesig_bindings WHERE pair = $1::bytea AND expires > statement_timestamp()`,
	},
	sqlguard.SQLite: {
		`INSERT INTO smilesig_bindings VALUES (?1, ?2, unixepoch('subsec') + ?3 / 1000.0, 0)
			ON CONFLICT (pair) DO UPDATE SET body = excluded.body, expires = excluded.expires RETURNING body, again`,
		`SELECT body, 1 FROM smilesig_bindings WHERE pair = ?1 AND expires > unixepoch('subsec')`,
	},
}

// BenchmarkBind measures Bind beside bare statements on the same pool. They take
// turns, so that whatever slows the machine down slows both.
func BenchmarkBind(b *testing.B) {
	for _, s := range stores {
		b.Run(s.name, func(b *testing.B) {
			db := s.open(b)
			execute(b, db, schemaOf(s.dialect, sqlguard.DefaultTable))
			guard := newGuard(b, db, s.dialect, "")
			bind := func(pair smilesig.Digest) {
				_, _, err := guard.Bind(b.Context(), pair, pair, time.Hour)
				require.NoError(b, err)
			}
			query := func(statement string, args ...any) {
				require.NoError(b, db.QueryRowContext(b.Context(), statement, args...).Scan(new([]byte), new(bool)))
			}
			bare := bareStatements[s.dialect]
			b.Run("first", func(b *testing.B) {
				takeTurns(b, func() { bind(digest()) }, func() {
					pair := digest()
					query(bare.upsert, pair[:], pair[:], time.Hour.Milliseconds())
				})
			})
			b.Run("redelivery", func(b *testing.B) {
				known := digest()
				bind(known)
				takeTurns(b, func() { bind(known) }, func() { query(bare.read, known[:]) })
			})
		})
	}
}

func takeTurns(b *testing.B, bind, query func()) {
	took := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	var binding, querying time.Duration
	for b.Loop() {
		binding += took(bind)
		querying += took(query)
	}
	b.ReportMetric(float64(b.N)/binding.Seconds(), "binds/s")
	b.ReportMetric(float64(b.N)/querying.Seconds(), "bare/s")
	b.ReportMetric(querying.Seconds()/binding.Seconds(), "binds/bare")
}

func BenchmarkSweep(b *testing.B) {
	const rows = 10_000
	for _, s := range stores {
		b.Run(s.name, func(b *testing.B) {
			db := s.open(b)
			table := createTable(b, db, s.dialect)
			guard := newGuard(b, db, s.dialect, table)
			for b.Loop() {
				b.StopTimer()
				insertExpired(b, db, s.dialect, table, rows)
				b.StartTimer()
				deleted, err := guard.Sweep(context.Background())
				require.NoError(b, err)
				require.EqualValues(b, rows, deleted)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}

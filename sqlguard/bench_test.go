package sqlguard_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/sqlguard"
)

func BenchmarkBind(b *testing.B) {
	for _, s := range stores {
		db := s.open(b)
		guard := newGuard(b, db, s.dialect, createTable(b, db, s.dialect))
		known := digest()
		bind := func(b *testing.B, guard *sqlguard.Guard, pair smilesig.Digest) {
			_, _, err := guard.Bind(context.Background(), pair, pair, time.Hour)
			require.NoError(b, err)
		}
		for name, pair := range map[string]func() smilesig.Digest{
			"first":      digest,
			"redelivery": func() smilesig.Digest { return known },
		} {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					bind(b, guard, pair())
				}
			})
			b.Run(s.name+"/"+name+", 16 at once", func(b *testing.B) {
				b.SetParallelism(8) // on 2 processors
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						bind(b, guard, pair())
					}
				})
			})
		}
	}
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

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/smilesig/bench"
)

// A plan says how long to measure what.
type plan struct {
	work, loopback bench.Effort
	load           time.Duration
}

// Figures are all that was measured.
type figures struct {
	pair                                     row
	inbound, outbound, verify, inject, scans []row
	allocations                              []allocation
	confirmAllocations, scanAllocations      int
	loopbackIn, loopbackOut                  []rateRow
	load                                     bench.LoadResult
	took                                     time.Duration
}

// A row is what the ways took for one body, in one interleaved run.
type row struct {
	body  bench.Body
	names []string
	times []time.Duration
}

// of returns the time of a way.
func (r row) of(name string) time.Duration {
	for i, n := range r.names {
		if n == name {
			return r.times[i]
		}
	}
	panic("nothing called " + name + " was measured")
}

// ratio returns how long a way took for each unit that base took.
func (r row) ratio(name, base string) float64 { return float64(r.of(name)) / float64(r.of(base)) }

// find returns the row of a body.
func find(rows []row, b bench.Body) row {
	for _, r := range rows {
		if r.body.Name == b.Name {
			return r
		}
	}
	panic("nothing was measured with " + b.Name)
}

type allocation struct {
	body         bench.Body
	count, bytes int
}

type rateRow struct {
	body  bench.Body
	rates []bench.Rate
}

func (r rateRow) perSecond(name string) float64 {
	for _, rate := range r.rates {
		if rate.Name == name {
			return rate.PerSecond
		}
	}
	panic("nothing called " + name + " was measured")
}

func (p plan) measure() (figures, error) {
	start := time.Now()
	progress("checking that every way does its job")
	for _, b := range bench.Bodies() {
		if err := errors.Join(bench.CheckInbound(b), bench.CheckScan(b)); err != nil {
			return figures{}, err
		}
	}
	for _, b := range bench.Sendable() {
		if err := bench.CheckOutbound(b); err != nil {
			return figures{}, err
		}
	}
	f := figures{
		pair:     p.row("pairs", bench.Body{}, bench.PairWays()),
		inbound:  p.rows("inbound", bench.Bodies(), bench.InboundWays),
		outbound: p.rows("outbound", bench.Sendable(), bench.OutboundWays),
		verify:   p.rows("verify", bench.Ordinary(), bench.VerifyWays),
		inject:   p.rows("inject", bench.Ordinary(), bench.InjectWays),
		scans:    p.rows("scan", bench.Bodies(), bench.ScanWays),
	}
	progress("allocations")
	for _, b := range bench.Bodies() {
		count, bytes := bench.HandlerAllocations(b)
		f.allocations = append(f.allocations, allocation{b, count, bytes})
		scan, _ := bench.Allocations(bench.ScanWays(b)[0].Run)
		f.scanAllocations = max(f.scanAllocations, scan)
	}
	f.confirmAllocations, _ = bench.Allocations(bench.PairWays()[0].Run)

	for _, b := range []bench.Body{bench.Members(4_000), bench.Photos(100_000), bench.Photos(1_500_000)} {
		progress("loopback, " + b.Name)
		in, err := bench.LoopbackInbound(p.loopback, b)
		if err != nil {
			return figures{}, err
		}
		out, err := bench.LoopbackOutbound(p.loopback, b)
		if err != nil {
			return figures{}, err
		}
		f.loopbackIn = append(f.loopbackIn, rateRow{b, in})
		f.loopbackOut = append(f.loopbackOut, rateRow{b, out})
	}
	progress("load")
	var err error
	f.load, err = bench.Load(p.load)
	f.took = time.Since(start)
	return f, err
}

func (p plan) rows(what string, bodies []bench.Body, ways func(bench.Body) []bench.Way) []row {
	var rows []row
	for _, b := range bodies {
		rows = append(rows, p.row(what, b, ways(b)))
	}
	return rows
}

func (p plan) row(what string, b bench.Body, ways []bench.Way) row {
	progress(what + " " + b.Name)
	r := row{body: b, times: bench.Medians(p.work, ways)}
	for _, way := range ways {
		r.names = append(r.names, way.Name)
	}
	return r
}

func progress(what string) { fmt.Fprintln(os.Stderr, what) }

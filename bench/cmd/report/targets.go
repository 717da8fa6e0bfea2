package main

import (
	"errors"
	"fmt"
	"time"

	"example.com/smilesig/bench"
)

// A target is a figure that was aimed at.
type target struct {
	what       string
	limit, got float64
	atLeast    bool // else at most
	allocates  bool // counted, so the same on every machine
}

func (t target) reached() bool {
	if t.atLeast {
		return t.got >= t.limit
	}
	return t.got <= t.limit
}

// missedAllocations reports the targets that a noisy machine cannot miss.
func missedAllocations(targets []target) error {
	var missed []error
	for _, t := range targets {
		if t.allocates && !t.reached() {
			missed = append(missed, fmt.Errorf("%s: %v, at most %v", t.what, t.got, t.limit))
		}
	}
	return errors.Join(missed...)
}

func (f figures) targets() []target {
	all := []target{
		{what: "Confirm against the SDK way", limit: 0.33, got: f.pair.ratio(bench.Confirm, "confirm "+bench.SDK)},
		{what: "Confirm, allocations", got: float64(f.confirmAllocations), allocates: true},
		{what: "Scan, allocations", got: float64(f.scanAllocations), allocates: true},
	}
	add := func(what string, b bench.Body, limit, got float64) {
		all = append(all, target{what: what + ", " + b.Name, limit: limit, got: got})
	}
	for _, r := range ordinary(f.inbound) {
		add("Handler against the standard library", r.body, bySize(r, 0.15, 0.04), r.ratio(bench.Smilesig, bench.StandardLibrary))
	}
	for _, r := range ordinary(f.inbound) {
		add("Handler against a handler with standard-webhooks", r.body, bySize(r, 0.7, 0.1), r.ratio(bench.Smilesig, bench.StandardWebhook))
	}
	for _, r := range ordinary(f.verify) {
		add("Verify against standard-webhooks Verify", r.body, bySize(r, 0.7, 0.1), r.ratio("Verifier.Verify", bench.StandardWebhook+" Verify"))
	}
	for _, r := range ordinary(f.outbound) {
		add("Transport against the standard library", r.body, bySize(r, 0.13, 0.05), r.ratio(bench.Smilesig, bench.StandardLibrary))
	}
	count, bytes := f.mostAllocated()
	all = append(all,
		target{what: "Handler, allocations beyond the copy, any body", limit: 3, got: float64(count), allocates: true},
		target{what: "Handler, bytes beyond the copy, any body", limit: 1024, got: float64(bytes), allocates: true})
	for _, r := range ordinary(f.scans) {
		add("Scan against jsontext", r.body, bySize(r, 0.5, 0.25), r.ratio(bench.Scan, bench.JSONText))
	}
	for _, r := range f.scans[len(bench.Ordinary()):] {
		what := fmt.Sprintf("Scan, milliseconds (%s: %.3g)", bench.JSON, milliseconds(r.of(bench.JSON)))
		add(what, r.body, 3, milliseconds(r.of(bench.Scan)))
	}
	all = append(all, target{what: "Scan, time for a byte at 1.5 MB against 100 KB, members", limit: 1.25,
		got: perByte(f.scans, bench.Members(1_500_000)) / perByte(f.scans, bench.Members(100_000))})
	all = append(all,
		target{what: "Requests per second, wrapped against bare, 4 KB inbound", limit: 0.80, atLeast: true,
			got: f.loopbackIn[0].perSecond(bench.Smilesig) / f.loopbackIn[0].perSecond(bench.Bare)},
		target{what: "Requests per second, wrapped against bare, 4 KB outbound", limit: 0.85, atLeast: true,
			got: f.loopbackOut[0].perSecond(bench.Smilesig) / f.loopbackOut[0].perSecond(bench.Bare)})
	return all
}

func (f figures) mostAllocated() (count, bytes int) {
	for _, a := range f.allocations {
		count, bytes = max(count, a.count), max(bytes, a.bytes)
	}
	return count, bytes
}

// ordinary leaves out hostile bodies and the smallest, which have no target.
func ordinary(rows []row) []row { return rows[1:len(bench.Ordinary())] }

func bySize(r row, small, above float64) float64 {
	if len(r.body.JSON) < 50_000 {
		return small
	}
	return above
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func perByte(rows []row, b bench.Body) float64 {
	return float64(find(rows, b).of(bench.Scan)) / float64(len(b.JSON))
}

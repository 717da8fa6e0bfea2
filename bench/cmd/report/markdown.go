package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"example.com/smilesig/bench"
)

// markdown is the whole report.
func (f *figures) markdown() string {
	var m document
	m.line("# Benchmarks")
	m.line("%s, %s/%s, %s, %d cores, SHA-256 in hardware: %v. %s, in %.0f s, by:", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		cpuid.CPU.BrandName, runtime.NumCPU(), cpuid.CPU.Supports(cpuid.SHA), f.start.UTC().Format(time.DateOnly), time.Since(f.start).Seconds())
	m.line("    go -C bench run ./cmd/report")
	m.line("Each row is one interleaved run: every way in turn, many rounds. The first column has the median time, the others the median ratio to it: " +
		"0.5 takes half as long, 2 twice. Compare within a row only. Every way was first seen to do its job.")
	m.line("![Time for a callback, smilesig's as 1](chart.svg)")

	m.line("## Callbacks: an http.Handler around a handler that reads the body")
	m.line("The standard library's way is `io.ReadAll`, `json.Unmarshal` into a struct, `hmac.New`. %s, %s and %s do **other work**: they read the same "+
		"bytes and hand them on, but their MAC covers the body, which Smile ID's does not, and they do not look whether it is JSON. %q is what the handler alone takes.",
		bench.StandardWebhook, bench.Stripe, bench.Slack, bench.Bare)
	m.ratios(f.inbound, bench.Smilesig)
	m.line("Allocations of smilesig's Handler beyond a copy of the request with a callback in its context, whatever the body: %.0f.", f.allocations)
	m.line("%s", bounds)

	m.line("## Requests: an http.RoundTripper around one that reads the body")
	m.line("The standard library's way is `io.ReadAll`, `json.Unmarshal` into a map, `hmac.New`, `json.Marshal`. It loses members with doubled names. "+
		"%s has the body in hand.", bench.Inject)
	m.ratios(f.outbound, bench.Smilesig)

	m.line("## Pairs")
	m.ratios(f.pairs, bench.Smilesig)

	m.line("## The scan, alone")
	m.ratios(f.scans, bench.Scan)
	m.line("They do not all do the same:")
	m.scanners()

	m.line("## Over loopback sockets")
	m.line("Kept-alive connections, client and server in one process. CPU is what both use for one request, the kernel's part included; " +
		"it is the steadier figure where something else runs, too. Time is from one request to the next.")
	m.line("Callbacks:")
	m.ratios(f.loopbackIn, bench.Bare)
	m.line("Requests:")
	m.ratios(f.loopbackOut, bench.Bare)
	m.load(f.load)
	return strings.TrimSpace(m.String()) + "\n"
}

// bounds has no figures, so that it stays true.
const bounds = `What bounds smilesig: a body is copied, scanned, and read by the handler, once each. At 300 B, most of the time is for what
does not depend on the body: the signature of the pair, the header, the copy of the request. From 4 KB of small members on, most of it is for the
scan, because that looks at each name, number and bracket in turn. The peers hash the body instead. A CPU with SHA instructions does that about as
fast; without them, as with ` + "`GODEBUG=cpu.sha=off`" + `, the peers take several times as long. Photos are scanned 32 bytes at a time, and no hash
keeps up with that. Worst are hostile bodies of nothing but tiny values: each value costs some nanoseconds, in linear time, and the peers do not look.
A faster scan needs vector instructions. The table of scans shows what they give: sonic has them, in assembly, and is far ahead on long strings,
but not on small members.`

type document struct{ strings.Builder }

// line is a paragraph.
func (m *document) line(format string, args ...any) { fmt.Fprintf(m, format+"\n\n", args...) }

func (m *document) table(head []string, rows [][]string) {
	rule := slices.Repeat([]string{"--:"}, len(head))
	rule[0] = "---"
	for _, cells := range append([][]string{head, rule}, rows...) {
		fmt.Fprintf(m, "| %s |\n", strings.Join(cells, " | "))
	}
	m.WriteString("\n")
}

// ratios is a table of rows: base's time, and how long others take for each unit of it.
func (m *document) ratios(rows []bench.Row, base string) {
	head := []string{"", base}
	for _, way := range rows[0].Ways {
		if way != base {
			head = append(head, way)
		}
	}
	var cells [][]string
	for _, r := range rows {
		line := []string{r.Name, duration(r.Median(base))}
		for _, way := range head[2:] {
			if r.Has(way) {
				line = append(line, ratio(r.Ratio(way, base)))
			} else {
				line = append(line, "refuses")
			}
		}
		cells = append(cells, line)
	}
	m.table(head, cells)
}

func (m *document) scanners() {
	var rows [][]string
	for _, s := range bench.Scanners() {
		rows = append(rows, []string{s.Name, cmp.Or(strings.Join(s.Passes(), ", "), "none of these"), cmp.Or(s.Does, "-")})
	}
	m.table([]string{"", "lets pass", "besides"}, rows)
}

func (m *document) load(l *bench.LoadResult) {
	m.line("## Under load")
	m.line("For %v, 64 connections with callbacks and 64 with requests, bodies from 300 B to 1.5 MB, callbacks with their pair in the body or in headers, one in ten hostile, no Guard. "+
		"Alone: `go -C bench test -run Load -load 1m -v`.", l.Duration)
	var rows [][]string
	for _, k := range l.Kinds {
		rows = append(rows, []string{k.Name, fmt.Sprint(k.Sent.Load()), fmt.Sprint(k.Good.Load())})
	}
	m.table([]string{"", "sent", "served to the byte, or refused with the right status or error"}, rows)
	m.line("What is missing in the last column had its connection closed before the answer was read. Hostile ones that came through: %d. Bytes read of forged callbacks with their pair in headers: %d. "+
		"Live heap in the second quarter of the time, in the last, and at most: %s, %s, %s. Goroutines before and after: %d, %d.",
		l.Passed.Load(), l.ForgedBytesRead.Load(), megabytes(l.HeapEarly), megabytes(l.HeapLate), megabytes(l.HeapPeak), l.GoroutinesBefore, l.GoroutinesAfter)
}

func ratio(r float64) string {
	switch {
	case r < 0.1:
		return fmt.Sprintf("%.3f", r)
	case r < 10:
		return fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

// duration has three digits that count.
func duration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", d.Seconds()*1e6)
	}
	return fmt.Sprintf("%.3g ms", d.Seconds()*1e3)
}

func megabytes(n uint64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

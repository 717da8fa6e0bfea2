package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"example.com/smilesig/bench"
)

// markdown is the whole report.
func (f figures) markdown(targets []target, now time.Time) string {
	var m document
	m.line("# Benchmarks")
	m.line("%s, %s/%s, %s, %d cores, SHA-256 in hardware: %s. %s, in %.0f s, by:", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		cpuid.CPU.BrandName, runtime.NumCPU(), yesNo(cpuid.CPU.Supports(cpuid.SHA)), now.UTC().Format(time.DateOnly), f.took.Seconds())
	m.line("    go -C bench run ./cmd/report")
	m.line("Each row is one interleaved run: every way in turn, many rounds, medians. Compare within a row only. Every way was first seen to do its job.")
	m.line("![Time for a callback and for a request, as a share of the standard-library way](chart.svg)")
	m.targets(targets)

	m.line("%s", bounds)

	m.line("## Callbacks: an http.Handler around a handler that reads the body")
	m.line("In brackets: share of the standard-library way, which is `io.ReadAll`, `json.Unmarshal` into a struct, `hmac.New`. "+
		"standard-webhooks, stripe-go and slack-go do **other work**: they read the same bytes, but their MAC covers the body, "+
		"which Smile ID's does not, and they do not look whether it is JSON. %q is what the handler alone takes. "+
		"Under Pairs, %s: %s.", bench.Bare, bench.TwoBlocks, duration(f.pair.of(bench.TwoBlocks)))
	m.times(f.inbound, bench.StandardLibrary)
	m.line("## Requests: an http.RoundTripper around one that reads the body")
	m.line("In brackets: share of the standard-library way, which is `io.ReadAll`, `json.Unmarshal` into a map, `hmac.New`, `json.Marshal`. "+
		"It loses members with doubled names: such a body is left out. Under Pairs, %s: %s.", bench.TwoBlocks, duration(f.pair.of(bench.TwoBlocks)))
	m.times(f.outbound, bench.StandardLibrary)
	m.line("## Bytes in hand: no HTTP, and the limits")
	m.line("In brackets: share of standard-webhooks Verify. A Guard adds the SHA-256 of the body.")
	m.times(f.verify, bench.StandardWebhook+" Verify")
	m.line("## Inject")
	m.times(f.inject, "decode to a map, encode")
	m.line("## The scan")
	m.line("In brackets: share of jsontext, which finds the top-level members as the scan does and lets doubled names pass.")
	m.times(f.scans, bench.JSONText)
	m.line("## Pairs")
	m.line("In brackets: share of confirming as the official SDKs do: a new HMAC, base64, comparing text.")
	m.times([]row{f.pair}, "confirm "+bench.SDK)
	m.line("## Over loopback sockets")
	m.line("Kept-alive connections, client and server in one process. CPU is what both use for a request, the kernel's part included; it is the steadier figure where something else runs, too. In brackets: share of bare.")
	m.line("### Callbacks")
	m.rates(f.loopbackIn)
	m.line("### Requests")
	m.rates(f.loopbackOut)
	m.load(f.load)
	return m.String()
}

// bounds is what stands between the figures and better ones.
const bounds = `What bounds the figures, and what more would take:

- Many small members: the scan looks at each name, number and bracket in turn. Faster needs an index of the characters that
  matter, made 32 bytes at a time as simdjson does it, in assembly or with Go's experimental package simd.
- Hostile bodies of the smallest values, 700,000 numbers of one digit and the like: each value takes five or six nanoseconds,
  for a dozen decisions, and any such body takes linear time. Faster needs the same index.
- Photos: each byte is copied into a buffer, scanned, and read by the handler. A scan at the speed of memory needs assembly, too.
- standard-webhooks from 100 KB: a CPU with SHA instructions hashes a body (see the limits) about as fast as many small
  members can be read as JSON. A tenth of that time means not to look at every byte, and to let pass what is no JSON.
  GODEBUG=cpu.sha=off shows a CPU without them.
- Confirm: two blocks of SHA-256 are most of it (see the limits). The rest is the bookkeeping of crypto/hmac, which an HMAC of
  our own would save.
- Requests of 1.5 MB over loopback: each signed body is a new slice, because http.Transport may read it after RoundTrip has
  returned, and again for a resend. Pooling it means knowing when the last reader is done.`

type document struct{ strings.Builder }

// line is a paragraph.
func (m *document) line(format string, args ...any) { fmt.Fprintf(m, format+"\n\n", args...) }

func (m *document) table(head []string, rows [][]string) {
	write := func(cells []string) { fmt.Fprintf(m, "| %s |\n", strings.Join(cells, " | ")) }
	write(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "--:"
	}
	rule[0] = "---"
	write(rule)
	for _, row := range rows {
		write(row)
	}
	m.WriteString("\n")
}

func (m *document) targets(targets []target) {
	reached := 0
	var rows [][]string
	for _, t := range targets {
		outcome := "reached"
		if t.reached() {
			reached++
		} else {
			outcome = fmt.Sprintf("**missed**: %.2f × the target", t.got/t.limit)
		}
		sign := "≤"
		if t.atLeast {
			sign = "≥"
		}
		rows = append(rows, []string{t.what, fmt.Sprintf("%s %g", sign, t.limit), fmt.Sprintf("%.3g", t.got), outcome})
	}
	m.line("## Targets: %d of %d reached", reached, len(targets))
	m.table([]string{"", "target", "here", ""}, rows)
}

// times is a table of rows, each figure with its share of base.
func (m *document) times(rows []row, base string) {
	head := append([]string{""}, rows[0].names...)
	var cells [][]string
	for _, r := range rows {
		line := []string{r.body.Name}
		for i, name := range r.names {
			cell := duration(r.times[i])
			if name != base {
				cell += fmt.Sprintf(" (%s)", share(r.ratio(name, base)))
			}
			line = append(line, cell)
		}
		cells = append(cells, line)
	}
	m.table(head, cells)
}

func (m *document) rates(rows []rateRow) {
	head := []string{""}
	for _, rate := range rows[0].rates {
		head = append(head, rate.Name+", requests/s", "CPU")
	}
	var cells [][]string
	for _, r := range rows {
		line := []string{r.body.Name}
		for _, rate := range r.rates {
			line = append(line, fmt.Sprintf("%.0f (%.2f)", rate.PerSecond, rate.PerSecond/r.perSecond(bench.Bare)), duration(rate.CPU))
		}
		cells = append(cells, line)
	}
	m.table(head, cells)
}

func (m *document) load(l bench.LoadResult) {
	m.line("## Under load")
	m.line("64 connections, bodies from 300 B to 1.5 MB with their pair in the body or in headers, one request in ten hostile, no Guard. " +
		"Alone: `go -C bench test -run Load -load 1m`.")
	m.table([]string{"", ""}, [][]string{
		{"genuine callbacks sent", fmt.Sprint(l.Genuine)},
		{"served, to the byte", fmt.Sprint(l.Served)},
		{"hostile requests that reached the handler", fmt.Sprint(l.Passed)},
		{"bytes read of forged v3 callbacks", fmt.Sprint(l.ForgedBytesRead)},
		{"live heap, second quarter of the time", megabytes(l.HeapEarly)},
		{"live heap, last quarter", megabytes(l.HeapLate)},
		{"live heap, at most", megabytes(l.HeapPeak)},
		{"goroutines before and after", fmt.Sprintf("%d, %d", l.GoroutinesBefore, l.GoroutinesAfter)},
	})
	var rows [][]string
	for _, h := range l.Hostile {
		rows = append(rows, []string{h.Kind, fmt.Sprint(h.Sent), fmt.Sprint(h.Refused)})
	}
	m.table([]string{"hostile", "sent", "refused with the right status; others had the connection closed"}, rows)
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

func share(ratio float64) string {
	if ratio < 0.001 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.2g", ratio)
}

func megabytes(n uint64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

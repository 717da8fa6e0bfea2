// Report measures everything in package bench and writes REPORT.md and
// chart.svg into the current directory, which has to be bench.
//
// It ends with an error if a way does not do its job or if something goes wrong
// under load; never for the time that anything takes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"example.com/smilesig/bench"
)

func main() {
	smoke := flag.Bool("smoke", false, "one tiny round of everything; write no files")
	flag.Parse()
	if err := run(*smoke); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(smoke bool) error {
	plan := plan{
		work:     bench.Effort{Rounds: 31, Slice: 2 * time.Millisecond},
		loopback: bench.Effort{Rounds: 11, Slice: 200 * time.Millisecond},
		load:     time.Minute,
	}
	if smoke {
		plan.work = bench.Effort{Rounds: 1, Slice: time.Nanosecond}
		plan.loopback = bench.Effort{Rounds: 1, Slice: 10 * time.Millisecond}
		plan.load = time.Second
	}
	f, err := plan.measure()
	if err != nil {
		return err
	}
	report := f.markdown()
	fmt.Print(report)
	if !smoke {
		err = errors.Join(
			os.WriteFile("REPORT.md", []byte(report), 0o644),
			os.WriteFile("chart.svg", []byte(f.chart()), 0o644))
	}
	return errors.Join(err, f.load.Err())
}

// A plan says how long to measure what.
type plan struct {
	work, loopback bench.Effort
	load           time.Duration
}

// Figures are all that was measured.
type figures struct {
	inbound, outbound, scans, pairs []bench.Row
	loopbackIn, loopbackOut         []bench.Row
	allocations                     float64 // of the Handler for any body, at most
	load                            *bench.LoadResult
	start                           time.Time
}

func (p plan) measure() (*figures, error) {
	f := &figures{start: time.Now()}
	for _, b := range bench.Bodies() {
		progress(b.Name)
		if err := errors.Join(bench.CheckInbound(b), bench.CheckOutbound(b), bench.CheckScan(b)); err != nil {
			return nil, err
		}
		f.inbound = append(f.inbound, bench.Measure(p.work, b.Name, bench.InboundWays(b)))
		f.outbound = append(f.outbound, bench.Measure(p.work, b.Name, bench.OutboundWays(b)))
		f.scans = append(f.scans, bench.Measure(p.work, b.Name, bench.ScanWays(b)))
		f.allocations = max(f.allocations, bench.HandlerAllocations(b))
	}
	f.pairs = []bench.Row{
		bench.Measure(p.work, "confirm", bench.ConfirmWays()),
		bench.Measure(p.work, "sign", bench.SignWays()),
	}
	for _, b := range []bench.Body{bench.Members(4_000), bench.Photos(100_000), bench.Photos(1_500_000)} {
		progress("loopback, " + b.Name)
		cpuIn, timeIn, errIn := bench.LoopbackInbound(p.loopback, b)
		cpuOut, timeOut, errOut := bench.LoopbackOutbound(p.loopback, b)
		if err := errors.Join(errIn, errOut); err != nil {
			return nil, err
		}
		f.loopbackIn = append(f.loopbackIn, cpuIn, timeIn)
		f.loopbackOut = append(f.loopbackOut, cpuOut, timeOut)
	}
	progress("load")
	var err error
	f.load, err = bench.Load(p.load)
	return f, err
}

func progress(what string) { fmt.Fprintln(os.Stderr, what) }

// Report measures everything in package bench and writes REPORT.md and
// chart.svg into the current directory, which has to be bench.
//
// It ends with an error if a way does not do its job, if something goes wrong
// under load, or if more is allocated than promised; never for the time that
// anything takes.
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
		work:     bench.Effort{Rounds: 21, Slice: 2 * time.Millisecond},
		loopback: bench.Effort{Rounds: 7, Slice: 300 * time.Millisecond},
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
	targets := f.targets()
	report := f.markdown(targets, time.Now())
	fmt.Print(report)
	picture, err := chart(f)
	if err != nil {
		return err
	}
	if !smoke {
		err = errors.Join(
			os.WriteFile("REPORT.md", []byte(report), 0o644),
			os.WriteFile("chart.svg", picture, 0o644))
	}
	return errors.Join(err, f.load.Err(), missedAllocations(targets))
}

// Package bench holds smilesig against other ways to do the same work, and
// against what no way can beat, in one process and interleaved, so that only
// ratios within one run matter. From the root of the repository:
//
//	go -C bench run ./cmd/report         writes REPORT.md and chart.svg, in about four minutes
//	go -C bench run ./cmd/report -smoke  one tiny round of everything, writes nothing
//	go -C bench test -bench .            the same ways as ordinary Go benchmarks
//	go -C bench test -run Load -load 1m  the load test alone
//
// It needs a Unix, because it asks for the CPU time that a process has used.
package bench

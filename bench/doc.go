// Package bench holds smilesig against other ways to do the same work. In this
// directory:
//
//	go test -run '^$' -bench .       the benchmarks, in about two minutes
//	go test -run Load -load 1m -v    the load test
//
// Each round of a benchmark runs every way in turn. A ratio is the median of the
// rounds' ratios. So only figures of one line can be compared, and what else the
// machine does hits all ways alike. Hand several runs (-count) to benchstat for
// the spread. This makes REPORT.md anew:
//
//	(sed '/^```text$/q' REPORT.md; go test -run '^$' -bench . ; echo '```') >new && mv new REPORT.md
//
// The benchmarks need a Unix, because they ask for the CPU time that a process
// has used.
package bench

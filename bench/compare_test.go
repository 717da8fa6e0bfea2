package bench

import (
	"slices"
	"testing"
	"time"
)

// A way is one way to do a piece of work.
type way struct {
	name    string
	prepare func(n int) // makes what n runs need; its time does not count; may be nil
	run     func(n int)
	runs    int // in each round; 0 means as many as fill a slice
}

// each makes a way's run of what does the work once.
func each(once func()) func(n int) {
	return func(n int) {
		for range n {
			once()
		}
	}
}

// A comparison has what one run of each way took, in nanoseconds, for each round.
type comparison struct {
	b    *testing.B
	took map[string][]float64
}

var processStart = time.Now()

func wallClock() time.Duration { return time.Since(processStart) }

// compare runs every way in turn in each round of b, for a slice of the clock's
// time. So what else the machine does hits all of them alike.
func compare(b *testing.B, clock func() time.Duration, slice time.Duration, ways []way) comparison {
	measure := func(w way, n int) time.Duration {
		b.StopTimer()
		if w.prepare != nil {
			w.prepare(n)
		}
		b.StartTimer()
		start := clock()
		w.run(n)
		return max(1, clock()-start)
	}
	runs := make([]int, len(ways))
	for i, w := range ways {
		runs[i] = w.runs
		for n := 1; runs[i] == 0; n *= 2 {
			if took := measure(w, n); took >= slice/4 {
				runs[i] = max(1, int(slice*time.Duration(n)/took))
			}
		}
	}
	c := comparison{b, make(map[string][]float64)}
	for round := 0; b.Loop(); round++ {
		for i := range ways {
			i = (i + round) % len(ways) // no way always runs behind the same neighbour
			if ways[i].runs == 0 {
				measure(ways[i], 1) // the neighbour's garbage may have emptied its pools
			}
			took := float64(measure(ways[i], runs[i])) / float64(runs[i])
			c.took[ways[i].name] = append(c.took[ways[i].name], took)
		}
	}
	return c
}

// time reports the median time of a way.
func (c comparison) time(way string) { c.b.ReportMetric(median(c.took[way]), "ns/op") }

// ratio reports how long a way takes for each unit of what another takes.
func (c comparison) ratio(way, other string) { c.ratioAs(way+"/"+other, way, other) }

func (c comparison) ratioAs(unit, way, other string) {
	ratios := slices.Clone(c.took[way])
	for i := range ratios {
		ratios[i] /= c.took[other][i]
	}
	c.b.ReportMetric(median(ratios), unit)
}

func (c comparison) fastest(ways ...string) string {
	return slices.MinFunc(ways, func(a, b string) int { return int(median(c.took[a]) - median(c.took[b])) })
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

package bench

import (
	"cmp"
	"slices"
	"time"
)

// A Way is one way to do a piece of work.
type Way struct {
	Name string
	Run  func()
}

// Effort is how long to measure.
type Effort struct {
	Rounds int
	Slice  time.Duration // how long each way runs in a round, at least once
}

// A Row is what the ways took for one body, in one interleaved run.
type Row struct {
	Name   string
	Ways   []string
	rounds [][]time.Duration // for each way
}

func (r Row) of(way string) []time.Duration { return r.rounds[slices.Index(r.Ways, way)] }

// Has reports whether the way was measured.
func (r Row) Has(way string) bool { return slices.Contains(r.Ways, way) }

// Median is the median time of a way.
func (r Row) Median(way string) time.Duration { return median(r.of(way)) }

// Ratio is how long a way took for each unit that base took: the median of the
// rounds' ratios, because the machine is about as fast for both within a round.
func (r Row) Ratio(way, base string) float64 {
	var ratios []float64
	for i, took := range r.of(way) {
		ratios = append(ratios, float64(took)/float64(max(r.of(base)[i], 1)))
	}
	return median(ratios)
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Measure runs all ways in each round, so that what else the machine does hits
// them alike.
func Measure(effort Effort, name string, ways []Way) Row {
	row := Row{Name: name, rounds: make([][]time.Duration, len(ways))}
	runs := make([]int, len(ways))
	for i, way := range ways {
		row.Ways = append(row.Ways, way.Name)
		runs[i] = runsIn(effort.Slice, way.Run)
	}
	for round := range effort.Rounds {
		for i := range ways {
			i = (i + round) % len(ways) // nobody always runs behind the same neighbour
			ways[i].Run()               // the neighbour's garbage may have emptied its pools
			row.rounds[i] = append(row.rounds[i], timeOf(runs[i], ways[i].Run)/time.Duration(runs[i]))
		}
	}
	return row
}

// runsIn finds how many runs fill the slice.
func runsIn(slice time.Duration, run func()) int {
	run()
	for n := 1; ; n *= 2 {
		if took := timeOf(n, run); took >= slice/4 {
			return max(1, int(slice*time.Duration(n)/max(took, 1)))
		}
	}
}

func timeOf(n int, run func()) time.Duration {
	start := time.Now()
	for range n {
		run()
	}
	return time.Since(start)
}

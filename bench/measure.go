package bench

import (
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

// Medians runs all ways in each round, so that what else the machine does hits
// them alike, and returns the median of each way's time for one run.
func Medians(effort Effort, ways []Way) []time.Duration {
	runs := make([]int, len(ways))
	for i, way := range ways {
		runs[i] = runsIn(effort.Slice, way.Run)
	}
	times := make([][]time.Duration, len(ways))
	for round := range effort.Rounds {
		for i := range ways {
			i = (i + round) % len(ways) // nobody always runs behind the same neighbour
			ways[i].Run()               // the neighbour's garbage may have emptied its pools
			took := timeOf(runs[i], ways[i].Run)
			times[i] = append(times[i], took/time.Duration(runs[i]))
		}
	}
	medians := make([]time.Duration, len(ways))
	for i := range ways {
		slices.Sort(times[i])
		medians[i] = times[i][len(times[i])/2]
	}
	return medians
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

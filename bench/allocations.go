package bench

import (
	"net/http"
	"runtime"
	"runtime/debug"

	"example.com/smilesig"
)

// Allocations counts what one run allocates, once its pools are warm.
func Allocations(run func()) (count, bytes int) {
	const runs = 20
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else's allocations
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	run()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return int(after.Mallocs-before.Mallocs) / runs, int(after.TotalAlloc-before.TotalAlloc) / runs
}

// HandlerAllocations returns what Handler allocates for a callback beyond the
// shallow copy of the request and its context, which no middleware that hands
// on a value gets around.
func HandlerAllocations(b Body) (count, bytes int) {
	run := make(map[string]func())
	for _, way := range InboundWays(b) {
		run[way.Name] = way.Run
	}
	r := newCallback(http.Header{}, nil)
	cb := smilesig.Callback{PartnerID: partnerID}
	var passed *http.Request
	copyCount, copyBytes := Allocations(func() { passed = r.WithContext(smilesig.NewContext(r.Context(), cb)) })
	runtime.KeepAlive(passed)
	bareCount, bareBytes := Allocations(run[Bare])
	count, bytes = Allocations(run[Smilesig])
	return count - bareCount - copyCount, bytes - bareBytes - copyBytes
}

package main

import (
	"fmt"
	"math"
	"strings"

	"example.com/smilesig/bench"
)

// chart is one line for each ordinary body and a dot for each way, in SVG: how
// long the way takes for a callback of the body, with smilesig's time as 1.
func (f *figures) chart() string {
	const left, right, top, step = 130.0, 640.0, 70.0, 34.0
	colors := []struct {
		way, color string
		legend     int
	}{
		{bench.Smilesig, "#1f6feb", 22}, {bench.StandardWebhook, "#d08700", 122}, {bench.Stripe, "#8250df", 282},
		{bench.Slack, "#1a7f37", 382}, {bench.StandardLibrary, "#59636e", 482},
	}
	rows := f.inbound[:len(bench.Ordinary())]
	least, most := 0.5, 2.0
	for _, r := range rows {
		for _, c := range colors {
			least, most = min(least, r.Ratio(c.way, bench.Smilesig)), max(most, r.Ratio(c.way, bench.Smilesig))
		}
	}
	from, to := math.Floor(math.Log2(least)), math.Ceil(math.Log2(most))
	x := func(ratio float64) float64 { return left + (right-left)*(math.Log2(ratio)-from)/(to-from) }
	bottom := top + step*float64(len(rows))

	var svg strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&svg, format+"\n", args...) }
	line(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 %.0f" font-family="Arial,Helvetica,sans-serif" font-size="12" fill="#24292f">`, bottom+30)
	line(`<rect width="100%%" height="100%%" fill="#fff"/>`) // readable on a dark page, too
	line(`<text x="16" y="24" font-size="14">Time for a callback, smilesig's as 1 (further left is faster)</text>`)
	for _, c := range colors {
		line(`<circle cx="%d" cy="44" r="5" fill="%s"/><text x="%d" y="48">%s</text>`, c.legend, c.color, c.legend+10, c.way)
	}
	for power := from; power <= to; power++ {
		at := x(math.Exp2(power))
		line(`<line x1="%.1f" x2="%.1f" y1="%.0f" y2="%.0f" stroke="%s"/>`, at, at, top, bottom, map[bool]string{true: "#1f6feb", false: "#e4e4e4"}[power == 0])
		line(`<text x="%.1f" y="%.0f" text-anchor="middle">%g</text>`, at, bottom+18, math.Exp2(power))
	}
	for i, r := range rows {
		y := top + step*(float64(i)+0.5)
		line(`<text x="%.0f" y="%.0f" text-anchor="end">%s</text>`, left-14, y+4, r.Name)
		for _, c := range colors {
			line(`<circle cx="%.1f" cy="%.0f" r="6" fill="%s" fill-opacity="0.75"/>`, x(r.Ratio(c.way, bench.Smilesig)), y, c.color)
		}
	}
	line(`</svg>`)
	return svg.String()
}

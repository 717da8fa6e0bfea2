package main

import (
	"bytes"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"example.com/smilesig/bench"
)

const (
	barWidth   = vg.Length(11)
	barGap     = vg.Length(3)
	chartWidth = vg.Length(620)
	chartTall  = vg.Length(420)
)

// A series is the bars of one way, in each group.
type series struct {
	way, label string
	color      color.Color
}

var (
	serieses = []series{
		{bench.Smilesig, "smilesig", color.RGBA{0x1f, 0x6f, 0xeb, 0xff}},
		{bench.StandardLibrary, "standard library: decode, check or sign, encode", color.RGBA{0xa8, 0xb0, 0xba, 0xff}},
		{bench.StandardWebhook, "standard-webhooks: other work, its MAC covers the body", color.RGBA{0xe3, 0xb3, 0x5b, 0xff}},
	}
	ink = color.RGBA{0x24, 0x29, 0x2f, 0xff}
)

// chart draws what the ways take as a share of the standard-library way, in SVG
// on white, which is readable on a dark page, too.
func chart(f figures) ([]byte, error) {
	p := plot.New()
	p.Title.Text = "Time as a share of the standard-library way (shorter is faster)"
	p.Title.Padding = 10
	p.X.Min, p.X.Max = 0, 112
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 25, Label: "25 %"}, {Value: 50, Label: "50 %"}, {Value: 75, Label: "75 %"}, {Value: 100, Label: "100 %"}}
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	grid.Vertical.Color = color.Gray{0xe4}
	p.Add(grid)

	groups := chartGroups(f)
	var names []string
	for i, g := range groups {
		names = append(names, g.name)
		if err := addGroup(p, g.row, float64(i)); err != nil {
			return nil, err
		}
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -1.5, float64(len(groups))-0.4 // room for the legend at the bottom
	p.Legend.Left, p.Legend.XOffs, p.Legend.Padding = true, 6, 2
	p.Legend.TextStyle.Font.Size = 10
	for _, s := range serieses {
		bar, err := plotter.NewBarChart(plotter.Values{0}, barWidth)
		if err != nil {
			return nil, err
		}
		bar.Color, bar.LineStyle.Width = s.color, 0
		p.Legend.Add(s.label, bar)
	}
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Color = ink
		style.Font.Typeface, style.Font.Variant = "Liberation", "Sans"
	}
	p.Title.TextStyle.Font.Size = 13
	p.Y.Tick.Label.Font.Size = 11
	p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0
	p.X.LineStyle.Width, p.X.Tick.Length = 0, 0

	canvas := vgsvg.New(chartWidth, chartTall)
	page := draw.New(canvas)
	page.SetColor(color.White)
	page.Fill(page.Rectangle.Path())
	p.Draw(draw.Crop(page, 10, -14, 8, -8))
	var svg bytes.Buffer
	_, err := canvas.WriteTo(&svg)
	// Most machines have another font of the same widths.
	return bytes.ReplaceAll(svg.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans,Arial,Helvetica,sans-serif")), err
}

type chartGroup struct {
	name string
	row  row
}

// chartGroups are from the bottom to the top.
func chartGroups(f figures) []chartGroup {
	var groups []chartGroup
	for _, b := range []bench.Body{bench.Members(4_000), bench.Photos(100_000), bench.Photos(1_500_000)} {
		groups = append(groups, chartGroup{"callback, " + b.Name, find(f.inbound, b)})
	}
	for _, b := range []bench.Body{bench.Members(4_000), bench.Photos(100_000), bench.Photos(1_500_000)} {
		groups = append(groups, chartGroup{"request, " + b.Name, find(f.outbound, b)})
	}
	slices.Reverse(groups)
	return groups
}

// addGroup adds the bars of one row, the first on top.
func addGroup(p *plot.Plot, r row, y float64) error {
	for i, s := range serieses {
		if !slices.Contains(r.names, s.way) {
			continue
		}
		share := 100 * r.ratio(s.way, bench.StandardLibrary)
		bar, err := plotter.NewBarChart(plotter.Values{share}, barWidth)
		if err != nil {
			return err
		}
		bar.Horizontal, bar.XMin, bar.Color, bar.LineStyle.Width = true, y, s.color, 0
		bar.Offset = vg.Length(1-i) * (barWidth + barGap)

		label, err := plotter.NewLabels(plotter.XYLabels{
			XYs:    plotter.XYs{{X: share, Y: y}},
			Labels: []string{barLabel(share, r, s.way)},
		})
		if err != nil {
			return err
		}
		label.Offset = vg.Point{X: 4, Y: bar.Offset + 1}
		style := &label.TextStyle[0]
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 10}
		style.Color, style.YAlign = ink, draw.YCenter
		p.Add(bar, label)
	}
	return nil
}

func barLabel(share float64, r row, way string) string {
	if way == bench.StandardLibrary {
		return duration(r.of(way))
	}
	return fmt.Sprintf("%.0f %% · %s", share, duration(r.of(way)))
}

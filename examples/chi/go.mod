module example.com/smilesig/examples/chi

go 1.26.0

require (
	example.com/smilesig v0.0.0
	github.com/go-chi/chi/v5 v5.5.0
)

replace example.com/smilesig => ../..

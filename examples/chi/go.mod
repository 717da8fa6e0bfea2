module example.com/smilesig/examples/chi

go 1.26.0

require (
	example.com/smilesig v0.0.0
	github.com/go-chi/chi/v5 v5.5.0
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace example.com/smilesig => ../..

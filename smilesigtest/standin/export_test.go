package standin

import "example.com/smilesig"

// LimitBodies lets a test reach the limit with less than 64 MiB.
func LimitBodies(s *Server, limit int64) { s.largestBody = limit }

// A Route is a row of the table, as tests see it.
type Route struct {
	Method, Path, Product string
	Placement             smilesig.Placement
	IsSync                bool
}

// HasRoute reports whether any method of a path is in the table.
func HasRoute(path string) bool {
	_, others := findRoute("no method", path)
	return others != nil
}

func Routes() (all []Route) {
	for _, r := range routes {
		placement := map[proof]smilesig.Placement{
			pairInBody: smilesig.InBody, pairInHeader: smilesig.InHeader, keyInHeader: smilesig.KeyInHeader,
		}[r.proof]
		all = append(all, Route{r.method, r.path, r.product, placement, r.isSync})
	}
	return all
}

package standin

// LimitBodies lets a test reach the limit with less than 64 MiB.
func LimitBodies(s *Server, limit int64) { s.largestBody = limit }

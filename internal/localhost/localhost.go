// Package localhost tells this machine from others by name.
package localhost

import (
	"net"
	"slices"
	"strings"
)

// Has reports whether host, with or without a port, is localhost, a loopback address
// or one of names. A site whose own name was made to resolve to this machine is none
// of them.
func Has(host string, names ...string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	isHost := func(name string) bool { return strings.EqualFold(name, host) }
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback() || isHost("localhost") || slices.ContainsFunc(names, isHost)
}

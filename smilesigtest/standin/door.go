package standin

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// largestBody is larger than a zip with the photos of a job.
const largestBody = 64 << 20

// admit reads a request, or refuses it. A Server has a partner's key, so no web
// page may use it. A page in the developer's browser sends an Origin. A site
// whose name was made to resolve to this machine sends another Host.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*call, *reply) {
	c := &call{Request: r, path: path.Clean("/" + r.URL.Path)}
	refuse := func(status int, why string) (*call, *reply) {
		w.Header().Set("Connection", "close") // the body is not read
		a := c.refused(status, why)
		return c, &a
	}
	encoding := r.Header.Get("Content-Encoding")
	switch {
	case !s.isOwnHost(r.Host):
		return refuse(http.StatusMisdirectedRequest, "another Host: add it to the Hosts that the stand-in answers to")
	case r.Header.Get("Origin") != "":
		return refuse(http.StatusForbidden, "an Origin header: the stand-in does not answer web pages")
	case encoding != "" && encoding != "identity":
		return refuse(http.StatusUnsupportedMediaType, "the body has a Content-Encoding")
	case r.ContentLength > s.largestBody:
		return refuse(http.StatusRequestEntityTooLarge, "the body is longer than 64 MiB")
	}
	var body bytes.Buffer
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, s.largestBody))
	c.body = body.Bytes()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, "the body is longer than 64 MiB")
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "the body is cut short")
	}
	return c, nil
}

// isOwnHost reports whether a Host header, with or without a port, names this Server.
func (s *Server) isOwnHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return isLoopback(host) || strings.EqualFold(host, s.host) || slices.Contains(s.Hosts, strings.ToLower(host))
}

// isLoopback reports whether a host without a port is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// callbackURL returns the URL that callbacks go to. It returns "" for "".
// It returns "" and a remark for another machine, unless CallbackHosts has it. Anything but an http or https URL is a fault.
func (s *Server) callbackURL(text string) (to, remark, fault string) {
	if text == "" {
		return "", "", ""
	}
	if len(text) > largestKept {
		return "", "", "callback_url is larger than the stand-in keeps"
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "", "callback_url is not an http or https URL"
	}
	host := strings.ToLower(u.Hostname())
	if !isLoopback(host) && !slices.Contains(s.CallbackHosts, host) {
		return "", "no callback is sent to another machine: CallbackHosts does not have the host of callback_url", ""
	}
	return text, "", ""
}

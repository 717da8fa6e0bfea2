package standin

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"example.com/smilesig/internal/localhost"
)

const (
	largestBody = 64 << 20 // larger than a zip with the photos of a job
	smallBody   = 1 << 20  // any number of such bodies may be read at once
	largeBodies = 4        // as many larger ones
)

// judgeOrigin keeps out web pages, because a Server has a partner's key. A page in
// the developer's browser sends an Origin. A site whose name was made to resolve to
// this machine sends another Host.
func (s *Server) judgeOrigin(c *call) *reply {
	encoding := c.Header.Get("Content-Encoding")
	switch {
	case !localhost.Has(c.Host, s.host) && !localhost.Has(c.Host, s.Hosts...):
		return c.refused(http.StatusMisdirectedRequest, "another Host: add it to the Hosts that the stand-in answers to")
	case c.Header.Get("Origin") != "":
		return c.refused(http.StatusForbidden, "an Origin header: the stand-in does not answer web pages")
	case encoding != "" && encoding != "identity":
		return c.refused(http.StatusUnsupportedMediaType, "the body has a Content-Encoding")
	case c.ContentLength > s.largestBody:
		return c.refused(http.StatusRequestEntityTooLarge, "the body is longer than 64 MiB")
	}
	return nil
}

// judgeHead looks at everything that a request to the API has before its body.
func (s *Server) judgeHead(c *call) *reply {
	found, others := findRoute(c.Method, c.path)
	c.route = found
	switch {
	case others != nil:
		return c.notAllowed(others...)
	case found.answer == nil:
		return c.refused(http.StatusNotFound, "the stand-in has no such endpoint")
	case found.proof == pairInHeader:
		return s.judgePairInHeader(c)
	case found.proof == keyInHeader:
		return s.judgeAPIKey(c)
	case found.proof == tokenInHeader:
		return s.judgeToken(c)
	}
	return nil
}

func (c *call) notAllowed(methods ...string) *reply {
	allow := strings.Join(methods, ", ")
	a := c.refused(http.StatusMethodNotAllowed, "the endpoint takes "+allow+" only")
	a.header = http.Header{"Allow": {allow}}
	return a
}

// read reads the body. Large bodies wait until they may, so that many of them do
// not fill the memory.
func (s *Server) read(c *call) *reply {
	if c.ContentLength < 0 || c.ContentLength > smallBody {
		select {
		case s.reading <- struct{}{}:
			c.leave = func() { <-s.reading }
		case <-s.ctx.Done():
			return c.refused(http.StatusServiceUnavailable, "the stand-in is closed")
		}
	}
	c.isBegun = true
	var body bytes.Buffer
	body.Grow(int(max(c.ContentLength, 0)) + bytes.MinRead) // so that it need not grow to twice as much
	_, err := body.ReadFrom(io.LimitReader(c.Body, s.largestBody+1))
	if int64(body.Len()) > s.largestBody {
		return c.refused(http.StatusRequestEntityTooLarge, "the body is longer than 64 MiB")
	}
	c.isRead = true
	if err != nil {
		return c.refused(http.StatusBadRequest, "the body is cut short")
	}
	c.body = body.Bytes()
	return nil
}

// judgeBody reads what the body says.
func (s *Server) judgeBody(c *call) *reply {
	switch {
	case c.route.proof == pairInBody:
		return s.judgePairInBody(c)
	case c.Method == http.MethodPost:
		return c.readForm()
	}
	return nil
}

// These limits keep a request, its job and its callbacks below 100 KB.
const (
	largestParams = 22 << 10
	largestURL    = 4 << 10
	largestName   = 1 << 10
)

// callbackURL returns the URL that callbacks go to. It returns "" for "", and for
// another machine unless CallbackHosts has it. Anything but an http or https URL is
// a fault.
func (s *Server) callbackURL(c *call, text string) (to, fault string) {
	if text == "" {
		return "", ""
	}
	if len(text) > largestURL {
		return "", "callback_url is larger than the stand-in keeps"
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "callback_url is not an http or https URL"
	}
	if !localhost.Has(u.Hostname(), s.CallbackHosts...) {
		c.remark("no callback is sent to another machine: CallbackHosts does not have the host of callback_url")
		return "", ""
	}
	return text, ""
}

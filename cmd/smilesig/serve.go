package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os/signal"
	"syscall"
	"time"

	"example.com/smilesig/smilesigtest"
)

const serveHelp = `Usage: smilesig serve [flags]

Serve stands in for Smile ID on a port of this machine, for developing without
an account: any partner ID and key will do, as long as your program has the same.
List the address among smilesig.Transport's Origins, or set it as the server of
one of Smile ID's SDKs (those that insist on https need a proxy in front).

It checks the pair of each request where the endpoint wants it, answers as Smile
ID would, takes the zip of an upload, and sends a signed callback to the
callback_url of the request. For each request it prints a line: what came, what
it was answered with, "accepted" or why not; and for each callback that it sends,
what that was answered with. What is approximate is in the docs of smilesigtest.

It stops on an interrupt or a termination signal. It remembers every request and
its body until it stops, so restart it now and then.

	SMILE_PARTNER_ID=085 SMILE_API_KEY=made-up smilesig serve -addr 127.0.0.1:8085
`

func serve(ctx context.Context, p *program, args []string) error {
	flags := newFlags("serve", serveHelp)
	credential := addCredentialFlags(flags)
	addr := flags.String("addr", "127.0.0.1:8085", "the `host:port` to listen on, a host that requests can be sent to;\nport 0 is a free one")
	asJSON := flags.Bool("json", false, "print lines of JSON")
	if err := p.parse(flags, args, 0); err != nil {
		return err
	}
	if !canBeSentTo(*addr) {
		return usagef("-addr must be a host and a port that requests can be sent to, such as 127.0.0.1:8085")
	}
	c, err := credential.read(p)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server, err := smilesigtest.Start(*addr, c)
	if err != nil {
		return err
	}
	defer server.Close()
	reporter := &reporter{program: p, server: server, asJSON: *asJSON}
	if err := reporter.print(listening{server.URL}); err != nil {
		return err
	}
	return reporter.run(ctx)
}

// canBeSentTo reports whether addr names one host, which 0.0.0.0 does not: upload
// URLs have that host.
func canBeSentTo(addr string) bool {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	return err == nil && resolved.IP != nil && !resolved.IP.IsUnspecified()
}

// An event is what serve prints a line about.
type event interface{ line() string }

type listening struct {
	URL string `json:"listening"`
}

func (l listening) line() string { return "listening on " + l.URL }

type requestEvent struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Status  int    `json:"status"`
	Verdict string `json:"verdict"`
}

func (e requestEvent) line() string {
	return fmt.Sprintf("%s %s  %d  %s", e.Method, e.Path, e.Status, e.Verdict)
}

type callbackEvent struct {
	URL    string `json:"callback"`
	Status int    `json:"status"` // 0 is no answer
}

func (e callbackEvent) line() string {
	if e.Status == 0 {
		return fmt.Sprintf("callback to %s  no answer", e.URL)
	}
	return fmt.Sprintf("callback to %s  %d", e.URL, e.Status)
}

// A reporter prints what a server has recorded since it looked last.
type reporter struct {
	*program
	server   *smilesigtest.Server
	asJSON   bool
	requests int   // printed
	attempts []int // printed of each delivery
}

// run prints until ctx ends, and then what is left.
func (r *reporter) run(ctx context.Context) error {
	const interval = 50 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			r.server.Close()
			return r.printNew()
		case <-ticker.C:
			if err := r.printNew(); err != nil {
				return err
			}
		}
	}
}

func (r *reporter) printNew() error {
	deliveries := r.server.Deliveries() // before the requests, which they come from
	for _, request := range r.server.Requests()[r.requests:] {
		r.requests++
		e := requestEvent{request.Method, escaped(request.Path), request.Status, request.Verdict}
		if err := r.print(e); err != nil {
			return err
		}
	}
	for i, d := range deliveries {
		if i == len(r.attempts) {
			r.attempts = append(r.attempts, 0)
		}
		for _, status := range d.Statuses[r.attempts[i]:] {
			r.attempts[i]++
			if err := r.print(callbackEvent{withoutSecrets(d.URL), status}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reporter) print(e event) error {
	if r.asJSON {
		return r.printJSON(e)
	}
	_, err := fmt.Fprintln(r.stdout, e.line())
	return err
}

// escaped keeps a path, which a stranger may have written, on one line.
func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// withoutSecrets leaves out of a URL where secrets are: user info and query.
func withoutSecrets(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

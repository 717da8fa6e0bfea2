package main

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

const serveHelp = `Usage: smilesig serve [flags]

Serve stands in for Smile ID on a port of this machine, so that you can develop
without an account. Make up a partner ID and a key, and give the same to your
program. Never use real ones. List the address in the Origins of
smilesig.Transport, or set it as the server of one of Smile ID's SDKs. The v3
SDKs need https: -tls makes a certificate and writes it to a file. Let the SDKs
trust that file.

Serve checks the pair of each request where the endpoint wants it, answers as
Smile ID would, and takes the zip of an upload. It sends a signed callback to the
callback_url of the request if that is on this machine, or if -allow-callbacks-to
has its host. It prints one line for

	each request: its path, the status, and "accepted" or why it was refused
	each outcome of a job
	each attempt to send a callback: the status, or why no answer came

A job is approved, unless partner_params.sandbox_result is "1" (declined) or "2"
(provisional, then approved). -ui shows a page with the requests, jobs and
callbacks. There you can decide jobs and send callbacks again, also stale or with
another body. With -hold, jobs wait until you decide them there. The docs of
smilesigtest/standin say what is only approximate.

Serve answers requests to localhost, the host of -addr and the hosts of -host
only. It refuses web pages (requests with an Origin). It stops on an interrupt or
a termination signal. It remembers the last 200 requests, jobs and callbacks.

	SMILE_PARTNER_ID=085 SMILE_API_KEY=made-up smilesig serve -addr 127.0.0.1:8085
	smilesig serve -partner 085 -key-file made-up.txt -tls cert.pem -ui 127.0.0.1:8086
`

// kept limits the memory: serve keeps less than 100 KB of one request.
const kept = 200

type serveFlags struct {
	credential           credentialFlags
	addr, tls, ui        *string
	hosts, callbackHosts hostList
	asJSON, stale, hold  *bool
}

func addServeFlags(flags *flag.FlagSet) *serveFlags {
	f := &serveFlags{
		credential: addCredentialFlags(flags),
		addr:       flags.String("addr", "127.0.0.1:8085", "the `host:port` to listen on; requests must be able to reach the host;\nport 0 means a free port"),
		tls:        flags.String("tls", "", "serve https, and write its new certificate to this `file`"),
		ui:         flags.String("ui", "", "show a page on this `host:port`, such as 127.0.0.1:8086"),
		stale:      flags.Bool("refuse-stale", false, "refuse requests whose timestamp a Verifier would refuse"),
		hold:       flags.Bool("hold", false, "leave every job undecided until somebody decides it on the page"),
		asJSON:     flags.Bool("json", false, "print lines of JSON"),
	}
	flags.Var(&f.hosts, "host", "answer requests to this host `name`, too; may be repeated")
	flags.Var(&f.callbackHosts, "allow-callbacks-to", "send callbacks to this `host`, too; may be repeated")
	return f
}

// A hostList is a flag that may be repeated.
type hostList []string

func (l *hostList) String() string { return strings.Join(*l, " ") }

func (l *hostList) Set(host string) error {
	*l = append(*l, strings.ToLower(host))
	return nil
}

func (f *serveFlags) check() error {
	switch {
	case !canBeSentTo(*f.addr):
		return usagef("-addr must be a host and a port that requests can reach, such as 127.0.0.1:8085")
	case *f.ui != "" && !canBeSentTo(*f.ui):
		return usagef("-ui must be a host and a port that a browser can reach, such as 127.0.0.1:8086")
	case *f.hold && *f.ui == "":
		return usagef("-hold needs -ui, where jobs are decided")
	}
	return nil
}

func (f *serveFlags) configure(s *standin.Server) {
	s.Keep, s.Hosts, s.CallbackHosts, s.RefuseStale = kept, f.hosts, f.callbackHosts, *f.stale
	if *f.hold {
		s.Outcomes = smilesigtest.Always()
	}
}

// pageHosts returns the names that the page answers to, besides localhost.
func (f *serveFlags) pageHosts() []string {
	host, _, _ := net.SplitHostPort(*f.ui) // checked, or not there
	return append(slices.Clone(f.hosts), host)
}

func serve(ctx context.Context, p *program, args []string) error {
	flags := newFlags("serve", serveHelp)
	f := addServeFlags(flags)
	if err := p.parse(flags, args, 0); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	c, err := f.credential.read(p)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	events := make(chan event, 1000) // so that requests do not wait for a slow reader of the lines
	page := newPage(ctx, c.PartnerID, f.pageHosts())
	server, err := f.start(c, func(s *standin.Server) {
		f.configure(s)
		s.Events = func(e standin.Event) {
			page.notify()
			select {
			case events <- newEvent(e):
			case <-ctx.Done():
			}
		}
	})
	if err != nil {
		return err
	}
	defer server.Close()
	defer stop() // before Close, because Close waits for senders of events
	if err := f.writeCertificate(server); err != nil {
		return err
	}
	reporter := &reporter{program: p, asJSON: *f.asJSON}
	if err := reporter.print(listening{server.URL}); err != nil {
		return err
	}
	if *f.ui != "" {
		url, err := page.listen(*f.ui, server)
		if err != nil {
			return err
		}
		if err := reporter.print(showing{url}); err != nil {
			return err
		}
	}
	if err := reporter.run(ctx, events); err != nil {
		return err
	}
	server.Close()
	return reporter.printLeft(events)
}

func (f *serveFlags) start(c smilesig.Credential, configure func(*standin.Server)) (*standin.Server, error) {
	if *f.tls != "" {
		return standin.StartTLS(*f.addr, c, configure)
	}
	return standin.Start(*f.addr, c, configure)
}

func (f *serveFlags) writeCertificate(server *standin.Server) error {
	if *f.tls == "" {
		return nil
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(*f.tls, pem.EncodeToMemory(block), 0o644); err != nil {
		return usagef("-tls: %w", errors.Unwrap(err)) // without the name
	}
	return nil
}

// canBeSentTo reports whether addr names one host, because upload URLs have that
// host. 0.0.0.0 names none.
func canBeSentTo(addr string) bool {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	return err == nil && resolved.IP != nil && !resolved.IP.IsUnspecified()
}

// An event is something that serve prints a line about.
type event interface{ line() string }

type listening struct {
	URL string `json:"listening"`
}

func (l listening) line() string { return "listening on " + l.URL }

type showing struct {
	URL string `json:"page"`
}

func (s showing) line() string { return "page on " + s.URL }

type requestEvent struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Status  int    `json:"status"`
	Verdict string `json:"verdict"`
}

func (e requestEvent) line() string {
	return fmt.Sprintf("%s %s  %d  %s", e.Method, e.Path, e.Status, e.Verdict)
}

type jobEvent struct {
	Job     string `json:"job"`
	Product string `json:"product"`
	Outcome string `json:"outcome"`
}

func (e jobEvent) line() string { return fmt.Sprintf("job %s  %s  %s", e.Job, e.Product, e.Outcome) }

type callbackEvent struct {
	URL    string `json:"callback"`
	Status int    `json:"status"`          // 0 means no answer
	Cause  string `json:"cause,omitempty"` // why no answer came
}

func (e callbackEvent) line() string {
	if e.Status == 0 {
		return fmt.Sprintf("callback to %s  no answer: %s", e.URL, e.Cause)
	}
	return fmt.Sprintf("callback to %s  %d", e.URL, e.Status)
}

func newEvent(e standin.Event) event {
	switch {
	case e.Request != nil:
		return requestEvent{e.Request.Method, escaped(e.Request.Path), e.Request.Status, e.Request.Verdict}
	case e.Job != nil:
		return jobEvent{e.Job.ID, e.Job.Product, e.Job.Outcomes[len(e.Job.Outcomes)-1].String()}
	}
	d := e.Delivery
	made := callbackEvent{URL: withoutSecrets(d.URL), Status: d.Statuses[len(d.Statuses)-1]}
	if made.Status == 0 {
		made.Cause = errors.Unwrap(d.Err).Error()
	}
	return made
}

// A reporter prints what happens.
type reporter struct {
	*program
	asJSON bool
}

// run prints until ctx ends.
func (r *reporter) run(ctx context.Context, events <-chan event) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			if err := r.print(e); err != nil {
				return err
			}
		}
	}
}

// printLeft prints what happened before the server was closed.
func (r *reporter) printLeft(events <-chan event) error {
	for {
		select {
		case e := <-events:
			if err := r.print(e); err != nil {
				return err
			}
		default:
			return nil
		}
	}
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

// withoutSecrets leaves out the parts of a URL that may have secrets: user info and
// query.
func withoutSecrets(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

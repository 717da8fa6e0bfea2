package main

import (
	"cmp"
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
smilesig.Transport, or set it as the server of one of Smile ID's SDKs. The v3 SDKs
and the Node SDK need https: -tls makes a certificate and writes it to a file. Let
the SDK trust that file, for instance with NODE_EXTRA_CA_CERTS.

Serve judges each request, answers as Smile ID would, and takes the zip of an
upload. It sends a signed callback to the callback_url of the request if that is
on this machine, or if -allow-callbacks-to has its host. In v3, callback_url must
be https; a handler without https takes what goes to -callback-url. Serve prints
one line for

	each request: its path, the status, and "accepted" or why it was refused
	each outcome of a job
	each attempt to send a callback: the status, or why no answer came

A job is approved, unless partner_params.sandbox_result asks for something else:
"1" declined, "2" provisional and then approved, "failed" no result, or a result
code such as "0811". Biometric KYC of v1 first has a callback that tells of the ID
only. -outcome decides every job. -ui shows a page with the requests, jobs and
callbacks. There you can decide jobs and send callbacks again, also stale or with
another body. With -hold, jobs wait until you decide them there. The docs of
smilesigtest/standin say what is only a guess.

-sign-as and -sign-with sign callbacks as another form of your ID, such as 85 for
085, or with a second key, as in a rotation: does your Verifier accept both?

Serve answers requests to localhost, the host of -addr and the hosts of -host
only. It refuses web pages (requests with an Origin). It stops on an interrupt or
a termination signal. It remembers the last 200 requests, jobs and callbacks.

In a container, the host of -addr is the name of the container, as other
containers see it: -addr smile-id:8085. It cannot be 0.0.0.0, because the answer
to /v1/upload has a URL with this host, to which nobody can send a zip then.

	SMILE_PARTNER_ID=085 SMILE_API_KEY=made-up smilesig serve -addr 127.0.0.1:8085
	smilesig serve -partner 085 -key-file made-up.txt -tls cert.pem -ui 127.0.0.1:8086
	smilesig serve -partner 085 -key-file made-up.txt -outcome provisional,declined -sign-as 85
`

// kept limits the memory: serve keeps less than 100 KB of one request.
const kept = 200

type serveFlags struct {
	credential                 credentialFlags
	addr, tls, ui, callbackURL *string
	signAs, signWith           *string
	hosts, callbackHosts       []string
	outcomes                   []smilesigtest.Outcome
	asJSON, stale, hold        *bool
}

func addServeFlags(flags *flag.FlagSet) *serveFlags {
	f := &serveFlags{
		credential:  addCredentialFlags(flags),
		addr:        flags.String("addr", "127.0.0.1:8085", "the `host:port` to listen on; requests must be able to reach the host;\nport 0 means a free port"),
		tls:         flags.String("tls", "", "serve https, and write its new certificate to this `file`"),
		ui:          flags.String("ui", "", "show a page on this `host:port`, such as 127.0.0.1:8086"),
		callbackURL: flags.String("callback-url", "", "send results of v3 to this `URL` if a request has no callback_url"),
		signAs:      flags.String("sign-as", "", "sign callbacks as this partner `ID` (default that of -partner)"),
		signWith:    flags.String("sign-with", "", "sign callbacks with the key in this `file` (default that of -key-file)"),
		stale:       flags.Bool("refuse-stale", false, "refuse requests whose timestamp a Verifier would refuse"),
		hold:        flags.Bool("hold", false, "leave every job undecided until somebody decides it on the page"),
		asJSON:      flags.Bool("json", false, "print lines of JSON"),
	}
	addHosts := func(to *[]string) func(string) error {
		return func(host string) error { *to = append(*to, strings.ToLower(host)); return nil }
	}
	flags.Func("host", "answer requests to this host `name`, too; may be repeated", addHosts(&f.hosts))
	flags.Func("allow-callbacks-to", "send callbacks to this `host`, too; may be repeated", addHosts(&f.callbackHosts))
	flags.Func("outcome", "give every job these `outcomes`, separated by commas:\n"+outcomeNames, func(names string) error {
		for name := range strings.SplitSeq(names, ",") {
			o, err := parseOutcome(name)
			if err != nil {
				return err
			}
			f.outcomes = append(f.outcomes, o)
		}
		return nil
	})
	return f
}

func (f *serveFlags) check() error {
	switch {
	case !canBeSentTo(*f.addr):
		return usagef("-addr must be a host and a port that requests can reach, such as 127.0.0.1:8085, or in a container its name")
	case *f.ui != "" && !canBeSentTo(*f.ui):
		return usagef("-ui must be a host and a port that a browser can reach, such as 127.0.0.1:8086")
	case *f.hold && *f.ui == "":
		return usagef("-hold needs -ui, where jobs are decided")
	case *f.hold && f.outcomes != nil:
		return usagef("-hold does not go with -outcome")
	}
	return nil
}

func (f *serveFlags) configure(s *standin.Server) {
	s.Keep, s.Hosts, s.CallbackHosts, s.RefuseStale, s.CallbackURL = kept, f.hosts, f.callbackHosts, *f.stale, *f.callbackURL
	if *f.hold || f.outcomes != nil {
		s.Outcomes = smilesigtest.Always(f.outcomes...)
	}
}

// signer returns the credential that signs callbacks.
func (f *serveFlags) signer(p *program, c smilesig.Credential) (by smilesig.Credential, err error) {
	by = smilesig.Credential{PartnerID: cmp.Or(*f.signAs, c.PartnerID), APIKey: c.APIKey}
	if *f.signWith != "" {
		if by.APIKey, err = p.readKey("-sign-with", *f.signWith); err != nil {
			return by, err
		}
	}
	if _, err = smilesig.NewSigner(by); err != nil {
		return by, usagef("-sign-as and -sign-with: %s", text(err))
	}
	return by, nil
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
	signer, err := f.signer(p, c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	events := make(chan event, 1000) // so that requests do not wait for a slow reader of the lines
	pageHost, _, _ := net.SplitHostPort(*f.ui)
	page := newPage(ctx, c.PartnerID, append(slices.Clone(f.hosts), pageHost))
	start := standin.Start
	if *f.tls != "" {
		start = standin.StartTLS
	}
	server, err := start(*f.addr, c, f.configure, func(s *standin.Server) {
		s.CallbackCredential = signer
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
	if err := p.report(event{listening{server.URL}, "listening on " + server.URL}, *f.asJSON); err != nil {
		return err
	}
	if *f.ui != "" {
		url, err := page.listen(*f.ui, server)
		if err == nil {
			err = p.report(event{showing{url}, "page on " + url}, *f.asJSON)
		}
		if err != nil {
			return err
		}
	}
	context.AfterFunc(ctx, func() {
		server.Close()
		close(events)
	})
	for e := range events {
		if err := p.report(e, *f.asJSON); err != nil {
			return err
		}
	}
	return nil
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

// These are the JSON of events.
type (
	listening struct {
		URL string `json:"listening"`
	}
	showing struct {
		URL string `json:"page"`
	}
	requestEvent struct {
		Method  string `json:"method"`
		Path    string `json:"path"`
		Status  int    `json:"status"`
		Verdict string `json:"verdict"`
	}
	jobEvent struct {
		Job     string `json:"job"`
		Product string `json:"product"`
		Outcome string `json:"outcome"`
	}
	callbackEvent struct {
		URL    string `json:"callback"`
		Status int    `json:"status"`          // 0 means no answer
		Cause  string `json:"cause,omitempty"` // why no answer came
	}
)

func newEvent(e standin.Event) event {
	switch r, j := e.Request, e.Job; {
	case r != nil:
		made := requestEvent{r.Method, escaped(r.Path), r.Status, r.Verdict}
		return event{made, fmt.Sprintf("%s %s  %d  %s", made.Method, made.Path, made.Status, made.Verdict)}
	case j != nil:
		made := jobEvent{j.ID, j.Product, j.Outcomes[len(j.Outcomes)-1].String()}
		return event{made, fmt.Sprintf("job %s  %s  %s", made.Job, made.Product, made.Outcome)}
	}
	d := e.Delivery
	made := callbackEvent{withoutSecrets(d.URL), d.Statuses[len(d.Statuses)-1], cause(*d)}
	if made.Status == 0 {
		return event{made, fmt.Sprintf("callback to %s  no answer: %s", made.URL, made.Cause)}
	}
	return event{made, fmt.Sprintf("callback to %s  %d", made.URL, made.Status)}
}

// cause returns why the last attempt had no answer, or "".
func cause(d standin.Delivery) string {
	if d.Err == nil || d.Statuses[len(d.Statuses)-1] != 0 {
		return ""
	}
	return errors.Unwrap(d.Err).Error()
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

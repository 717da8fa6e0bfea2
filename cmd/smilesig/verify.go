package main

import (
	"cmp"
	"context"
	"flag"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
)

const verifyHelp = `Usage: smilesig verify [flags] [body]

Verify reads the body of a callback from a file, or from standard input, and
says what a smilesig.Verifier makes of it, step by step:

	form       is there one pair of strings, in the headers or in the JSON body?
	signature  which credential makes this signature of this timestamp?
	age        is the timestamp neither too old nor in the future?
	guard      not checked; a guard has to see every callback of its server

If no credential matches, it tries every key that it was given with its own
partner ID and with the accepted ones, with and without leading zeros, and says
what would match. That is how to find a padded ID or the key of the other
environment.

To capture a refused callback, let your Verifier's OnReject write the body to
one file and the headers, with r.Header.Write, to another; ExampleVerifier_onReject
of package smilesig shows how. Say with -at when it came: it ages.

It prints no key, no signature and nothing of the body.

	smilesig verify callback.json
	smilesig verify -headers headers.txt -at 2024-01-02T03:04:05.678Z webhook.json
	smilesig verify -try sandbox.txt -json <callback.json

The file of -headers may start with a request line, which is skipped.
The files of -accept and -try have a partner ID, a space and an API key on each
line. Refused (exit code 1): what a Verifier refuses.
`

func verify(ctx context.Context, p *program, args []string) error {
	flags := newFlags("verify", verifyHelp)
	f := addVerifyFlags(flags)
	if err := p.parse(flags, args, 1); err != nil {
		return err
	}
	e, err := f.read(p, cmp.Or(flags.Arg(0), "-"))
	if err != nil {
		return err
	}
	r := e.examine(ctx)
	if *f.asJSON {
		err = p.printJSON(r)
	} else {
		err = r.print(p.stdout)
	}
	if err == nil && !r.Accepted {
		return errRefused
	}
	return err
}

type verifyFlags struct {
	credential               credentialFlags
	accept, try, headers, at *string
	maxAge, maxSkew          *time.Duration
	asJSON                   *bool
}

func addVerifyFlags(flags *flag.FlagSet) verifyFlags {
	return verifyFlags{
		credential: addCredentialFlags(flags),
		accept:     flags.String("accept", "", "a `file` with further credentials that are accepted"),
		try:        flags.String("try", "", "a `file` with credentials that are not accepted, to see whether one would match"),
		headers:    flags.String("headers", "", "the `file` with the headers, each a line \"Name: value\""),
		at:         flags.String("at", "", "the `time` when the callback came, in any layout of Smile ID's (default now)"),
		maxAge:     flags.Duration("max-age", smilesig.DefaultMaxAge, "the oldest timestamp that is accepted"),
		maxSkew:    flags.Duration("max-skew", smilesig.DefaultMaxSkew, "how far in the future a timestamp may be"),
		asJSON:     flags.Bool("json", false, "print JSON"),
	}
}

// read reads everything that the flags and the name of the body's file refer to.
func (f verifyFlags) read(p *program, bodyFile string) (e examiner, err error) {
	if stdinUses(bodyFile, *f.credential.keyFile, *f.headers, *f.accept, *f.try) > 1 {
		return e, usagef("only one thing can be on standard input; name the file with the body")
	}
	if *f.maxAge <= 0 || *f.maxSkew <= 0 {
		return e, usagef("-max-age and -max-skew must be more than 0")
	}
	e.maxAge, e.maxSkew = *f.maxAge, *f.maxSkew
	if e.now, err = receivedAt(*f.at); err != nil {
		return e, err
	}
	if e.accepted, e.tried, err = f.readCredentials(p); err != nil {
		return e, err
	}
	if e.header, err = p.readHeader(*f.headers); err != nil {
		return e, err
	}
	e.body, err = p.read("the file with the body", bodyFile)
	return e, err
}

func stdinUses(files ...string) (n int) {
	for _, file := range files {
		if file == "-" {
			n++
		}
	}
	return n
}

func receivedAt(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	t, err := smilesig.ParseTimestamp(text)
	if err != nil {
		return time.Time{}, usagef("-at is not a timestamp that Smile ID writes")
	}
	return t, nil
}

// readCredentials returns those that are accepted, the current one first, and
// those that are only tried.
func (f verifyFlags) readCredentials(p *program) (accepted, tried []namedCredential, err error) {
	current, err := f.credential.read(p)
	if err != nil {
		return nil, nil, err
	}
	further, err := p.readCredentials("-accept", *f.accept)
	if err != nil {
		return nil, nil, err
	}
	others, err := p.readCredentials("-try", *f.try)
	accepted = append([]namedCredential{{"current", current}}, named("accepted", further)...)
	return accepted, named("tried", others), err
}

// readHeader reads lines "Name: value". Its errors quote none, because one has
// the signature.
func (p *program) readHeader(file string) (http.Header, error) {
	header := http.Header{}
	if file == "" {
		return header, nil
	}
	content, err := p.read("-headers", file)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		if strings.TrimSpace(line) == "" || number == 1 && isRequestLine(line) {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef("-headers: line %d is not \"Name: value\"", number)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// isRequestLine reports whether line is a method, a target and a version of HTTP.
func isRequestLine(line string) bool {
	fields := strings.Fields(line)
	return len(fields) == 3 && !strings.Contains(fields[0], ":") &&
		slices.Contains([]string{"HTTP/1.0", "HTTP/1.1", "HTTP/2"}, fields[2])
}

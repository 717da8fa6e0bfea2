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

Verify reads the body of a callback from a file, or from standard input. It
checks the callback as a smilesig.Verifier does, step by step:

	form       is there one pair of strings, in the headers or in the JSON body?
	signature  which credential has signed this timestamp?
	age        is the timestamp neither too old nor in the future?
	guard      not checked, because a guard must see every callback of its server

If no credential matches, Verify tries every given key with its own partner ID
and with the accepted ones, with and without leading zeros. It prints what would
match. So it finds an ID with lost zeros, or the key of the other environment.

To capture a refused callback, let your Verifier's OnReject write the body to
one file, and the headers to another with r.Header.Write. The page
docs/troubleshooting.md shows how. Give the time when the callback came with
-at: otherwise its age counts until now.

It prints no key, no signature and nothing of the body. It takes a key and a
header as they stand: quotation marks around them are a part of them, and a \/ in
a header comes from JSON, where it means /.

	smilesig verify callback.json
	smilesig verify -headers headers.txt -at 2024-01-02T03:04:05.678Z webhook.json
	smilesig verify -try sandbox.txt -json <callback.json

The file of -headers may start with a request line. Each line of the files of
-accept and -try has a partner ID, a space and an API key. Verify refuses what a
Verifier refuses (exit code 1).
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
	err = p.report(event{r, r.text()}, *f.asJSON)
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
		try:        flags.String("try", "", "a `file` with credentials that are not accepted: would one of them match?"),
		headers:    flags.String("headers", "", "the `file` with the headers, one on each line: \"Name: value\""),
		at:         flags.String("at", "", "the `time` when the callback came, in any layout that Smile ID writes (default now)"),
		maxAge:     flags.Duration("max-age", smilesig.DefaultMaxAge, "the oldest timestamp that is accepted"),
		maxSkew:    flags.Duration("max-skew", smilesig.DefaultMaxSkew, "how far in the future a timestamp may be"),
		asJSON:     flags.Bool("json", false, "print JSON"),
	}
}

// read reads every file that the flags and bodyFile name.
func (f verifyFlags) read(p *program, bodyFile string) (e examiner, err error) {
	files := []string{bodyFile, *f.credential.keyFile, *f.headers, *f.accept, *f.try}
	if fromStdin := slices.DeleteFunc(files, func(file string) bool { return file != "-" }); len(fromStdin) > 1 {
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

// readCredentials returns the credentials that are accepted, the current one first,
// and those that are only tried.
func (f verifyFlags) readCredentials(p *program) (accepted, tried []smilesig.Credential, err error) {
	current, err := f.credential.read(p)
	if err != nil {
		return nil, nil, err
	}
	further, err := p.readCredentials("-accept", "accepted", *f.accept)
	if err != nil {
		return nil, nil, err
	}
	current.Label = "current"
	tried, err = p.readCredentials("-try", "tried", *f.try)
	return append([]smilesig.Credential{current}, further...), tried, err
}

// readHeader reads lines "Name: value". Its errors quote no line, because one has
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
	for i, line := range strings.Split(string(content), "\n") {
		if strings.TrimSpace(line) == "" || i == 0 && isRequestLine(line) {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef("-headers: line %d is not \"Name: value\"", i+1)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// isRequestLine reports whether line is a method, a target and a version of HTTP.
func isRequestLine(line string) bool {
	fields := strings.Fields(line)
	return len(fields) == 3 && !strings.Contains(fields[0], ":") && strings.HasPrefix(fields[2], "HTTP/")
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const help = `Smilesig signs requests to Smile ID, and verifies and sends callbacks.

Usage:

	smilesig sign   [flags]          print a signed pair, or put one into a body
	smilesig verify [flags] [body]   check a callback step by step
	smilesig send   [flags] url      send signed sample callbacks
	smilesig serve  [flags]          stand in for Smile ID on a port

'smilesig <command> -h' describes a command and its flags.

The partner ID comes from -partner or SMILE_PARTNER_ID. The API key comes from
SMILE_API_KEY, or from the file that -key-file names ("-" means standard input).
The key is never an argument, because other users of the machine can see those.

Install it from a checkout: go install ./cmd/smilesig

Exit codes: 0 means done or accepted, 1 refused or failed, 2 wrong usage.
`

// A program is what a command gets besides its arguments.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

type command func(ctx context.Context, p *program, args []string) error

var commands = map[string]command{"sign": sign, "verify": verify, "send": send, "serve": serve}

// Exit codes.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
)

// errRefused ends a command that has already printed what was refused.
var errRefused = errors.New("refused")

// A usageError is a fault in what the user gave: flags, arguments, environment or
// files.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is main with everything passed in. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, help)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help", "help":
		if len(args) == 2 && name == "help" {
			return run(ctx, []string{args[1], "-h"}, stdin, stdout, stderr, getenv)
		}
		fmt.Fprint(stdout, help)
		return exitDone
	}
	command, ok := commands[name]
	if !ok {
		fmt.Fprintln(stderr, "smilesig: no such command; see 'smilesig -h'") // not quoted: it may be a key
		return exitUsage
	}
	err := command(ctx, &program{stdin, stdout, stderr, getenv}, args[1:])
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "smilesig %s: %s; see 'smilesig %s -h'\n", name, text(err), name)
		return exitUsage
	}
	fmt.Fprintf(stderr, "smilesig %s: %s\n", name, text(err))
	return exitRefused
}

// text returns the text of an error without the prefixes of package smilesig. Only
// the current credential can be refused here, so no other prefix occurs.
func text(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "smilesig: "), "current credential: ")
}

// newFlags returns the flags of a command. Parse them with p.parse.
func newFlags(name, help string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // parse says what is wrong, once
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "%s\nFlags:\n\n", help)
		flags.PrintDefaults()
	}
	return flags
}

// parse parses args. They may have at most maxArgs arguments besides the flags. If
// help is asked for, parse prints it and returns flag.ErrHelp.
func (p *program) parse(flags *flag.FlagSet, args []string, maxArgs int) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(p.stdout)
		flags.Usage()
		return err
	case err != nil:
		return usageError{withoutValues(err)}
	case flags.NArg() > maxArgs: // not quoted: somebody may have put the key there
		return usagef("too many arguments; flags come first")
	}
	return nil
}

// withoutValues removes what may be a key from an error of package flag: a value
// that does not parse, or a flag that does not exist.
func withoutValues(err error) error {
	message := err.Error()
	if i := strings.LastIndex(message, `" for `); i >= 0 && strings.HasPrefix(message, "invalid ") {
		return fmt.Errorf("invalid value%s", message[i+1:])
	}
	if strings.HasPrefix(message, "flag needs an argument") {
		return err
	}
	return errors.New("there is a flag that is not defined")
}

// read returns the content of a file. "-" means standard input. Its errors name the
// file by what, and not by name: somebody may have given a key as the name.
func (p *program) read(what, name string) ([]byte, error) {
	var content []byte
	var err error
	if name == "-" {
		content, err = io.ReadAll(p.stdin)
	} else {
		content, err = os.ReadFile(name)
	}
	if err != nil {
		if ofFile := (*fs.PathError)(nil); errors.As(err, &ofFile) {
			err = ofFile.Err
		}
		return nil, usagef("%s: %w", what, err)
	}
	return content, nil
}

// An event is something to tell, as JSON on one line or as text.
type event struct {
	json any
	text string
}

func (p *program) report(e event, asJSON bool) error {
	if asJSON {
		return p.printJSON(e.json)
	}
	_, err := fmt.Fprintln(p.stdout, e.text)
	return err
}

// printJSON prints v on one line.
func (p *program) printJSON(v any) error { return json.NewEncoder(p.stdout).Encode(v) }

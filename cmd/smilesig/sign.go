package main

import (
	"context"
	"fmt"
	"time"

	"example.com/smilesig"
)

const signHelp = `Usage: smilesig sign [flags]

Sign prints a pair for a request to Smile ID. It signs the time now, or the text
of -timestamp. With -inject it reads a JSON object from standard input and prints
it with the pair as its first members. It replaces a pair that is already there.
Every other byte stays as it is.

A pair is good with any body until it is too old. Treat it like a password.

	SMILE_API_KEY=… smilesig sign -partner 085
	smilesig sign -inject <request.json | curl -d @- -H 'Content-Type: application/json' …
	smilesig sign -key-file key.txt -json | jq -r .signature

It refuses a body that is not a JSON object or that names another partner (exit
code 1).
`

func sign(_ context.Context, p *program, args []string) error {
	flags := newFlags("sign", signHelp)
	credential := addCredentialFlags(flags)
	inject := flags.Bool("inject", false, "put the pair into the JSON object on standard input")
	timestamp := flags.String("timestamp", "", "sign this `text` as it is, instead of the time now;\nwith -inject it must look like 2006-01-02T15:04:05.000Z")
	asJSON := flags.Bool("json", false, "print the pair as JSON; not with -inject")
	if err := p.parse(flags, args, 0); err != nil {
		return err
	}
	switch {
	case *inject && *asJSON:
		return usagef("-inject prints the body: -json does not go with it")
	case *inject && credential.fromStdin():
		return usagef("the key and the body cannot both be on standard input")
	}
	c, err := credential.read(p)
	if err != nil {
		return err
	}
	signer, err := smilesig.NewSigner(c)
	if err != nil {
		return err
	}
	if *inject {
		return p.inject(signer, *timestamp)
	}
	return p.printPair(signer, *timestamp, *asJSON)
}

func (p *program) printPair(signer *smilesig.Signer, timestamp string, asJSON bool) error {
	pair := signer.Sign(time.Now())
	if timestamp != "" {
		var err error
		if pair, err = signer.SignTimestamp(timestamp); err != nil {
			return usagef("-timestamp: %s", text(err))
		}
	}
	return p.report(event{pair, fmt.Sprintf("timestamp: %s\nsignature: %s", pair.Timestamp, pair.Signature)}, asJSON)
}

func (p *program) inject(signer *smilesig.Signer, timestamp string) error {
	at := time.Now()
	if timestamp != "" {
		var err error
		at, err = smilesig.ParseTimestamp(timestamp)
		if err != nil || at.Format(smilesig.TimestampLayout) != timestamp {
			return usagef("-timestamp: with -inject it must look like %s", smilesig.TimestampLayout)
		}
	}
	body, err := p.read("standard input", "-")
	if err != nil {
		return err
	}
	signed, err := signer.Inject(body, at)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(signed)
	return err
}

package main

import (
	"cmp"
	"flag"
	"fmt"
	"strings"

	"example.com/smilesig"
)

// credentialFlags are the flags that say where the credential comes from.
type credentialFlags struct{ partner, keyFile *string }

func addCredentialFlags(flags *flag.FlagSet) credentialFlags {
	return credentialFlags{
		partner: flags.String("partner", "", "the partner `ID`, with its zeros: 085 and 85 differ (default $SMILE_PARTNER_ID)"),
		keyFile: flags.String("key-file", "", "the `file` with the API key; - means standard input (default $SMILE_API_KEY)"),
	}
}

// fromStdin reports whether the key is on standard input. Nothing else can be there
// then.
func (f credentialFlags) fromStdin() bool { return *f.keyFile == "-" }

// read returns the credential.
func (f credentialFlags) read(p *program) (smilesig.Credential, error) {
	c := smilesig.Credential{
		PartnerID: cmp.Or(*f.partner, p.getenv("SMILE_PARTNER_ID")),
		APIKey:    p.getenv("SMILE_API_KEY"),
	}
	if *f.keyFile != "" {
		var err error
		if c.APIKey, err = p.readKey("-key-file", *f.keyFile); err != nil {
			return smilesig.Credential{}, err
		}
	}
	switch {
	case c.PartnerID == "":
		return smilesig.Credential{}, usagef("no partner ID: give -partner or SMILE_PARTNER_ID")
	case c.APIKey == "":
		return smilesig.Credential{}, usagef("no API key: give SMILE_API_KEY or -key-file")
	}
	if _, err := smilesig.NewSigner(c); err != nil {
		return smilesig.Credential{}, usageError{err}
	}
	return c, nil
}

// readKey reads a file with a key, which may end with one line break.
func (p *program) readKey(what, file string) (string, error) {
	content, err := p.read(what, file)
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), err
}

// readCredentials reads a file with a partner ID, white space and an API key on
// each line. It skips empty lines and lines that start with #. Without a file name
// it returns no credentials. Each Label is label and a number. Errors say what, not
// the name of the file, which may be a key.
func (p *program) readCredentials(what, label, file string) (all []smilesig.Credential, err error) {
	if file == "" {
		return nil, nil
	}
	content, err := p.read(what, file)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(content), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0, strings.HasPrefix(fields[0], "#"):
		case len(fields) == 2:
			c := smilesig.Credential{PartnerID: fields[0], APIKey: fields[1], Label: fmt.Sprintf("%s %d", label, len(all)+1)}
			if _, err := smilesig.NewSigner(c); err != nil {
				return nil, usagef("%s: line %d: %s", what, i+1, text(err))
			}
			all = append(all, c)
		default:
			return nil, usagef("%s: line %d is not a partner ID and an API key", what, i+1)
		}
	}
	return all, nil
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"example.com/smilesig"
)

// A tenant's first credential is the current one; the others are accepted too.
type tenant struct {
	Path        string
	Credentials []smilesig.Credential

	signer *smilesig.Signer
}

// tenants are known by name. Nothing in them changes but what a signer holds, so
// handlers may use them while rotate runs.
type tenants map[string]tenant

// Who has seen a pair can send any body with it, so the path is a secret too.
var unguessable = regexp.MustCompile(`^/[0-9A-Za-z_-]{20,}$`)

// readTenants checks everything, so that rotate cannot fail half-way.
func readTenants(file string) (tenants, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	decoder := json.NewDecoder(opened)
	decoder.DisallowUnknownFields()
	all := make(tenants)
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the tenants")
	}
	if len(all) == 0 {
		return nil, errors.New("no tenants")
	}
	ownerOf := make(map[string]string) // of a path
	for name, t := range all {
		if !unguessable.MatchString(t.Path) {
			return nil, fmt.Errorf("%s: want a Path of a slash and 20 letters or digits at least, that nobody can guess", name)
		}
		if other, ok := ownerOf[t.Path]; ok {
			return nil, fmt.Errorf("%s and %s have the same Path", name, other)
		}
		ownerOf[t.Path] = name
		if len(t.Credentials) == 0 {
			return nil, fmt.Errorf("%s: no Credentials", name)
		}
		if t.signer, err = smilesig.NewSigner(t.Credentials[0], t.Credentials[1:]...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// rotate exchanges the credentials for those in the file, or returns an error
// and changes none.
func (all tenants) rotate(file string) error {
	fresh, err := readTenants(file)
	if err != nil {
		return err
	}
	for name, t := range all {
		if fresh[name].Path != t.Path || len(fresh) != len(all) {
			return errors.New("other tenants or paths: that takes a restart")
		}
	}
	for name, t := range fresh {
		err = errors.Join(err, all[name].signer.Rotate(t.Credentials[0], t.Credentials[1:]...))
	}
	return err
}

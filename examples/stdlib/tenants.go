package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

// A tenant's first credential is the current one; the others are accepted too. Its
// first secret makes the callback URLs of new jobs; those of the others still work.
type tenant struct {
	Credentials []smilesig.Credential
	Secrets     []string

	signer *smilesig.Signer
	urls   *joburl.URLs
}

// tenants are known by name. Nothing in them changes but what a signer holds, so
// handlers may use them while rotate runs.
type tenants map[string]tenant

// A name is a segment of the path.
var nameForm = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

// readTenants checks everything, so that rotate cannot fail half-way.
func readTenants(file, origin string) (tenants, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all tenants
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no tenants")
	}
	ownerOf := make(map[string]string) // of a secret
	for name, t := range all {
		for _, secret := range t.Secrets {
			if other, ok := ownerOf[secret]; ok && other != name {
				return nil, fmt.Errorf("%s and %s have a secret in common: each would take the other's URLs", name, other)
			}
			ownerOf[secret] = name
		}
		if err := t.prepare(origin + "/callbacks/" + name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !nameForm.MatchString(name) {
			return nil, fmt.Errorf("%s: want a name of letters, digits, - and _", name)
		}
		all[name] = t
	}
	return all, nil
}

func (t *tenant) prepare(base string) error {
	if len(t.Credentials) == 0 || len(t.Secrets) == 0 {
		return errors.New("no Credentials or no Secrets")
	}
	var older [][]byte
	for _, secret := range t.Secrets[1:] {
		older = append(older, []byte(secret))
	}
	var signerErr, urlsErr error
	t.signer, signerErr = smilesig.NewSigner(t.Credentials[0], t.Credentials[1:]...)
	t.urls, urlsErr = joburl.New(base, []byte(t.Secrets[0]), older...)
	return errors.Join(signerErr, urlsErr)
}

// rotate exchanges the credentials for those in the file, or returns an error
// and changes none.
func (all tenants) rotate(file, origin string) error {
	fresh, err := readTenants(file, origin)
	if err != nil {
		return err
	}
	for name, t := range all {
		if !slices.Equal(fresh[name].Secrets, t.Secrets) || len(fresh) != len(all) {
			return errors.New("other tenants or secrets: that takes a restart")
		}
	}
	for name, t := range fresh {
		err = errors.Join(err, all[name].signer.Rotate(t.Credentials[0], t.Credentials[1:]...))
	}
	return err
}

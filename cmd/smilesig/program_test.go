package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

// Made up, like every key here.
var (
	ours   = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	theirs = smilesig.Credential{PartnerID: "2343", APIKey: "another-made-up-key"}
)

// A call is one run of the program. What is not set is as usual: no input, our
// credential in the environment.
type call struct {
	args  []string
	stdin string
	env   map[string]string // besides our credential; "" takes something away
}

func smilesigCommand(args ...string) call { return call{args: args} }

func (c call) reading(stdin string) call {
	c.stdin = stdin
	return c
}

func (c call) with(name, value string) call {
	env := map[string]string{name: value}
	for name, value := range c.env {
		env[name] = value
	}
	c.env = env
	return c
}

func (c call) as(credential smilesig.Credential) call {
	return c.with("SMILE_PARTNER_ID", credential.PartnerID).with("SMILE_API_KEY", credential.APIKey)
}

func (c call) getenv(name string) string {
	if value, ok := c.env[name]; ok {
		return value
	}
	return map[string]string{"SMILE_PARTNER_ID": ours.PartnerID, "SMILE_API_KEY": ours.APIKey}[name]
}

// run returns the exit code and what is printed, which never has a key.
func (c call) run(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), c.args, strings.NewReader(c.stdin), &out, &errs, c.getenv)
	for _, credential := range []smilesig.Credential{ours, theirs} {
		assert.NotContains(t, out.String(), credential.APIKey)
		assert.NotContains(t, errs.String(), credential.APIKey)
	}
	return code, out.String(), errs.String()
}

// output is what is printed by a call that must succeed.
func (c call) output(t *testing.T) string {
	t.Helper()
	code, stdout, stderr := c.run(t)
	require.Equal(t, exitDone, code, stderr)
	assert.Empty(t, stderr)
	return stdout
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func newSigner(t *testing.T, c smilesig.Credential) *smilesig.Signer {
	t.Helper()
	signer, err := smilesig.NewSigner(c)
	require.NoError(t, err)
	return signer
}

func TestUsage(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:1"
	missing := filepath.Join(t.TempDir(), "missing")
	withoutKey := func(args ...string) call { return smilesigCommand(args...).with("SMILE_API_KEY", "") }
	for _, test := range []struct {
		name string
		call call
		want string
	}{
		{"no command", smilesigCommand(), "Usage:"},
		{"no such command", smilesigCommand(ours.APIKey), "no such command"},
		{"help about no such command", smilesigCommand("help", ours.APIKey), "no such command"},
		{"no such flag", smilesigCommand("sign", "-key=made-up-key"), "not defined"},
		{"a flag without its value", smilesigCommand("sign", "-partner"), "needs an argument: -partner"},
		{"a key for a flag", smilesigCommand("sign", "-"+ours.APIKey), "not defined"},
		{"a key for a number", smilesigCommand("send", "-n", ours.APIKey, url), "invalid value for flag -n"},
		{"a key for a truth", smilesigCommand("sign", "-json="+ours.APIKey), "invalid value for -json"},
		{"a key for its file", withoutKey("sign", "-key-file", ours.APIKey), "-key-file: no such file"},
		{"a key for the body", smilesigCommand("verify", ours.APIKey), "the file with the body: no such file"},
		{"a key for other files", smilesigCommand("verify", "-accept", ours.APIKey), "-accept: no such file"},
		{"a key for a URL", smilesigCommand("send", ours.APIKey), "must have http"},
		{"a key for a product", smilesigCommand("send", "-product", ours.APIKey, url), "not one of the products"},
		{"a key for a certificate", smilesigCommand("serve", "-addr", "127.0.0.1:0", "-tls", "/no/such/"+ours.APIKey), "-tls: no such file"},
		{"a key among the arguments", smilesigCommand("sign", "made-up-key"), "too many arguments"},
		{"flags behind an argument", smilesigCommand("send", url, "-v3"), "flags come first"},
		{"no partner ID", smilesigCommand("sign").with("SMILE_PARTNER_ID", ""), "no partner ID"},
		{"no key", withoutKey("sign"), "no API key"},
		{"no key for verify", withoutKey("verify"), "no API key"},
		{"no key for send", withoutKey("send", url), "no API key"},
		{"no key for serve", withoutKey("serve"), "no API key"},
		{"an empty key file", withoutKey("sign", "-key-file", file(t, "\n")), "no API key"},
		{"a missing key file", smilesigCommand("sign", "-key-file", missing), "no such file"},
		{"white space in the key file", smilesigCommand("sign", "-key-file", file(t, "made-up-key \n")), "the API key has white space around it"},

		{"sign: key and body on stdin", smilesigCommand("sign", "-inject", "-key-file", "-"), "cannot both"},
		{"sign: inject as JSON", smilesigCommand("sign", "-inject", "-json").reading("{}"), "-json does not go with it"},
		{"sign: no timestamp", smilesigCommand("sign", "-timestamp", "yesterday"), "-timestamp"},
		{"sign: inject with another layout", smilesigCommand("sign", "-inject", "-timestamp", "2024-01-02T03:04:05Z"), "must look like"},
		{"sign: inject with no timestamp", smilesigCommand("sign", "-inject", "-timestamp", "yesterday"), "must look like"},

		{"verify: no such flag", smilesigCommand("verify", "-sig"), "not defined"},
		{"verify: key and body on stdin", smilesigCommand("verify", "-key-file", "-"), "only one thing"},
		{"verify: negative age", smilesigCommand("verify", "-max-age", "-1s"), "more than 0"},
		{"verify: no age", smilesigCommand("verify", "-max-age", "0s"), "more than 0"},
		{"verify: no skew", smilesigCommand("verify", "-max-skew", "0s"), "more than 0"},
		{"verify: no time", smilesigCommand("verify", "-at", "noon"), "-at is not a timestamp"},
		{"verify: missing body", smilesigCommand("verify", missing), "no such file"},
		{"verify: missing headers", smilesigCommand("verify", "-headers", missing), "no such file"},
		{"verify: missing accepted", smilesigCommand("verify", "-accept", missing), "no such file"},
		{"verify: missing tried", smilesigCommand("verify", "-try", missing), "no such file"},
		{"verify: a line without a colon", smilesigCommand("verify", "-headers", file(t, "A: b\nmade-up-key\n")), "line 2 is not"},
		{"verify: a request line that is not the first", smilesigCommand("verify", "-headers", file(t, "A: b\nPOST / HTTP/1.1\n")), "line 2 is not"},
		{"quotation marks around the key", smilesigCommand("verify").with("SMILE_API_KEY", `"made-up-key"`), "quotation marks"},
		{"verify: quotation marks around a further key", smilesigCommand("verify", "-try", file(t, "085 'made-up-key'\n")), "line 1: the API key has quotation marks"},
		{"verify: a credential without a key", smilesigCommand("verify", "-accept", file(t, "# comment\n\nmade-up-key\n")), "line 3 is not"},

		{"send: no URL", smilesigCommand("send"), "no URL"},
		{"send: no such flag", smilesigCommand("send", "-v4", url), "not defined"},
		{"send: no http", smilesigCommand("send", "ftp://127.0.0.1"), "must have http"},
		{"send: no host", smilesigCommand("send", "127.0.0.1:80"), "must have http"},
		{"send: none", smilesigCommand("send", "-n", "0", url), "more than 0"},
		{"send: no time", smilesigCommand("send", "-timeout", "0s", url), "more than 0"},
		{"send: no such product", smilesigCommand("send", "-product", "palm_reading", url), "not one of the products"},
		{"send: no such outcome", smilesigCommand("send", "-outcome", "perfect", url), "-outcome must be"},
		{"send: key and body on stdin", smilesigCommand("send", "-key-file", "-", "-body", "-", url), "cannot both"},

		{"serve: no such flag", smilesigCommand("serve", "-port", "1"), "not defined"},
		{"serve: no port", smilesigCommand("serve", "-addr", "127.0.0.1"), "a host and a port"},
		{"serve: no host for the page", smilesigCommand("serve", "-ui", ":8086"), "-ui must be"},
		{"serve: nobody decides", smilesigCommand("serve", "-hold"), "-hold needs -ui"},
		{"serve: decided twice", smilesigCommand("serve", "-hold", "-ui", "127.0.0.1:0", "-outcome", "approved"), "does not go with"},
		{"serve: no such outcome", smilesigCommand("serve", "-outcome", "approved,perfect"), "-outcome"},
		{"serve: missing second key", smilesigCommand("serve", "-sign-with", missing), "no such file"},
		{"serve: no second key", smilesigCommand("serve", "-sign-with", file(t, "\n")), "-sign-with: the API key is empty"},
		{"serve: no ID to sign as", smilesigCommand("serve", "-sign-as", " 85"), "-sign-as"},
		{"serve: no host", smilesigCommand("serve", "-addr", ":8085"), "a host and a port"},
		{"serve: every host", smilesigCommand("serve", "-addr", "0.0.0.0:0"), "requests can reach"},
		{"serve: every host of IPv6", smilesigCommand("serve", "-addr", "[::]:0"), "requests can reach"},
		{"serve: every host of IPv4 in IPv6", smilesigCommand("serve", "-addr", "[::ffff:0.0.0.0]:0"), "requests can reach"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := test.call.run(t)
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, test.want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"-help"}, {"--help"}, {"help"}} {
		stdout := smilesigCommand(args...).output(t)
		for name := range commands {
			assert.Contains(t, stdout, "smilesig "+name)
		}
	}
	for name := range commands {
		stdout := smilesigCommand(name, "-h").output(t)
		assert.Contains(t, stdout, "Usage: smilesig "+name)
		assert.Contains(t, stdout, "-key-file")
		assert.NotContains(t, stdout, "%!")
		assert.Equal(t, stdout, smilesigCommand("help", name).output(t))
	}
	assert.Contains(t, smilesigCommand("serve", "-h").output(t), "remembers the last 200 requests")
	assert.Contains(t, smilesigCommand("serve", "-h").output(t), "made-up")
	assert.Contains(t, smilesigCommand("verify", "-h").output(t), "request line")
	assert.Contains(t, smilesigCommand("verify", "-h").output(t), "OnReject")
	assert.Contains(t, smilesigCommand("-h").output(t), "go install ./cmd/smilesig")
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
)

const sendHelp = `Usage: smilesig send [flags] url

Send posts a signed sample callback to a URL, as Smile ID would, and prints the
answer. If no answer comes, it prints the cause. The people in the samples are
made up. Each run has a new job number. Without -v3 the pair is in the body.

Whoever receives the callback can use the pair until it is too old. Send only to
your own servers, and use https if they are not on this machine.

	smilesig send http://127.0.0.1:8080/callbacks
	smilesig send -outcome declined -job job-17 -user user-4 http://127.0.0.1:8080/callbacks
	smilesig send -v3 -product document_verification -n 3 https://staging.example.com/smile
	smilesig send -stale http://127.0.0.1:8080/callbacks
	smilesig send -swap http://127.0.0.1:8080/callbacks

The exit code is 1 if an answer is not a 2xx or does not come. A server that
verifies callbacks refuses -stale and -forged with 401. A server with a guard
refuses the second body of -swap with 503.

Products:

	%s

Products with -v3:

	%s
`

func send(ctx context.Context, p *program, args []string) error {
	flags := newFlags("send", fmt.Sprintf(sendHelp, productList(smilesig.InBody), productList(smilesig.InHeader)))
	credential := addCredentialFlags(flags)
	product := flags.String("product", "biometric_kyc", "the `name` of a product in the lists above")
	bodyFile := flags.String("body", "", "send the JSON in this `file` instead of a sample; - means standard input")
	outcome := flags.String("outcome", "approved", "the `outcome`, one of "+outcomeNames+";\nthe last is the first half of a biometric KYC job")
	jobID := flags.String("job", "", "your `ID` of the job (default job-1); with -v3, Smile ID's ID (default a new one)")
	userID := flags.String("user", "user-1", "your `ID` of the person")
	v3 := flags.Bool("v3", false, "send a v3 webhook, with the pair in its headers")
	stale := flags.Bool("stale", false, "sign for a day ago")
	forged := flags.Bool("forged", false, "sign with a key that is not the partner's")
	swap := flags.Bool("swap", false, "afterwards send another body with the same pair")
	n := flags.Int("n", 1, "send the same callback this many `times`")
	timeout := flags.Duration("timeout", 35*time.Second, "how long to wait for each answer")
	asJSON := flags.Bool("json", false, "print a line of JSON for each callback; status 0 means no answer")
	if err := p.parse(flags, args, 1); err != nil {
		return err
	}
	to, err := parseTarget(flags.Arg(0))
	switch {
	case err != nil:
		return err
	case *n < 1 || *timeout <= 0:
		return usagef("-n and -timeout must be more than 0")
	case *bodyFile == "-" && credential.fromStdin():
		return usagef("the key and the body cannot both be on standard input")
	}
	job, err := sampleJob(*product, *jobID, *userID, *v3)
	if err != nil {
		return err
	}
	o, err := parseOutcome(*outcome)
	if err != nil {
		return err
	}
	var body []byte
	if *bodyFile != "" {
		if body, err = p.read("-body", *bodyFile); err != nil {
			return err
		}
	}
	c, err := credential.read(p)
	if err != nil {
		return err
	}
	cb := job.Callback(c, o)
	if body != nil {
		cb = cb.WithBody(body)
	}
	if *stale {
		cb = cb.Stale()
	}
	if *forged {
		cb = cb.Forged()
	}
	callbacks := slices.Repeat([]smilesigtest.Callback{cb}, *n)
	if *swap {
		callbacks = append(callbacks, cb.WithBody(another(job, cb.Body)))
	}
	return p.deliver(ctx, newSender(*timeout), to, callbacks, *asJSON)
}

func productList(placement smilesig.Placement) string {
	return strings.Join(smilesigtest.Products(placement), "\n\t")
}

func parseTarget(target string) (string, error) {
	if target == "" {
		return "", usagef("no URL")
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("the URL must have http:// or https:// and a host")
	}
	return target, nil
}

// sampleJob returns a made-up job. It has a new ID, unless -v3 and -job give one.
func sampleJob(product, jobID, userID string, isV3 bool) (smilesigtest.Job, error) {
	j := smilesigtest.Job{Product: product, JobID: cmp.Or(jobID, "job-1"), UserID: userID, Placement: smilesig.InBody}
	if isV3 {
		j.Placement, j.ID = smilesig.InHeader, jobID
	}
	if _, ok := smilesigtest.Sample(product, j.Placement); !ok {
		return j, usagef("-product is not one of the products")
	}
	return j, nil
}

func parseOutcome(name string) (smilesigtest.Outcome, error) {
	if o, ok := smilesigtest.ParseOutcome(name); ok {
		return o, nil
	}
	return 0, usagef("-outcome must be one of %s", outcomeNames)
}

const outcomeNames = "approved, declined, provisional, failed, id-validated"

// another returns a body of j with another result than body: an approval, unless
// body is one.
func another(j smilesigtest.Job, body []byte) []byte {
	approved := j.Body(smilesigtest.Approved)
	if said(approved) == said(body) {
		return j.Body(smilesigtest.Declined)
	}
	return approved
}

// said returns the code and the text of the result in a body, if it has any.
func said(body []byte) string {
	r, _ := result.Parse(body)
	return strings.TrimSpace(r.Code + " " + r.Text)
}

// newSender returns a client that follows no redirect, because a redirect is not a
// 2xx.
func newSender(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An answer is the answer to a callback.
type answer struct {
	Number       int    `json:"number"`
	Swapped      bool   `json:"swapped"`
	Status       int    `json:"status"` // 0 means no answer
	Acknowledged bool   `json:"acknowledged"`
	Cause        string `json:"cause,omitempty"` // why no answer came
}

// deliver sends callbacks one after the other, until one has no answer. A callback
// with another body than the first is swapped.
func (p *program) deliver(ctx context.Context, client *http.Client, to string, callbacks []smilesigtest.Callback, asJSON bool) error {
	allAcknowledged := true
	for i, cb := range callbacks {
		a := answer{Number: i + 1, Swapped: string(cb.Body) != string(callbacks[0].Body)}
		if _, _, err := cb.Signed(); err != nil {
			return err
		}
		response, err := cb.Send(ctx, client, to)
		if err != nil {
			a.Cause = errors.Unwrap(err).Error()
			err = fmt.Errorf("no answer: %s", a.Cause)
			if asJSON {
				err = errors.Join(err, p.printJSON(a))
			}
			return err
		}
		response.Body.Close()
		a.Status, a.Acknowledged = response.StatusCode, response.StatusCode/100 == 2
		allAcknowledged = allAcknowledged && a.Acknowledged
		note := ""
		if a.Swapped {
			note = "  (another body with the same pair)"
		}
		if err := p.report(event{a, fmt.Sprintf("%d  %d %s%s", a.Number, a.Status, http.StatusText(a.Status), note)}, asJSON); err != nil {
			return err
		}
	}
	if !allAcknowledged {
		return errRefused
	}
	return nil
}

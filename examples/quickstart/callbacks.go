package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

const (
	kycJob   = "biometric-kyc-job-1" // of the sample that is sent
	otherJob = "another-job-1"
)

// callbacks is what Smile ID, and who is not Smile ID, sends to the partner.
type callbacks struct {
	credential smilesig.Credential
	client     *http.Client // trusts the partner's certificate
	urls       *joburl.URLs
	delivered  smilesigtest.Callback // by deliver
}

func (c *callbacks) forged() (status int, err error) {
	return c.send(c.genuine().Forged(), c.urls.For(kycJob))
}

func (c *callbacks) stale() (status int, err error) {
	return c.send(c.genuine().Stale(), c.urls.For(kycJob))
}

// deliver sends the same bytes every time, as Smile ID does when it got no answer.
func (c *callbacks) deliver() (status int, err error) {
	if c.delivered.Body == nil {
		c.delivered = c.genuine()
	}
	return c.send(c.delivered, c.urls.For(kycJob))
}

// swapped sends the pair that has served for one body with another.
func (c *callbacks) swapped() (status int, err error) {
	other := c.delivered.WithBody([]byte(`{"ResultCode":"1210","PartnerParams":{"user_id":"somebody-else"}}`))
	return c.send(other, c.urls.For(kycJob))
}

// atGuessedURL sends what was delivered to a URL for another job, made of the URL
// that is known.
func (c *callbacks) atGuessedURL() (status int, err error) {
	known := c.urls.For(kycJob)
	mac := known[len(known)-22:]
	base := known[:strings.LastIndex(known, "/")+1]
	return c.send(c.delivered, base+base64.RawURLEncoding.EncodeToString([]byte(otherJob))+mac)
}

func (c *callbacks) deliveredAtOtherURL() (status int, err error) {
	return c.send(c.delivered, c.urls.For(otherJob))
}

// atOtherJobsURL sends a new genuine callback to the URL of another job, as the
// holder of a v3 token can have it sent by /v3/replay.
func (c *callbacks) atOtherJobsURL() (status int, err error) {
	return c.send(c.genuine(), c.urls.For(otherJob))
}

// provisional sends a result that is not the last.
func (c *callbacks) provisional() (status int, err error) {
	return c.send(c.withBody(`{"ResultCode":"0814","PartnerParams":{"job_type":1}}`), c.urls.For(kycJob))
}

// unknown sends a code that would approve, for a product that nobody knows.
func (c *callbacks) unknown() (status int, err error) {
	return c.send(c.withBody(`{"ResultCode":"0810","PartnerParams":{"job_type":99}}`), c.urls.For(kycJob))
}

func (c *callbacks) genuine() smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return c.withBody(string(body))
}

func (c *callbacks) withBody(body string) smilesigtest.Callback {
	return smilesigtest.NewCallback(c.credential, []byte(body))
}

func (c *callbacks) send(cb smilesigtest.Callback, url string) (status int, err error) {
	return statusOf(cb.Send(context.Background(), c.client, url))
}

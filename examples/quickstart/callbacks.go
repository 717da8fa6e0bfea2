package main

import (
	"context"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// callbacks is what Smile ID, and who is not Smile ID, sends to the partner.
type callbacks struct {
	credential  smilesig.Credential
	callbackURL string
	delivered   smilesigtest.Callback // by deliver
}

func (c *callbacks) webhook() (status int, err error) {
	body, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	return c.send(c.signedAgo(2*time.Second, smilesigtest.NewWebhook(c.credential, body)))
}

func (c *callbacks) forged() (status int, err error) { return c.send(c.genuine().Forged()) }

func (c *callbacks) stale() (status int, err error) { return c.send(c.genuine().Stale()) }

// deliver sends the same bytes every time, as Smile ID does when it got no answer.
func (c *callbacks) deliver() (status int, err error) {
	if c.delivered.Body == nil {
		c.delivered = c.signedAgo(time.Second, c.genuine())
	}
	return c.send(c.delivered)
}

// swapped sends the pair that has served for one body with another.
func (c *callbacks) swapped() (status int, err error) {
	return c.send(c.delivered.WithBody([]byte(`{"ResultCode":"1210","PartnerParams":{"user_id":"somebody-else"}}`)))
}

func (c *callbacks) genuine() smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return smilesigtest.NewCallback(c.credential, body)
}

// signedAgo keeps callbacks of this fast program apart: two that are signed in
// the same millisecond share a pair, and the guard takes the second for a replay.
func (c *callbacks) signedAgo(ago time.Duration, cb smilesigtest.Callback) smilesigtest.Callback {
	cb.Time = cb.Time.Add(-ago)
	return cb
}

func (c *callbacks) send(cb smilesigtest.Callback) (status int, err error) {
	return statusOf(cb.Send(context.Background(), nil, c.callbackURL))
}

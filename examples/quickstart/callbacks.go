package main

import (
	"context"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// callbacks is what Smile ID, and who is not Smile ID, sends to the partner.
type callbacks struct {
	credential  smilesig.Credential
	callbackURL string
}

func (c *callbacks) webhook() (status int, err error) {
	body, _ := smilesigtest.Sample("document_verification", smilesig.InHeader)
	return c.send(smilesigtest.NewWebhook(c.credential, body))
}

func (c *callbacks) forged() (status int, err error) { return c.send(c.genuine().Forged()) }

func (c *callbacks) stale() (status int, err error) { return c.send(c.genuine().Stale()) }

// replayed sends a pair that has served for one body with another.
func (c *callbacks) replayed() (status int, err error) {
	genuine := c.genuine()
	if status, err := c.send(genuine); err != nil || status != 200 {
		return status, err
	}
	return c.send(genuine.WithBody([]byte(`{"ResultCode":"1210","PartnerParams":{"user_id":"somebody-else"}}`)))
}

func (c *callbacks) genuine() smilesigtest.Callback {
	body, _ := smilesigtest.Sample("biometric_kyc", smilesig.InBody)
	return smilesigtest.NewCallback(c.credential, body)
}

func (c *callbacks) send(cb smilesigtest.Callback) (status int, err error) {
	return statusOf(cb.Send(context.Background(), nil, c.callbackURL))
}

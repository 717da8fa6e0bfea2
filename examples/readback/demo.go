package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// A demo has the stand-in for Smile ID and a partner, each on sockets of its own.
type demo struct {
	credential smilesig.Credential
	standIn    *smilesigtest.Server
	directory  string // of the database

	partner     *partner
	callbacks   *http.Server
	callbackURL string

	job1, job2, job3 job
	uploadURL        map[job]string
}

func newDemo(ctx context.Context) (*demo, error) {
	d := &demo{
		credential: smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"},
		job1:       job{"user-1", "job-1"}, job2: job{"user-2", "job-2"}, job3: job{"user-3", "job-3"},
		uploadURL: make(map[job]string),
	}
	err := d.start(ctx)
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.directory, err = os.MkdirTemp("", "readback"); err != nil {
		return err
	}
	if d.standIn, err = smilesigtest.Start("127.0.0.1:0", d.credential); err != nil {
		return err
	}
	if err = d.startPartner(); err != nil {
		return err
	}
	return errors.Join(d.startJob(ctx, d.job1), d.startJob(ctx, d.job2))
}

func (d *demo) close() {
	d.closePartner()
	if d.standIn != nil {
		d.standIn.Close()
	}
	os.RemoveAll(d.directory)
}

func (d *demo) startPartner() (err error) {
	d.partner, err = newPartner(filepath.Join(d.directory, "partner.db"), d.credential, d.standIn.URL, writeDown)
	if err != nil {
		return err
	}
	d.callbacks, d.callbackURL, err = serve(d.partner.handler())
	return err
}

func (d *demo) closePartner() {
	if d.callbacks != nil {
		d.callbacks.Close()
	}
	if d.partner != nil {
		d.partner.store.close()
	}
}

// writeDown stands for what you do with a decision.
func writeDown(ctx context.Context, tx *sql.Tx, j job, decision state) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO actions (user_id, job_id, decision) VALUES (?, ?, ?)`, j.userID, j.jobID, decision)
	return err
}

func serve(h http.Handler) (server *http.Server, origin string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	server = &http.Server{Handler: h, ReadTimeout: time.Minute}
	go server.Serve(listener)
	return server, "http://" + listener.Addr().String(), nil
}

// startJob records a biometric KYC job and asks Smile ID for it.
func (d *demo) startJob(ctx context.Context, j job) error {
	if err := d.partner.store.addJob(ctx, j); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"smile_client_id": d.credential.PartnerID,
		"file_name":       "selfie.zip",
		"callback_url":    d.callbackURL,
		"partner_params":  map[string]any{"user_id": j.userID, "job_id": j.jobID, "job_type": 1},
	})
	if err != nil {
		return err
	}
	response, err := d.partner.client.Post(d.standIn.URL+"/v1/upload", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		UploadURL string `json:"upload_url"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	d.uploadURL[j] = answer.UploadURL
	return err
}

// finishJob puts the zip, upon which the stand-in sends the final callback.
func (d *demo) finishJob(ctx context.Context, j job) (statuses []int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, d.uploadURL[j], bytes.NewReader([]byte("a zip")))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/zip")
	response, err := d.partner.client.Do(req)
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	d.standIn.Wait()
	return d.lastDelivery().Statuses, nil
}

func (d *demo) lastDelivery() smilesigtest.Delivery {
	all := d.standIn.Deliveries()
	return all[len(all)-1]
}

func (d *demo) provisional(ctx context.Context) (job, []int, error) {
	return d.send(ctx, d.job1, `{"ResultCode":"1211","IsFinalResult":"false","PartnerParams":{"user_id":"user-1","job_id":"job-1"}}`)
}

func (d *demo) final(ctx context.Context) (job, []int, error) {
	statuses, err := d.finishJob(ctx, d.job1)
	return d.job1, statuses, err
}

func (d *demo) again(ctx context.Context) (job, []int, error) {
	delivery, err := d.standIn.Deliver(ctx, d.callbackURL, d.lastDelivery().Callback)
	return d.job1, delivery.Statuses, err
}

// forged needs no key: only a pair that was seen somewhere.
func (d *demo) forged(ctx context.Context) (job, []int, error) {
	seen := d.lastDelivery().Callback
	forged := seen.WithBody([]byte(`{"ResultCode":"1210","IsFinalResult":"true","PartnerParams":{"user_id":"user-2","job_id":"job-2"}}`))
	delivery, err := d.standIn.Deliver(ctx, d.callbackURL, forged)
	return d.job2, delivery.Statuses, err
}

func (d *demo) unknown(ctx context.Context) (job, []int, error) {
	return d.send(ctx, d.job3, `{"ResultCode":"1210","IsFinalResult":"true","PartnerParams":{"user_id":"user-3","job_id":"job-3"}}`)
}

func (d *demo) cannotAsk(ctx context.Context) (job, []int, error) {
	d.standIn.JobStatus = smilesigtest.WrongPair
	statuses, err := d.finishJob(ctx, d.job2)
	return d.job2, statuses, err
}

func (d *demo) restart(ctx context.Context) (job, []int, error) {
	d.standIn.JobStatus = smilesigtest.Untampered
	d.closePartner()
	if err := d.startPartner(); err != nil {
		return d.job2, nil, err
	}
	return d.job2, nil, d.partner.sweep(ctx)
}

func (d *demo) send(ctx context.Context, about job, body string) (job, []int, error) {
	delivery, err := d.standIn.Deliver(ctx, d.callbackURL, smilesigtest.NewCallback(d.credential, []byte(body)))
	return about, delivery.Statuses, err
}

// look returns the state of a job, "" if it is none of ours, and the number of
// actions taken so far.
func (d *demo) look(ctx context.Context, j job) (state state, actions int, err error) {
	err = d.partner.store.db.QueryRowContext(ctx,
		`SELECT coalesce((SELECT state FROM jobs WHERE user_id = ? AND job_id = ?), ''), (SELECT count(*) FROM actions)`,
		j.userID, j.jobID).Scan(&state, &actions)
	if err != nil {
		err = fmt.Errorf("looking at the database: %w", err)
	}
	return state, actions, err
}

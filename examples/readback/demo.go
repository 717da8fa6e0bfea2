package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A demo has the stand-in for Smile ID and a partner, each on sockets of its own.
type demo struct {
	credential smilesig.Credential
	standIn    *standin.Server
	directory  string // of the database
	secret     []byte // of the callback URLs

	partner   *partner
	callbacks *http.Server

	job1, job2, job3 job
}

func newDemo(ctx context.Context) (*demo, error) {
	d := &demo{
		credential: smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"},
		secret:     []byte(rand.Text() + rand.Text()),
		job1:       job{id: "job-1", userID: "user-1", api: v1},
		job2:       job{id: "job-2", userID: "user-2", api: v3},
		job3:       job{id: "job-3", userID: "user-3", api: v1},
	}
	if err := d.start(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.directory, err = os.MkdirTemp("", "readback"); err != nil {
		return err
	}
	d.standIn, err = standin.Start("127.0.0.1:0", d.credential, func(s *standin.Server) {
		s.Outcomes = smilesigtest.Always() // none: the steps conclude the jobs
	})
	if err != nil {
		return err
	}
	if err = d.startPartner(); err != nil {
		return err
	}
	p := d.partner
	return errors.Join(p.start(ctx, d.job1, p.submitV1), p.start(ctx, d.job2, p.submitV3), p.start(ctx, d.job3, p.submitV1))
}

func (d *demo) close() {
	d.closePartner()
	if d.standIn != nil {
		d.standIn.Close()
	}
	os.RemoveAll(d.directory)
}

func (d *demo) startPartner() (err error) {
	d.partner, d.callbacks, err = servePartner(filepath.Join(d.directory, "partner.db"), d.credential, d.standIn.URL, d.secret)
	return err
}

func (d *demo) closePartner() {
	if d.callbacks != nil {
		d.callbacks.Close()
	}
	if d.partner != nil {
		d.partner.close()
	}
}

// servePartner starts a partner on a free port, which its callback URLs have.
func servePartner(database string, credential smilesig.Credential, origin string, secret []byte) (*partner, *http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	urls, err := joburl.New("http://"+listener.Addr().String()+"/callbacks", secret)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPartner(database, credential, origin, urls, writeDown)
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: p.handler(), ReadTimeout: time.Minute}
	go server.Serve(listener)
	return p, server, nil
}

// writeDown stands for what you do with a decision.
func writeDown(ctx context.Context, tx *sql.Tx, j job, decision state) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO actions (job, decision) VALUES (?, ?)`, j.id, decision)
	return err
}

// submitV1 asks for an enhanced KYC job.
func (p *partner) submitV1(ctx context.Context, j job, callbackURL string) (smileJob string, err error) {
	body, err := json.Marshal(map[string]any{
		"partner_id":     p.signer.PartnerID(),
		"country":        "NG",
		"id_type":        "NIN_V2",
		"id_number":      "00000000000",
		"callback_url":   callbackURL,
		"partner_params": map[string]any{"user_id": j.userID, "job_id": j.id, "job_type": 5},
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.origin+"/v1/async_id_verification", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	var answer struct {
		SmileJobID string `json:"smile_job_id"`
	}
	_, err = p.do(req, &answer, http.StatusOK)
	return answer.SmileJobID, err
}

// submitV3 asks for a one-time AML screening.
func (p *partner) submitV3(ctx context.Context, j job, callbackURL string) (smileJob string, err error) {
	token, err := p.currentToken(ctx)
	if err != nil {
		return "", err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"full_name": "Testa Madeup", "countries": `["NG"]`, "callback_url": callbackURL} {
		form.WriteField(name, value) // a Buffer takes everything
	}
	form.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.origin+"/v3/aml", &body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("SmileID-Token", token)
	req.Header.Set("User-ID", j.userID)
	var answer struct {
		JobID string `json:"job_id"`
	}
	_, err = p.do(req, &answer, http.StatusAccepted)
	return answer.JobID, err
}

// concludes lets the stand-in decide a job and send its callback.
func (d *demo) concludes(j job, outcome smilesigtest.Outcome) func(context.Context) ([]int, error) {
	return func(ctx context.Context) ([]int, error) {
		j, err := d.partner.job(ctx, j.id)
		if err != nil {
			return nil, err
		}
		if err := d.standIn.Conclude(j.smileJob, outcome); err != nil {
			return nil, err
		}
		d.standIn.Wait()
		return d.lastDelivery().Statuses, nil
	}
}

func (d *demo) lastDelivery() standin.Delivery {
	all := d.standIn.Deliveries()
	return all[len(all)-1]
}

// sendsAgain sends the last callback to the URL of a job.
func (d *demo) sendsAgain(j job) func(context.Context) ([]int, error) {
	return func(ctx context.Context) ([]int, error) { return d.send(ctx, d.lastDelivery().Callback, j) }
}

// forges needs no key: only a pair that was seen somewhere, and the URL of the job.
func (d *demo) forges(j job) func(context.Context) ([]int, error) {
	return func(ctx context.Context) ([]int, error) {
		return d.send(ctx, d.lastDelivery().Callback.WithBody([]byte(`{"status":"clear","product":"one_time_aml"}`)), j)
	}
}

func (d *demo) send(ctx context.Context, cb smilesigtest.Callback, j job) ([]int, error) {
	response, err := cb.Send(ctx, nil, d.partner.urls.For(j.id))
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	return []int{response.StatusCode}, nil
}

func (d *demo) cannotBeAsked(j job) func(context.Context) ([]int, error) {
	return func(ctx context.Context) ([]int, error) {
		d.standIn.Answers = standin.WrongPair
		return d.concludes(j, smilesigtest.Approved)(ctx)
	}
}

func (d *demo) restarts(ctx context.Context) ([]int, error) {
	d.standIn.Answers = standin.Untampered
	d.closePartner()
	if err := d.startPartner(); err != nil {
		return nil, err
	}
	return nil, d.partner.sweep(ctx)
}

// look returns the state of a job and the number of actions taken so far.
func (d *demo) look(ctx context.Context, j job) (state state, actions int, err error) {
	err = d.partner.db.QueryRowContext(ctx, `SELECT state, (SELECT count(*) FROM actions) FROM jobs WHERE id = ?`, j.id).
		Scan(&state, &actions)
	return state, actions, err
}

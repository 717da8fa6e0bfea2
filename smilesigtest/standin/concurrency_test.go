package standin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// Each has the same job and the same body, also while the first is under way.
func TestOneIdempotencyKeyEightTimesAtOnce(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}, 8), make(chan struct{})
	c := newV3Client(t, func(s *standin.Server) {
		s.Outcomes = func(smilesigtest.Job) []smilesigtest.Outcome {
			begun <- struct{}{}
			<-release
			return []smilesigtest.Outcome{smilesigtest.Declined}
		}
	})
	var asking sync.WaitGroup
	jobs, bodies := make(chan string, 9), make(chan string, 9)
	ask := func() {
		req := c.request("/v3/aml/sync", nil)
		req.Header.Set("SmileID-Idempotency-Key", "onboarding-0000000001")
		response, err := c.Do(req)
		if !assert.NoError(t, err) {
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		jobs <- response.Header.Get("SmileID-Job-ID")
		bodies <- string(body)
	}
	for range 8 {
		asking.Go(ask)
	}
	<-begun
	close(release)
	asking.Wait()
	ask()
	require.Len(t, c.s.Jobs(), 1)
	assert.Empty(t, begun, "decided once")
	first := <-bodies
	for range 8 {
		assert.Equal(t, first, <-bodies)
		assert.Equal(t, c.s.Jobs()[0].ID, <-jobs)
	}
}

func TestIdempotencyKeysElsewhere(t *testing.T) {
	t.Parallel()
	c := newV3Client(t, withDefaultCallback)
	for range 2 {
		req := c.request("/v3/enhanced_kyc", nil)
		req.Header.Set("SmileID-Idempotency-Key", "onboarding-0000000001")
		assert.Equal(t, http.StatusAccepted, do(t, c.Client, req).status)
		assert.Equal(t, "accepted; SmileID-Idempotency-Key is for /v3/aml/sync only", last(t, c.s).Verdict)
	}
	assert.Len(t, c.s.Jobs(), 2)
}

func TestOneJobIDAtOnce(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	client := newClient(t, s.URL)
	var asking sync.WaitGroup
	accepted := make(chan bool, 8)
	for range 8 {
		asking.Go(func() {
			a := postJSON(t, client, s.URL+"/v1/upload", `{"smile_client_id":"085","partner_params":{"user_id":"user-1","job_id":"job-1","job_type":1}}`)
			accepted <- a.status == http.StatusOK
		})
	}
	asking.Wait()
	times := 0
	for range 8 {
		if <-accepted {
			times++
		}
	}
	assert.Equal(t, 1, times)
}

// Conclude may come while a synchronous call is being answered.
func TestConcludeBesideASynchronousCall(t *testing.T) {
	t.Parallel()
	var s *standin.Server
	var concluding sync.WaitGroup
	c := newV3Client(t, func(server *standin.Server) {
		s = server
		s.Outcomes = func(j smilesigtest.Job) []smilesigtest.Outcome {
			concluding.Go(func() { assert.NoError(t, s.Conclude(j.ID, smilesigtest.Provisional, smilesigtest.Declined)) })
			return []smilesigtest.Outcome{smilesigtest.Approved}
		}
	})
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 5 {
				assert.Equal(t, "clear", c.post("/v3/enhanced_kyc/sync", nil).body["status"], "the answer is its own")
			}
		})
	}
	asking.Wait()
	concluding.Wait()
	s.Wait()
	for _, j := range s.Jobs() {
		assert.Len(t, j.Outcomes, 3)
	}
}

func TestParallelClients(t *testing.T) {
	t.Parallel()
	partner := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(partner.Close)
	url := partner.URL
	c := newV3Client(t, func(s *standin.Server) { s.Keep = 50; s.Events = func(standin.Event) {} })
	v1 := newClient(t, c.s.URL)
	v1.Transport = c.Client.Transport
	var asking sync.WaitGroup
	for range 6 {
		asking.Go(func() {
			for range 4 {
				postJSON(t, v1, c.s.URL+"/v1/async_id_verification", `{"partner_id":"085","callback_url":"`+url+`","partner_params":{"job_type":1,"sandbox_result":"2"}}`)
				postJSON(t, v1, c.s.URL+"/v1/id_verification", fromPartner)
				postJSON(t, v1, c.s.URL+"/v1/job_status", `{"partner_id":"085","user_id":"u","job_id":"j","history":true}`)
				uploadURL := prepareUpload(t, c.s, v1, "1", url)
				do(t, v1, newRequest(t, http.MethodPut, uploadURL, "application/zip", strings.Repeat("PK", 1000)))
				job := c.post("/v3/document_verification", map[string]string{"callback_url": url})
				c.get("/v3/status/" + job.body["job_id"].(string))
				c.post("/v3/replay/"+job.body["job_id"].(string), nil)
				link := c.post("/v3/smile_links", linkFields)
				c.get("/v3/smile_links/" + link.body["ref_id"].(string))
				c.s.Requests()
				c.s.Deliveries()
				for _, j := range c.s.Jobs() {
					c.s.Conclude(j.ID, smilesigtest.Declined)
					break
				}
			}
		})
	}
	asking.Wait()
	c.s.Wait()
	assert.Len(t, c.s.Requests(), 50)
	assert.Len(t, c.s.Jobs(), 50)
}

var linkFields = map[string]string{
	"name": "Onboarding", "notice_privacy_policy_url": "https://partner.example/privacy", "is_single_use": "false",
	"id_types": `[{"country":"NG","id_type":"NIN","verification_method":"enhanced_kyc"}]`,
}

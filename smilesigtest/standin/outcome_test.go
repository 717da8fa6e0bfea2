package standin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// startJob starts a biometric job that is to be told to callbackURL, with further
// members of partner_params, and waits for what it sets going.
func startJob(t testing.TB, s *standin.Server, callbackURL, params string) {
	t.Helper()
	a := postJSON(t, newClient(t, s.URL), s.URL+"/v1/async_id_verification", fmt.Sprintf(
		`{"partner_id":"085","callback_url":%q,"partner_params":{"user_id":"user-1","job_id":"job-1","job_type":1%s}}`, callbackURL, params))
	require.Equal(t, http.StatusOK, a.status)
	s.Wait()
}

// told returns code and finality of the callbacks that came.
func told(t testing.TB, bodies <-chan string) (results []string) {
	t.Helper()
	for {
		select {
		case body := <-bodies:
			var callback struct{ ResultCode, IsFinalResult string }
			require.NoError(t, json.Unmarshal([]byte(body), &callback))
			results = append(results, strings.TrimSpace(callback.ResultCode+" "+callback.IsFinalResult))
		default:
			return results
		}
	}
}

func TestOutcomesBySandboxResult(t *testing.T) {
	t.Parallel()
	for params, want := range map[string][]string{
		``:                            {"1012 true", "1210"},
		`,"sandbox_result":"0"`:       {"1012 true", "1210"},
		`,"sandbox_result":"1"`:       {"1012 true", "0811"},
		`,"sandbox_result":1`:         {"1012 true", "0811"},
		`,"sandbox_result":"2"`:       {"1012 true", "0814", "1210"},
		`,"sandbox_result":"failed"`:  {"0001"},
		`,"sandbox_result":"0813"`:    {"1012 true", "0811"},
		`,"sandbox_result":1220`:      {"1012 true", "1210"},
		`,"sandbox_result":"unknown"`: {"1012 true", "1210"},
	} {
		s := standin.New(t, credential)
		url, bodies := newPartner(t, ok)
		startJob(t, s, url, params)
		assert.Equal(t, want, told(t, bodies), params)
	}
}

// Each is one line of Go.
func TestEachCallbackThatAServiceHasToDealWith(t *testing.T) {
	t.Parallel()
	verifier, _ := newVerifier(t)
	verifier.Guard = new(smilesig.MemoryGuard)
	url, bodies := newPartnerBehind(t, verifier, ok)
	s := standin.New(t, credential)

	s.Outcomes = smilesigtest.Always(smilesigtest.Approved)
	startJob(t, s, url, "")
	assert.Equal(t, []string{"1210"}, told(t, bodies))

	s.Outcomes = smilesigtest.Always(smilesigtest.Declined)
	startJob(t, s, url, "")
	assert.Equal(t, []string{"0811"}, told(t, bodies))

	s.Outcomes = smilesigtest.Always(smilesigtest.Provisional, smilesigtest.Approved)
	startJob(t, s, url, "")
	assert.Equal(t, []string{"0814", "1210"}, told(t, bodies))

	s.Outcomes = smilesigtest.Always(smilesigtest.Failed)
	startJob(t, s, url, "")
	assert.Equal(t, []string{"0001"}, told(t, bodies))

	d := s.Deliveries()[0]
	again, err := s.Deliver(t.Context(), d.URL, d.Callback) // redelivered
	require.NoError(t, err)
	assert.Equal(t, []int{http.StatusOK}, again.Statuses)

	stale, err := s.Deliver(t.Context(), d.URL, d.Callback.Stale())
	require.Error(t, err)
	assert.Contains(t, stale.Statuses, http.StatusUnauthorized)

	swapped, err := s.Deliver(t.Context(), d.URL, d.Callback.WithBody([]byte(`{"ResultCode":"0811"}`)))
	require.Error(t, err)
	assert.Contains(t, swapped.Statuses, http.StatusServiceUnavailable)
}

func TestAnUndecidedJobIsConcluded(t *testing.T) {
	t.Parallel()
	url, bodies := newPartner(t, ok)
	s := standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always() })
	startJob(t, s, url, "")
	assert.Empty(t, told(t, bodies))
	assert.Equal(t, false, jobStatus(t, s).body["job_complete"])
	assert.Empty(t, s.Jobs()[0].Outcomes)

	require.NoError(t, s.Conclude(s.Jobs()[0].ID, smilesigtest.Provisional))
	s.Wait()
	require.NoError(t, s.Conclude(s.Jobs()[0].ID, smilesigtest.Declined))
	s.Wait()
	assert.Equal(t, []string{"0814", "0811"}, told(t, bodies))
	assert.Equal(t, []smilesigtest.Outcome{smilesigtest.Provisional, smilesigtest.Declined}, s.Jobs()[0].Outcomes)
	assert.Equal(t, true, jobStatus(t, s).body["job_complete"])
	assert.Equal(t, false, jobStatus(t, s).body["job_success"])

	assert.Error(t, s.Conclude(s.Jobs()[0].ID), "no outcome")
	assert.Error(t, s.Conclude("unknown", smilesigtest.Approved))
	assert.Error(t, s.Conclude(s.Jobs()[0].ID, smilesigtest.Approved, 5))
	assert.Error(t, s.Conclude(s.Jobs()[0].ID, -1))
}

func jobStatus(t testing.TB, s *standin.Server) answer {
	t.Helper()
	return postJSON(t, newClient(t, s.URL), s.URL+"/v1/job_status", `{"partner_id":"085","user_id":"user-1","job_id":"job-1"}`)
}

func TestOutcomesIsAskedAboutTheJob(t *testing.T) {
	t.Parallel()
	url, _ := newPartner(t, ok)
	asked := make(chan smilesigtest.Job, 1)
	s := standin.New(t, credential)
	s.Outcomes = func(j smilesigtest.Job) []smilesigtest.Outcome { asked <- j; return nil }
	startJob(t, s, url, `,"note":"kept"`)
	j := <-asked
	assert.Equal(t, smilesigtest.Job{
		ID: s.Jobs()[0].ID, UserID: "user-1", JobID: "job-1", Product: "biometric_kyc", CallbackURL: url, Placement: smilesig.InBody,
		PartnerParams: json.RawMessage(`{"user_id":"user-1","job_id":"job-1","job_type":1,"note":"kept"}`),
		Created:       s.Jobs()[0].Created,
	}, j)
}

func TestASynchronousJobIsCompleteInJobStatus(t *testing.T) {
	t.Parallel()
	for path, codes := range map[string][]string{
		"/v1/id_verification":       {"1012", "1013", "1012", "1015"},
		"/v2/verify":                {"1020", "1022", "1020", "1015"},
		"/v1/business_verification": {"1012", "1013", "1012", "0001"},
		"/v1/aml":                   {"1031", "1030", "1031", "0001"},
	} {
		for i, outcomes := range [][]smilesigtest.Outcome{
			{smilesigtest.Approved}, {smilesigtest.Declined}, {smilesigtest.Provisional, smilesigtest.Approved}, {smilesigtest.Failed},
		} {
			s := standin.New(t, credential)
			s.Outcomes = smilesigtest.Always(outcomes...)
			a := postJSON(t, newClient(t, s.URL), s.URL+path, `{"partner_id":"085","partner_params":{"user_id":"user-1","job_id":"job-1"}}`)
			assert.Equal(t, codes[i], a.body["ResultCode"], path)
			assert.NotEmpty(t, a.body["ResultType"], "the Java SDK throws without it")

			status := jobStatus(t, s).body
			assert.Equal(t, true, status["job_complete"], path)
			assert.Equal(t, i%2 == 0, status["job_success"], path)
			result := status["result"].(map[string]any)
			assert.Equal(t, a.body["SmileJobID"], result["SmileJobID"])
			assert.Equal(t, codes[i], result["ResultCode"])
			assert.Empty(t, s.Deliveries())
		}
	}
	undecided := standin.New(t, credential)
	undecided.Outcomes = smilesigtest.Always()
	a := postJSON(t, newClient(t, undecided.URL), undecided.URL+"/v2/verify", fromPartner)
	assert.Equal(t, "1020", a.body["ResultCode"], "an answer cannot wait")
}

func TestARestartedServerRepeatsNoNumber(t *testing.T) {
	t.Parallel()
	var ids []string
	for range 5 {
		s := standin.New(t, credential)
		for range 20 {
			startJob(t, s, "", "")
		}
		for _, j := range s.Jobs() {
			assert.Regexp(t, `^\d{10}$`, j.ID)
			ids = append(ids, j.ID)
		}
		s.Close()
	}
	slices.Sort(ids)
	assert.Len(t, slices.Compact(ids), 100)
}

package smilesigtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// asRead says what package result must read from a body that reports an outcome.
var asRead = map[smilesigtest.Outcome]result.Outcome{
	smilesigtest.Approved: result.Approved, smilesigtest.Declined: result.Rejected,
	smilesigtest.Provisional: result.Review, smilesigtest.Failed: result.NoVerdict,
}

// The stand-in sends nothing but these bodies.
func TestEveryOutcomeOfEveryProductIsReadAsWhatItIs(t *testing.T) {
	t.Parallel()
	for _, placement := range []smilesig.Placement{smilesig.InBody, smilesig.InHeader} {
		for _, product := range smilesigtest.Products(placement) {
			for o, want := range asRead {
				j := smilesigtest.Job{Product: product, UserID: "user-1", JobID: "job-1", Placement: placement}
				read, err := result.Parse(j.Callback(credential, o).Body)
				require.NoError(t, err)
				if product == "aml_monitoring_update" {
					want = result.Unknown // news about a job that was decided long ago
				}
				assert.Equal(t, want, read.Outcome, "%s %s %s", placement, product, o)
				if placement == smilesig.InBody {
					assert.Equal(t, "job-1", read.JobID, product)
					assert.Equal(t, "user-1", read.UserID, product)
					assert.NotZero(t, read.JobType, product)
				}
			}
		}
	}
}

// A misspelt name would change nothing, silently.
func TestEachNameInOutcomesIsKnown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("samples/outcomes.json")
	require.NoError(t, err)
	var all map[string]map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &all))
	known := map[string][]string{
		"v1": smilesigtest.Products(smilesig.InBody),
		"v3": append(smilesigtest.Products(smilesig.InHeader), "", "aml", "address_verification"), // without a sample
	}
	for version, products := range all {
		for product, outcomes := range products {
			assert.Contains(t, known[version], product, version)
			for name := range outcomes {
				_, ok := smilesigtest.ParseOutcome(name)
				assert.True(t, ok, "%s %s %s", version, product, name)
			}
		}
	}
}

func TestEachProductHasAJobType(t *testing.T) {
	t.Parallel()
	for _, product := range append(smilesigtest.Products(smilesig.InBody), smilesigtest.Products(smilesig.InHeader)...) {
		isException := product == "aml_monitoring_update" || product == "smart_selfie_compare" // v1 has none of them
		assert.Equal(t, isException, smileid.JobTypes[product] == 0, product)
	}
}

func TestTheTraps(t *testing.T) {
	t.Parallel()
	body := func(product string, o smilesigtest.Outcome) (says struct {
		ResultCode    string
		IsFinalResult any
	}) {
		j := smilesigtest.Job{Product: product, UserID: "user-1", JobID: "job-1"}
		require.NoError(t, json.Unmarshal(j.Callback(credential, o).Body, &says))
		return says
	}
	for _, test := range []struct {
		product string
		outcome smilesigtest.Outcome
		code    string
		isFinal any
	}{
		{"biometric_kyc", smilesigtest.Provisional, "0814", nil},
		{"biometric_kyc", smilesigtest.IDValidated, "1012", "true"},
		{"document_verification", smilesigtest.Declined, "0812", nil},
		{"document_verification", smilesigtest.Provisional, "0817", nil},
		{"enhanced_kyc", smilesigtest.Approved, "1012", "true"},
		{"enhanced_kyc", smilesigtest.Provisional, "1012", "false"},
		{"enhanced_kyc", smilesigtest.IDValidated, "1012", "false"},
		{"smartselfie_enrollment", smilesigtest.Approved, "0840", true},
		{"smartselfie_enrollment", smilesigtest.Provisional, "0844", false},
		{"aml_check", smilesigtest.Approved, "1031", nil},
	} {
		says := body(test.product, test.outcome)
		assert.Equal(t, test.code, says.ResultCode, "%+v", test)
		assert.Equal(t, test.isFinal, says.IsFinalResult, "%+v", test)
	}

	half, err := result.Parse(smilesigtest.Job{Product: "biometric_kyc"}.Callback(credential, smilesigtest.IDValidated).Body)
	require.NoError(t, err)
	assert.Equal(t, result.Unknown, half.Outcome, "1012 is no verdict of a biometric job")
	assert.Equal(t, 1, half.JobType)
}

// A Job makes callbacks without a Server, too.
func TestCallbacksOfAJob(t *testing.T) {
	t.Parallel()
	j := smilesigtest.Job{Product: "biometric_kyc", UserID: "user-1"}
	first, second := j.Callback(credential, smilesigtest.Approved), j.Callback(credential, smilesigtest.Approved)
	assert.Regexp(t, `"SmileJobID":"\d{10}"`, string(first.Body))
	assert.NotEqual(t, string(first.Body), string(second.Body), "each has a new ID")

	j.Placement = smilesig.InHeader
	j.Created, j.Completed = time.Unix(0, 0), time.Unix(1, 0)
	webhook := j.Callback(credential, smilesigtest.Approved)
	assert.Equal(t, "user-1", webhook.Header.Get("User-ID"))
	assert.Contains(t, string(webhook.Body), `"created_at":"1970-01-01T00:00:00.000Z"`)
	assert.Contains(t, string(webhook.Body), `"completed_at":"1970-01-01T00:00:01.000Z"`)

	unknown := smilesigtest.Job{ID: "1", Product: "unknown"}.Callback(credential, smilesigtest.Approved)
	assert.Contains(t, string(unknown.Body), `"SmileJobID":"1"`)
	assert.Panics(t, func() { j.Callback(credential, 5) })
	assert.Panics(t, func() { j.Callback(credential, -1) })
}

// A body is not signed, so it need not wait for a millisecond of its own.
func TestTheBodyOfACallback(t *testing.T) {
	t.Parallel()
	for _, placement := range []smilesig.Placement{smilesig.InBody, smilesig.InHeader} {
		j := smilesigtest.Job{ID: "1", Product: "enhanced_kyc", Placement: placement, Created: time.Unix(0, 0), Completed: time.Unix(1, 0)}
		assert.JSONEq(t, string(j.Callback(credential, smilesigtest.Failed).Body), string(j.Body(smilesigtest.Failed)))
		assert.Panics(t, func() { j.Body(5) })
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for range 100 {
			assert.Regexp(t, `"SmileJobID":"\d{10}"`, string(smilesigtest.Job{}.Body(smilesigtest.Approved)))
		}
		assert.Zero(t, time.Since(start))
	})
}

func TestWhatAPartnerHasSentComesBack(t *testing.T) {
	t.Parallel()
	params := func(product string, placement smilesig.Placement) (got map[string]any) {
		var body struct {
			V1 map[string]any `json:"PartnerParams"`
			V3 map[string]any `json:"partner_params"`
		}
		j := smilesigtest.Job{
			ID: "1", Product: product, UserID: "user-1", JobID: "job-1", Placement: placement,
			PartnerParams: json.RawMessage(`{"job_id":"theirs","mine":"1","sandbox_result":"0"}`),
		}
		require.NoError(t, json.Unmarshal(j.Callback(credential, smilesigtest.Approved).Body, &body))
		if placement == smilesig.InBody {
			return body.V1
		}
		return body.V3
	}
	assert.Equal(t, map[string]any{"job_id": "theirs", "user_id": "user-1", "job_type": 10., "mine": "1", "sandbox_result": "0"},
		params("aml_check", smilesig.InBody))
	assert.Equal(t, map[string]any{"mine": "1"}, params("one_time_aml", smilesig.InHeader))
	assert.Equal(t, map[string]any{"mine": "1", "job_id": "theirs"}, params("enhanced_kyc", smilesig.InHeader))
	assert.Equal(t, map[string]any{"mine": "1", "job_id": "1", "user_id": "user-1"}, params("biometric_kyc", smilesig.InHeader))
}

func TestOutcomeNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "[approved declined provisional failed id-validated Outcome(invalid)]",
		fmt.Sprint([]smilesigtest.Outcome{0, 1, 2, 3, 4, 5}))
	for o := smilesigtest.Approved; o <= smilesigtest.IDValidated; o++ {
		parsed, ok := smilesigtest.ParseOutcome(o.String())
		assert.True(t, ok)
		assert.Equal(t, o, parsed)
	}
	_, ok := smilesigtest.ParseOutcome("Approved")
	assert.False(t, ok)
}

// Two callbacks of one millisecond share a pair, and the guard refuses the second.
func TestNoTwoCallbacksShareAMillisecond(t *testing.T) {
	t.Parallel()
	const each = 10
	var mu sync.Mutex
	seen := map[int64]bool{}
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for range each {
				callback, webhook := smilesigtest.NewCallback(credential, nil), smilesigtest.NewWebhook(credential, nil)
				mu.Lock()
				seen[callback.Time.UnixMilli()], seen[webhook.Time.UnixMilli()] = true, true
				mu.Unlock()
			}
		})
	}
	makers.Wait()
	assert.Len(t, seen, 8*each*2)
}

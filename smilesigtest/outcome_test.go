package smilesigtest_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// A Job makes callbacks without a Server, too.
func TestCallbacksOfAJob(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{}
	for _, product := range smilesigtest.Products(smilesig.InBody) {
		for _, o := range []smilesigtest.Outcome{smilesigtest.Approved, smilesigtest.Declined, smilesigtest.Provisional, smilesigtest.Failed} {
			j := smilesigtest.Job{Product: product, UserID: "user-1", JobID: "job-1"}
			first, second := j.Callback(credential, o), j.Callback(credential, o)
			var body, other struct {
				SmileJobID, ResultCode, ResultText, ResultType, IsFinalResult string
				PartnerParams                                                 map[string]any
			}
			require.NoError(t, json.Unmarshal(first.Body, &body))
			require.NoError(t, json.Unmarshal(second.Body, &other))
			assert.Len(t, body.SmileJobID, 10)
			assert.NotEqual(t, body.SmileJobID, other.SmileJobID)
			assert.Equal(t, "job-1", body.PartnerParams["job_id"])
			assert.Equal(t, "user-1", body.PartnerParams["user_id"])
			assert.NotZero(t, body.PartnerParams["job_type"])
			assert.Len(t, body.ResultCode, 4)
			assert.NotEmpty(t, body.ResultText)
			assert.NotEmpty(t, body.ResultType)
			assert.Equal(t, o != smilesigtest.Provisional, body.IsFinalResult == "true")
			codes[body.ResultCode] = true

			j.Placement = smilesig.InHeader
			webhook := j.Callback(credential, o)
			assert.Equal(t, "user-1", webhook.Header.Get("User-ID"))
			var v3 struct{ Status, Product string }
			require.NoError(t, json.Unmarshal(webhook.Body, &v3))
			assert.Equal(t, []string{"clear", "block", "attention", "error"}[o], v3.Status)
			assert.Equal(t, product, v3.Product)
		}
	}
	assert.Greater(t, len(codes), 10)
	unknown := smilesigtest.Job{ID: "1", Product: "unknown"}.Callback(credential, smilesigtest.Approved)
	assert.Contains(t, string(unknown.Body), `"SmileJobID":"1"`)
}

func TestOutcomeNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "[approved declined provisional failed Outcome(invalid)]",
		fmt.Sprint([]smilesigtest.Outcome{0, 1, 2, 3, 4}))
}

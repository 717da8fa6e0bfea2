package smilesigtest

import (
	"encoding/json"
	"net/http"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// A Job is Smile ID's word for one verification. A request asks for a job, and
// callbacks report its result.
type Job struct {
	// ID is Smile ID's name for the job: SmileJobID in v1 and v2, job_id in v3.
	ID string

	// UserID is the partner's name for the person, JobID its name for the job. v3
	// has no such name for the job.
	UserID, JobID string

	// Product is one of [Products], or v3's name for it.
	Product string

	// PartnerParams is the JSON object partner_params of the request, if any.
	PartnerParams json.RawMessage

	// CallbackURL is where results go. "" means nowhere.
	CallbackURL string

	// Placement is where the pair of a callback goes: InHeader in v3, else InBody.
	Placement smilesig.Placement

	// Outcomes has the outcomes so far, the newest last.
	Outcomes []Outcome

	// Created and Completed are when the job began and when its newest outcome was
	// reached. Zero means now. Only v3 reports them.
	Created, Completed time.Time
}

// Callback returns the callback that reports the outcome o of j, signed for now.
// If j has no ID, the callback has a new one. If the product is not one of
// [Products], the body is short. Callback panics if o is not one of the
// constants.
func (j Job) Callback(credential smilesig.Credential, o Outcome) Callback {
	if j.ID == "" {
		j.ID = smileid.NewJobID(j.Placement)
	}
	cb := NewCallback(credential, encoded(j.result(o)))
	if j.Placement == smilesig.InHeader {
		cb.Placement = smilesig.InHeader
		cb.Header = http.Header{"Job-Id": {j.ID}, "User-Id": {j.UserID}, "Api-Version": {smileid.APIVersion}}
	}
	return cb
}

// result returns the body that reports the outcome o.
func (j Job) result(o Outcome) map[string]json.RawMessage {
	if j.Placement == smilesig.InHeader {
		return j.webhook(o)
	}
	result := map[string]json.RawMessage{}
	if sample, ok := Sample(j.Product, smilesig.InBody); ok {
		json.Unmarshal(sample, &result) // a sample of ours
	}
	return j.members(result, o)
}

// params returns PartnerParams, or what a request of this job would have there.
func (j Job) params() json.RawMessage {
	if j.PartnerParams != nil {
		return j.PartnerParams
	}
	return encoded(map[string]any{"job_id": j.JobID, "user_id": j.UserID, "job_type": smileid.JobTypes[j.Product]})
}

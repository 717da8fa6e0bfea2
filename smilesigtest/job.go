package smilesigtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
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
	j.ID = cmp.Or(j.ID, smileid.NewJobID(j.Placement))
	if j.Placement != smilesig.InHeader {
		return NewCallback(credential, j.Body(o))
	}
	cb := NewWebhook(credential, j.Body(o))
	cb.Header = http.Header{"Job-Id": {j.ID}, "User-Id": {j.UserID}, "Api-Version": {smileid.APIVersion}}
	return cb
}

// Body returns the body that [Job.Callback] sends, without a pair.
func (j Job) Body(o Outcome) json.RawMessage {
	if o < Approved || o > IDValidated {
		panic("smilesigtest: an outcome that is none of the constants")
	}
	j.ID = cmp.Or(j.ID, smileid.NewJobID(j.Placement))
	if o == IDValidated && !smileid.HasIDHalf(j.Product, j.Placement) {
		o = Provisional
	}
	if j.Placement == smilesig.InHeader {
		return encoded(j.webhook(o))
	}
	return encoded(j.result(o))
}

// An object is a JSON object.
type object map[string]json.RawMessage

// bodyOf returns the sample of a product as it is with an outcome.
func bodyOf(version, product string, o Outcome) object {
	body := object{}
	sample, _ := samples.ReadFile("samples/" + version + "/" + product + ".json") // short without one
	json.Unmarshal(sample, &body)
	for _, changed := range []object{changes[version][""][o.String()], changes[version][product][o.String()]} {
		if changed["Actions"] != nil {
			actions := object{}
			json.Unmarshal(body["Actions"], &actions)
			json.Unmarshal(changed["Actions"], &actions) // adds to them
			body["Actions"] = encoded(actions)
		}
		for name, value := range changed {
			if name != "Actions" {
				body[name] = value
			}
		}
	}
	if o == Declined || o == Failed {
		for _, name := range []string{"FullName", "DOB", "Gender", "ImageLinks", "ConfidenceValue", "id_fields"} {
			delete(body, name) // nothing is told of the person
		}
	}
	return body
}

// result returns the body of a v1 or v2 callback.
func (j Job) result(o Outcome) object {
	product := j.Product
	if o == IDValidated {
		product = "enhanced_kyc" // the half of a biometric job that this is
	}
	body := bodyOf("v1", product, o)
	body["SmileJobID"], body["PartnerParams"] = quoted(j.ID), j.params()
	return body
}

// params returns PartnerParams with the names of the job that are missing there.
func (j Job) params() json.RawMessage {
	params := object{"job_id": quoted(j.JobID), "user_id": quoted(j.UserID), "job_type": encoded(smileid.JobTypes[j.Product])}
	json.Unmarshal(j.PartnerParams, &params) // adds to them, if it can be read
	return encoded(params)
}

// webhook returns the body of a v3 webhook. Where it has the names of the job
// depends on the product.
func (j Job) webhook(o Outcome) object {
	body := bodyOf("v3", j.Product, o)
	body["product"] = quoted(j.Product)
	body["created_at"], body["completed_at"] = v3Time(j.Created), v3Time(j.Completed)
	params := object{}
	json.Unmarshal(j.PartnerParams, &params) // what cannot be read stays empty
	delete(params, "sandbox_result")
	switch j.Product {
	case "one_time_aml": // has them in headers only [spec]
		for _, name := range []string{"job_id", "user_id", "job_type"} {
			delete(params, name)
		}
	case "enhanced_kyc": // [docs]
		body["job_id"], body["user_id"] = quoted(j.ID), quoted(j.UserID)
	default: // [docs], for documents
		params["job_id"], params["user_id"] = quoted(j.ID), quoted(j.UserID)
	}
	body["partner_params"] = encoded(params)
	if len(params) == 0 {
		body["partner_params"] = json.RawMessage("null") // [spec]
	}
	return body
}

func v3Time(t time.Time) json.RawMessage {
	if t.IsZero() {
		t = time.Now()
	}
	return quoted(t.UTC().Format(smilesig.TimestampLayout))
}

// encoded returns the JSON of v. It is for values of texts and JSON, which always
// have one.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}

func quoted(text string) json.RawMessage { return encoded(text) }

// An Outcome is how a job ends, or how it stands.
type Outcome int

const (
	Approved    Outcome = iota
	Declined            // the person is not who they say, or is on a list
	Provisional         // not decided for good: a review, a partial match, or a warning
	Failed              // no result: an authority cannot be asked, or a photo cannot be used

	// IDValidated is the first half of a biometric KYC job of v1: the ID exists, and
	// the result of the face follows. Its code, 1012, is an approval for other
	// products, so a handler must look at the product. Elsewhere, IDValidated is
	// reported as Provisional.
	IDValidated
)

var outcomeNames = []string{"approved", "declined", "provisional", "failed", "id-validated"}

// String returns the outcome in lower case, such as "approved".
func (o Outcome) String() string {
	if o < Approved || o > IDValidated {
		return "Outcome(invalid)"
	}
	return outcomeNames[o]
}

// ParseOutcome returns the outcome that String names, and whether there is one.
func ParseOutcome(name string) (o Outcome, ok bool) {
	i := slices.Index(outcomeNames, name)
	return Outcome(max(i, 0)), i >= 0
}

// Always returns a function for the Outcomes of a stand-in's Server that gives
// every job the same outcomes. Always() leaves every job undecided.
func Always(outcomes ...Outcome) func(Job) []Outcome {
	return func(Job) []Outcome { return outcomes }
}

// changes has, by version, product and outcome, how a body differs from the sample.
// What is under the product "" holds for every product.
var changes = func() (read map[string]map[string]map[string]object) {
	text, _ := samples.ReadFile("samples/outcomes.json") // embedded
	json.Unmarshal(text, &read)                          // ours
	return read
}()

package result

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Outcome is what a result means for the person or business that was checked.
type Outcome int

const (
	Unknown   Outcome = iota // no row of a table has it, or it cannot be read for certain
	Approved                 // the check was passed
	Rejected                 // the check was failed
	Review                   // a person has to decide: yours, or one of Smile ID's if the Result is Provisional
	NoVerdict                // the check could not be made: it says nothing about the person
)

// String returns "unknown", "approved", "rejected", "review" or "no verdict".
func (o Outcome) String() string { return cmp.Or(outcomeNames[o], "Outcome(invalid)") }

var outcomeNames = map[Outcome]string{
	Unknown: "unknown", Approved: "approved", Rejected: "rejected", Review: "review", NoVerdict: "no verdict",
}

// A Result is what a body says.
type Result struct {
	Outcome Outcome

	// Version is 1 for the results of v1 and v2, and 3 for those of v3. It is 0 for
	// a body that has the shape of none of them, or of two.
	Version int

	// Code and Text are ResultCode and ResultText. In SmartSelfie v2 they are code
	// and message, in v3 status and message. A Code has four digits, or is a status
	// in lower case. Do not decide by a Text: the same one comes with different
	// outcomes.
	Code, Text string

	Reason  string // why, in v3; Smile ID adds new reasons
	Product string // in v3; "" in v1 and v2
	JobType int    // in v1 and v2; 0 if it is absent

	// SmileJobID is Smile ID's name for the job, JobID is yours. A name is "" if the
	// body does not have it. v3 has no JobID, and some of its products have no ids at
	// all.
	SmileJobID, UserID, JobID string

	// Provisional says that another result of this job will come. Do not decide by
	// this one.
	Provisional bool

	// Actions has the steps of the check that occur once with a text. Outcome takes
	// them into account already.
	Actions map[string]string
}

// Parse reads the body of a callback, of a webhook, or of a synchronous answer. It
// returns an error only if body is not one JSON object in valid UTF-8. The error
// quotes nothing of body. A body that is an object but no result is Unknown.
//
// Parse takes a body as it is. Verify it first.
func Parse(body []byte) (Result, error) {
	b, err := read(body)
	if err != nil {
		return Result{}, fmt.Errorf("result: %w", err)
	}
	r, standing := b.decide()
	standing = standing.doubt(b["IsFinalResult"], b["IsFinalResult"].says("true"))
	steps, isReadable := b["Actions"].object()
	if !isReadable {
		standing = Unknown
	}
	r.Actions = make(map[string]string, len(steps))
	for name, step := range steps {
		value, isText := step.text()
		if isText {
			r.Actions[name] = value
		}
		if counts, isGood := judge(name, value, r.Code); counts {
			standing = standing.doubt(step, isText && isGood)
		}
	}
	if r.Outcome == Approved {
		r.Outcome = standing
	}
	return r, nil
}

// doubt lowers an approval to Unknown if m is doubled, and to Review if m is there
// and not good.
func (o Outcome) doubt(m member, isGood bool) Outcome {
	switch {
	case m.count > 1:
		return Unknown
	case m.count == 1 && !isGood && o == Approved:
		return Review
	}
	return o
}

// judge reports whether a step counts beside an approving code, and whether its
// value lets the approval stand.
func judge(name, value, code string) (counts, isGood bool) {
	switch {
	case strings.HasPrefix(name, "Human_Review_"):
		return true, slices.Contains(goodSteps, value)
	case strings.HasPrefix(code, "12"): // a person's "Passed" stands beside a machine's "Failed"
		return false, false
	case name == "Listed":
		return true, value == "Not Listed"
	case name == "Liveness_Check", name == "Document_Check",
		strings.HasPrefix(name, "Selfie_To_"), strings.HasPrefix(name, "Verify_"):
		return true, slices.Contains(goodSteps, value)
	}
	return code == "1020", !strings.EqualFold(value, "No Match") // a detail of basic KYC
}

// decide looks the outcome up, in the table of the version whose shape the body
// has. standing is what is left of an approval by the other members that belong to
// this version.
func (b object) decide() (r Result, standing Outcome) {
	status, jobType := b["status"], b["job_type"]
	isV1 := b["ResultCode"].count > 0
	isSelfie := isKnown(selfieStatuses, b.status()) || strings.HasPrefix(jobType.word(), "smart_selfie_")
	isV3 := isKnown(statuses, b.status()) || !b["product"].isAbsent()
	switch {
	case status.count > 1, jobType.count > 1: // the second may be of another version
	case isV1 && !isSelfie && !isV3:
		return b.decideV1(), Approved
	case isSelfie && !isV1 && !isV3:
		return b.decideSelfie()
	case isV3 && !isV1 && !isSelfie:
		return b.decideV3()
	}
	ids := b.decideV1() // for the person who looks into the case
	return Result{SmileJobID: ids.SmileJobID, UserID: ids.UserID, JobID: ids.JobID}, Unknown
}

func (b object) decideV1() Result {
	params, isReadable := b["PartnerParams"].object()
	r := Result{
		Version: 1, Code: b["ResultCode"].code(), Text: b["ResultText"].word(), JobType: params["job_type"].jobType(),
		SmileJobID: b["SmileJobID"].word(), UserID: params["user_id"].word(), JobID: params["job_id"].word(),
	}
	found := lookUp(resultCodes, r.Code, product(r.JobType, isReadable && params["job_type"].count == 0))
	r.Outcome, r.Provisional = found.outcome, found.provisional || b["IsFinalResult"].says("false")
	return r
}

// decideSelfie reads SmartSelfie v2.
func (b object) decideSelfie() (r Result, standing Outcome) {
	r = b.snake(1, b["code"].code())
	r.JobType = selfieJobs[b["job_type"].word()]
	product := product(r.JobType, b["job_type"].count == 0)
	found, agreed := lookUp(selfieStatuses, b.status(), product), lookUp(resultCodes, r.Code, product)
	r.Outcome, r.Provisional = found.outcome, found.provisional
	return r, Approved.doubt(b["code"], agreed.outcome == Approved && contains(found.products, agreed.products))
}

func (b object) decideV3() (r Result, standing Outcome) {
	r = b.snake(3, b.status())
	r.Reason, r.Product = b["reason"].word(), b["product"].word()
	if r.Product != "" || b["product"].isAbsent() {
		r.Outcome = lookUp(statuses, r.Code, r.Product).outcome
	}
	return r, Approved.doubt(b["reason"], b["reason"].isAbsent())
}

// snake reads the members that SmartSelfie v2 and v3 share. The ids are at the top
// level, or else in partner_params.
func (b object) snake(version int, code string) Result {
	params, _ := b["partner_params"].object()
	id := func(name string) string { return cmp.Or(b[name].word(), params[name].word()) }
	return Result{Version: version, Code: code, Text: b["message"].word(), SmileJobID: id("job_id"), UserID: id("user_id")}
}

// status returns the status as the tables write it.
func (b object) status() string { return strings.ToLower(strings.TrimSpace(b["status"].word())) }

// lookUp returns the row of a code for a product. Without a product, all rows of the
// code must have one outcome. If there is none, lookUp returns the zero row.
func lookUp(table []row, code, product string) (found row) {
	for _, r := range table {
		switch {
		case !contains(r.codes, code) || product != "" && !contains(r.products, product):
		case found.codes != "" && found.outcome != r.outcome:
			return row{}
		default:
			found = r
		}
	}
	return found
}

func isKnown(table []row, code string) bool { return lookUp(table, code, "").codes != "" }

func contains(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

// product returns a job type as the tables write it: "" if the body has none, and
// "0", which is in no row, if it has none that can be read.
func product(jobType int, isAbsent bool) string {
	if isAbsent {
		return ""
	}
	return strconv.Itoa(jobType)
}

package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"example.com/smilesig/internal/jsonobject"
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
// quotes nothing of body. A body that is an object but no result is Unknown. So is a
// body of more than 1,000 members, and an approval with more than 1,000 members in
// Actions or PartnerParams.
//
// Parse takes a body as it is. Verify it first.
func Parse(body []byte) (Result, error) {
	members, err := jsonobject.Read(body)
	if err != nil {
		return Result{}, fmt.Errorf("result: %w", err)
	}
	b := object(members)
	r, standing := b.decide()
	r.Provisional = r.Provisional || says(b["IsFinalResult"], "false")
	standing = standing.doubt(b["IsFinalResult"], says(b["IsFinalResult"], "true"))
	steps, isReadable := b["Actions"].Object()
	if !isReadable {
		standing = Unknown
	}
	r.Actions = make(map[string]string, len(steps))
	for name, step := range steps {
		value, isText := step.Text()
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
func (o Outcome) doubt(m jsonobject.Value, isGood bool) Outcome {
	switch {
	case m.Count > 1:
		return Unknown
	case m.Count == 1 && !isGood && o == Approved:
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

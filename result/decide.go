package result

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/smilesig/internal/jsonobject"
)

// An object is a body.
type object jsonobject.Object

// decide looks the outcome up, in the table of the version whose shape the body
// has. standing is what is left of an approval by the other members that belong to
// this version.
func (b object) decide() (r Result, standing Outcome) {
	status, jobType := b.status(), b["job_type"]
	isV1 := b["ResultCode"].Count > 0
	isSelfie := isKnown(selfieStatuses, status) || strings.HasPrefix(jobType.Word(), "smart_selfie_")
	isV3 := isKnown(statuses, status) || !b["product"].IsAbsent()
	switch {
	case b["status"].Count > 1, jobType.Count > 1: // the second may be of another version
	case isV1 && !isSelfie && !isV3:
		return b.decideV1(), Approved
	case isSelfie && !isV1 && !isV3:
		return b.decideSelfie()
	case isV3 && !isV1 && !isSelfie:
		return b.decideV3()
	}
	v1, v3 := b.decideV1(), b.snake(0, "") // for the person who looks into the case
	return Result{SmileJobID: cmp.Or(v1.SmileJobID, v3.SmileJobID), UserID: cmp.Or(v1.UserID, v3.UserID), JobID: v1.JobID}, Unknown
}

func (b object) decideV1() Result {
	params, isReadable := b["PartnerParams"].Object()
	code, jobType := codeOf(b["ResultCode"]), jobTypeOf(params["job_type"])
	found := lookUp(resultCodes, code, product(jobType, isReadable && params["job_type"].Count == 0))
	return Result{
		Outcome: found.outcome, Provisional: found.provisional, Version: 1, Code: code, Text: b["ResultText"].Word(), JobType: jobType,
		SmileJobID: b["SmileJobID"].Word(), UserID: params["user_id"].Word(), JobID: params["job_id"].Word(),
	}
}

// decideSelfie reads SmartSelfie v2.
func (b object) decideSelfie() (r Result, standing Outcome) {
	r = b.snake(1, codeOf(b["code"]))
	r.JobType = selfieJobs[b["job_type"].Word()]
	product := product(r.JobType, b["job_type"].Count == 0)
	found, agreed := lookUp(selfieStatuses, b.status(), product), lookUp(resultCodes, r.Code, product)
	r.Outcome, r.Provisional = found.outcome, found.provisional
	return r, Approved.doubt(b["code"], agreed.outcome == Approved && contains(found.products, agreed.products))
}

func (b object) decideV3() (r Result, standing Outcome) {
	r = b.snake(3, b.status())
	r.Reason, r.Product = b["reason"].Word(), b["product"].Word()
	if r.Product != "" || b["product"].IsAbsent() {
		r.Outcome = lookUp(statuses, r.Code, r.Product).outcome
	}
	return r, Approved.doubt(b["reason"], b["reason"].IsAbsent())
}

// snake reads the members that SmartSelfie v2 and v3 share. An id is at the top
// level. Only if it is absent there, it is taken from partner_params.
func (b object) snake(version int, code string) Result {
	params, _ := b["partner_params"].Object()
	id := func(name string) string {
		if b[name].IsAbsent() {
			return params[name].Word()
		}
		return b[name].Word()
	}
	return Result{Version: version, Code: code, Text: b["message"].Word(), SmileJobID: id("job_id"), UserID: id("user_id")}
}

// status returns the status as the tables write it.
func (b object) status() string { return strings.ToLower(strings.TrimSpace(b["status"].Word())) }

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

// says reports whether m is this literal, or its text.
func says(m jsonobject.Value, literal string) bool { return m.Is(literal) || m.Is(`"`+literal+`"`) }

var (
	codeForm    = regexp.MustCompile(`^[0-9]{4}$`)
	jobTypeForm = regexp.MustCompile(`^[0-9]{1,2}$`)
)

// codeOf returns a text of four digits, or a plain integer with zeros in front; ""
// for anything else.
func codeOf(m jsonobject.Value) string {
	code, isText := m.Text()
	if !isText && m.Word() != "" {
		code = "0000"[min(len(m.Raw), 4):] + m.Word()
	}
	return codeForm.FindString(code)
}

// jobTypeOf returns 0 for anything but one or two digits.
func jobTypeOf(m jsonobject.Value) int {
	jobType, _ := strconv.Atoi(jobTypeForm.FindString(m.Word()))
	return jobType
}

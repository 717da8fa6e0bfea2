package standin

import (
	"embed"
	"encoding/json"
	"net/http"
	"strings"
)

// A call is a request on its way to its answer.
type call struct {
	*http.Request
	path     string // without doubled or trailing slashes
	route    route
	isBegun  bool   // some of the body was read
	isRead   bool   // nothing of the body is left, or reading has failed
	leave    func() // lets the next large body in
	body     []byte
	object   members  // the JSON body of a request with pairInBody
	form     form     // the parts of a multipart body
	issued   issued   // the token
	steps    []string // what was checked and holds
	comments []string // what is odd, but accepted
}

func (c *call) holds(step string)     { c.steps = append(c.steps, step) }
func (c *call) remark(comment string) { c.comments = append(c.comments, comment) }
func (c *call) isV3() bool            { return strings.HasPrefix(c.path, "/v3/") }

// segment returns a segment of the path; the first has the number 0.
func (c *call) segment(n int) string { return strings.Split(c.path[1:], "/")[n] }

// members is a JSON object.
type members map[string]json.RawMessage

// text returns a member's value; "" if it is missing, null or no string.
func (m members) text(name string) string {
	var text string
	if json.Unmarshal(m[name], &text) != nil {
		return ""
	}
	return text
}

// A reply is the answer to a request and what is recorded about it.
type reply struct {
	status  int
	header  http.Header
	body    any // nil means no body
	verdict string
	then    func() // what the request starts once it is recorded; may be nil
}

func accepted(status int, body any) *reply {
	return &reply{status: status, body: body, verdict: "accepted"}
}

//go:embed answers/*.json
var answers embed.FS

// madeUp returns a file of answers. It panics if there is none.
func madeUp(file string) json.RawMessage {
	body, err := answers.ReadFile("answers/" + file + ".json")
	if err != nil {
		panic(err)
	}
	return body
}

// always returns a function that accepts every request with the same made-up
// answer.
func always(file string) func(*Server, *call) *reply {
	body := madeUp(file)
	return func(*Server, *call) *reply { return accepted(http.StatusOK, body) }
}

// refused returns an answer that says no more than the status.
func (c *call) refused(status int, why string) *reply {
	if c.isV3() {
		return v3Refused(status, http.StatusText(status)).because(why)
	}
	return &reply{status: status, body: map[string]string{"error": http.StatusText(status)}, verdict: why}
}

// v3Refused returns an answer in v3's error envelope [spec].
func v3Refused(status int, message string) *reply {
	return &reply{status: status, body: map[string]string{"status": http.StatusText(status), "message": message}, verdict: message}
}

// missing refuses a request to v3 for one of its fields [spec].
func missing(field string) *reply {
	return v3Refused(http.StatusBadRequest, "Required field '"+field+"' is missing or invalid.")
}

// firstMissing refuses a request to v3 for the first of these fields that is not
// well, if any.
func firstMissing(fields ...field) *reply {
	for _, f := range fields {
		if !f.isWell {
			return missing(f.name)
		}
	}
	return nil
}

type field struct {
	name   string
	isWell bool
}

// because gives a refusal a verdict that says more than its answer.
func (a *reply) because(why string) *reply {
	a.verdict = why
	return a
}

// Smile ID's codes [docs].
const (
	codeInvalid     = "2204" // data missing or of the wrong type
	codeDenied      = "2205" // the signature does not match
	codeDeniedQuery = "2405" // the same, where an ID is looked up
	codeJobExists   = "2215" // another job has this job_id
)

var codeTexts = map[string]string{
	codeInvalid: "A parameter is missing or of the wrong data type.", codeJobExists: "Job already exists.",
	codeDenied: "You are not authorized to do that.", codeDeniedQuery: "You are not authorized to do that.",
}

// denied answers with a code, as v1 and v2 do. Its member names are known from
// third parties.
func denied(code, why string) *reply {
	return &reply{status: http.StatusBadRequest, body: map[string]string{"code": code, "error": codeTexts[code]}, verdict: code + ": " + why}
}

package result_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/internal/jsonobject"
	"example.com/smilesig/result"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"ResultCode":"0810"`, "{\"a\":\"\xff\"}",
		`{"ResultCode":"0810","PartnerParams":{"job_type":1},"IsFinalResult":"true","Actions":{"Liveness_Check":"Passed"}}`,
		`{"ResultCode":810,"PartnerParams":{"job_type":"11"},"IsFinalResult":true,"Actions":{"Verify_Document":"Failed"}}`,
		`{"ResultCode":"1012","PartnerParams":{"job_type":5,"user_id":"u","job_id":1},"SmileJobID":"0001"}`,
		`{"ResultCode":"1020","Actions":{"Names":"No Match","N\u0061mes":"Exact Match"}}`,
		`{"ResultCode":"1210","Actions":{"Liveness_Check":"Failed","Human_Review_Compare":"Passed"}}`,
		`{"ResultCode":"1031","PartnerParams":{"job_type":10},"Actions":{"Listed":"Not Listed"}}`,
		`{"ResultCode":"0811","resultcode":"0810","Re\u017fultCode":"0810","Antifraud":{"ResultCode":"0810"}}`,
		`{"ResultCode":"0811","ResultCode":"0810","status":"clear","status":"x"}`,
		`{"status":" Clear ","product":"enhanced_kyc","reason":null,"job_id":"j","partner_params":{"user_id":"u"}}`,
		`{"status":"clear","product":null,"reason":"x","job_type":5}`,
		`{"status":"approved","job_type":"smart_selfie_enrollment","code":"0840"}`,
		`{"status":"approved","code":1220,"Actions":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := result.Parse(body)
		isObject := jsonobject.Scan(body, func(jsonobject.Member) {}) == nil
		require.Equal(t, isObject, err == nil, "%v", err)
		if r.Outcome == approved {
			require.True(t, mayApprove(t, body), "%q", body)
		}
		again, _ := result.Parse(body)
		require.Equal(t, r, again, "the order of a map must not decide")
		if r.Version == 0 {
			require.Equal(t, unknown, r.Outcome)
		}
	})
}

// listing has the values of each name of an object, by another reader of JSON than
// the package's.
func listing(t *testing.T, doc []byte) map[string][]string {
	values := map[string][]string{}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	if start, _ := decoder.Token(); start != json.Delim('{') {
		return values
	}
	for decoder.More() {
		name, err := decoder.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, decoder.Decode(&value))
		values[name.(string)] = append(values[name.(string)], string(value))
	}
	return values
}

// plain returns the text or the number of a value that is given once; else "?".
func plain(values []string) string {
	if len(values) != 1 {
		return "?"
	}
	var text string
	if json.Unmarshal([]byte(values[0]), &text) == nil && values[0] != "null" {
		return text
	}
	return values[0]
}

func absentOr(values []string, good ...string) bool {
	return len(values) == 0 || len(values) == 1 && slices.Contains(good, values[0])
}

// mayApprove says what an approval must have at least. It has its own list of
// approvals, and looks at one condition after the other.
func mayApprove(t *testing.T, body []byte) bool {
	top := listing(t, body)
	status, kind := strings.ToLower(strings.TrimSpace(plain(top["status"]))), plain(top["job_type"])
	code := codeOf(top["ResultCode"])
	if status == "approved" {
		code = codeOf(top["code"])
	}
	if !absentOr(top["IsFinalResult"], "true", `"true"`) || !mayStand(t, top["Actions"], code) {
		return false
	}
	switch status {
	case "clear":
		return len(top["ResultCode"]) == 0 && !strings.HasPrefix(kind, "smart_selfie_") && absentOr(top["reason"], "null") &&
			(absentOr(top["product"], "null") || slices.Contains(v3Products, plain(top["product"])))
	case "approved":
		return len(top["ResultCode"]) == 0 && absentOr(top["product"], "null") &&
			(len(top["job_type"]) == 0 || kind == "smart_selfie_authentication" || kind == "smart_selfie_enrollment") &&
			(len(top["code"]) == 0 || slices.Contains([]string{"0820", "0840", "1220", "1240"}, code))
	}
	if !absentOr(top["product"], "null") || len(top["PartnerParams"]) > 1 || len(top["status"]) > 1 {
		return false
	}
	var params map[string][]string
	if !absentOr(top["PartnerParams"], "null") {
		params = listing(t, []byte(top["PartnerParams"][0]))
	}
	for _, m := range meanings {
		for _, jobType := range m.jobTypes {
			given := strings.TrimLeft(plain(params["job_type"]), "0") == fmt.Sprint(jobType)
			if m.code == code && m.outcome == approved && (given || len(params["job_type"]) == 0 && code != "1012") {
				return true
			}
		}
	}
	return false
}

// codeOf returns four digits, or "?".
func codeOf(values []string) string {
	code := plain(values)
	if len(values) == 1 && values[0][0] != '"' {
		code = strings.Repeat("0", max(0, 4-len(code))) + code
	}
	if len(code) != 4 {
		return "?"
	}
	return code
}

// mayStand reports whether an approval by code may stand beside Actions.
func mayStand(t *testing.T, actions []string, code string) bool {
	if absentOr(actions, "null") {
		return true
	}
	if len(actions) > 1 || actions[0][0] != '{' {
		return false
	}
	for name, values := range listing(t, []byte(actions[0])) {
		isHuman := strings.HasPrefix(name, "Human_Review_")
		counts := isHuman || code[:1] != "1" && (name == "Liveness_Check" || name == "Document_Check" ||
			strings.HasPrefix(name, "Verify_") || strings.HasPrefix(name, "Selfie_To_"))
		isGood := slices.Contains([]string{"Passed", "Completed", "Approved", "Verified", "Exact Match", "Not Applicable", "Not Provided"}, plain(values))
		switch {
		case counts && !isGood,
			name == "Listed" && !strings.HasPrefix(code, "12") && plain(values) != "Not Listed",
			strings.HasPrefix(code, "10") && strings.HasPrefix(name, "Verify_") && !isGood,
			code == "1020" && plain(values) == "No Match":
			return false
		}
	}
	return true
}

// No change outside the members that decide turns anything into Approved.
func TestForeignMembersApproveNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 1))
	pick := func(from []string) string { return from[random.IntN(len(from))] }

	var bodies []string
	for _, m := range meanings {
		for _, jobType := range append(m.jobTypes, 3, 99) {
			for _, final := range []string{`"true"`, `"false"`, `null`} {
				bodies = append(bodies, fmt.Sprintf(`{"ResultCode":%q,"PartnerParams":{"job_type":%d%%s},"IsFinalResult":%s,"Actions":{"Liveness_Check":"Failed"%%s}%%s}`, m.code, jobType, final))
			}
		}
	}
	bodies = append(bodies,
		`{"ResultCode":"0830","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"block","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"attention","product":"document_verification","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"clear","product":"aml_monitoring_update","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"clear","reason":"medium_risk","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"rejected","code":"0841","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"status":"pending","job_type":"smart_selfie_enrollment","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
		`{"SmileJobID":"1","PartnerParams":{%[1]s},"Actions":{%[2]s}%[3]s}`,
	)
	names := []string{
		"ResultText", "ResultType", "message", "SmileJobID", "ConfidenceValue", "Antifraud", "FullData", "history", "result", "job_success",
		"resultcode", "RESULTCODE", "Re\u017fultCode", "Result_Code", "Status", "\u017ftatus", "STATUS", "Product", "Reason",
		"isfinalresult", "I\u017fFinalResult", "actions", "partnerparams", "Partner_Params", "jobtype", "Job_Type", "job_type ", "", "\u0000",
	}
	values := []string{
		`"0810"`, `"1012"`, `"1210"`, `"clear"`, `"approved"`, `"true"`, `true`, `1`, `810`, `"Passed"`, `"Approved"`, `"Verified"`, `null`,
		`{"ResultCode":"0810","status":"clear"}`, `[{"ResultCode":"0810"}]`, `{"job_type":5}`, `"Enroll User"`, `"Valid ID"`, `"smart_selfie_enrollment"`,
	}
	foreign := func() string { // members, each with a comma in front
		var members strings.Builder
		for range random.IntN(4) {
			name, _ := json.Marshal(pick(names))
			fmt.Fprintf(&members, ",%s:%s", name, pick(values))
		}
		return members.String()
	}
	for range 5_000 {
		body := pick(bodies)
		params, steps := foreign(), foreign()
		if strings.Contains(body, "%[1]s") { // nothing is in front there
			params, steps = strings.TrimPrefix(params, ","), strings.TrimPrefix(steps, ",")
		}
		plainBody, changed := fmt.Sprintf(body, "", "", ""), fmt.Sprintf(body, params, steps, foreign())
		before := parse(t, plainBody)
		if before.Outcome == approved { // by a person, beside a machine's "Failed"
			continue
		}
		require.NotEqual(t, approved, parse(t, changed).Outcome, changed)
		assert.Equal(t, before.Version, parse(t, changed).Version, changed)
	}
}

package result_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/result"
)

// A reading is a body and the outcome that it must get.
type reading struct {
	name, body string
	want       result.Outcome
}

func check(t *testing.T, readings []reading) {
	t.Helper()
	for _, r := range readings {
		t.Run(r.name, func(t *testing.T) { assert.Equal(t, r.want, parse(t, r.body).Outcome, r.body) })
	}
}

func TestOutcomeNames(t *testing.T) {
	for outcome, name := range map[result.Outcome]string{
		unknown: "unknown", approved: "approved", rejected: "rejected", review: "review", noVerdict: "no verdict",
		-1: "Outcome(invalid)", 5: "Outcome(invalid)",
	} {
		assert.Equal(t, name, outcome.String())
	}
}

func TestAnErrorOnlyForWhatIsNoObject(t *testing.T) {
	const secret = "Nkechi"
	for _, body := range []string{"", "[]", "null", `"text"`, "{", `{"a":1}{}`, `{"a":"` + secret + `"`, "\ufeff{}", "{\"a\":\"" + secret + "\xff\"}", `{"a":` + strings.Repeat("[", 10_000)} {
		r, err := result.Parse([]byte(body))
		require.Error(t, err, "%.40q", body)
		assert.Equal(t, result.Result{}, r)
		assert.Contains(t, err.Error(), "result: ")
		assert.NotContains(t, err.Error(), secret)
	}
	for _, body := range []string{"{}", ` {"a":[{"ResultCode":"0810"}]} `, `{"success":true}`, `{"ResultCode":{}}`, `{"PartnerParams":[]}`} {
		assert.Equal(t, unknown, parse(t, body).Outcome)
	}
}

func TestAllFieldsOfV1(t *testing.T) {
	assert.Equal(t, result.Result{
		Outcome: approved, Version: 1, Code: "1210", Text: "Enroll \"User\"", JobType: 1,
		SmileJobID: "0000056574", UserID: "user-1", JobID: "job-1",
		Actions: map[string]string{"Verify_ID_Number": "Verified", "Return_Personal_Info": "Returned"},
	}, parse(t, `{"ResultCode":"1210","ResultText":"Enroll \"User\"","SmileJobID":"0000056574",
		"PartnerParams":{"user_id":"user-1","job_id":"job-1","job_type":"1","smile_job_id":"other"},
		"Actions":{"Verify_ID_Number":"Verified","Return_Personal_Info":"Returned","Human":1,"Twice":"a","Twice":"b"},
		"job_id":"foreign","user_id":"foreign","message":"foreign","reason":"foreign","code":"0811"}`))
}

func TestAllFieldsOfV3(t *testing.T) {
	assert.Equal(t, result.Result{
		Outcome: review, Version: 3, Code: "attention", Text: "Verification successful", Reason: "document_expired",
		Product: "document_verification", SmileJobID: "job_1", UserID: "user_1", Actions: map[string]string{},
	}, parse(t, `{"status":" Attention ","message":"Verification successful","reason":"document_expired",
		"product":"document_verification","partner_params":{"job_id":"job_1","user_id":"user_1","x":"y"},
		"SmileJobID":"foreign","ResultText":"foreign","PartnerParams":{"job_id":"foreign","job_type":1}}`))
}

func TestAllFieldsOfSmartSelfieV2(t *testing.T) {
	assert.Equal(t, result.Result{
		Outcome: approved, Version: 1, Code: "0820", Text: "Authenticated", JobType: 2,
		SmileJobID: "0000000001", UserID: "user-1", Actions: map[string]string{},
	}, parse(t, `{"code":"0820","status":"approved","message":"Authenticated","job_id":"0000000001",
		"job_type":"smart_selfie_authentication","user_id":"user-1","partner_id":"085","partner_params":{},
		"created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-01-02T03:04:05.678Z"}`))
}

func TestV3IDsAreAtTheTopOrInPartnerParams(t *testing.T) {
	both := parse(t, `{"status":"clear","job_id":"job_1","partner_params":{"job_id":"job_2","user_id":"user_2"}}`)
	assert.Equal(t, "job_1", both.SmileJobID)
	assert.Equal(t, "user_2", both.UserID)
	assert.Empty(t, both.JobID)
	none := parse(t, `{"status":"clear","job_id":null,"partner_params":null}`)
	assert.Empty(t, none.SmileJobID+none.UserID)
	null := parse(t, `{"status":"clear","job_id":null,"partner_params":{"job_id":"job_2"}}`)
	assert.Equal(t, "job_2", null.SmileJobID)
	for _, top := range []string{`"job_id":"job_1","job_id":"job_1"`, `"job_id":null,"job_id":null`, `"job_id":""`, `"job_id":{}`, `"job_id":true`} {
		unreadable := parse(t, `{"status":"clear",`+top+`,"partner_params":{"job_id":"job_2"}}`)
		assert.Empty(t, unreadable.SmileJobID, "%s: it is not absent", top)
	}
}

// The ids of a body that is no result help the person who looks into it.
func TestIDsOfABodyWithoutVersion(t *testing.T) {
	assert.Equal(t, result.Result{SmileJobID: "01", UserID: "u", JobID: "7", Actions: map[string]string{}},
		parse(t, `{"SmileJobID":"01","PartnerParams":{"user_id":"u","job_id":7,"job_type":1},"ResultText":"Valid"}`))
	assert.Equal(t, result.Result{SmileJobID: "job_1", UserID: "user_1", Actions: map[string]string{}},
		parse(t, `{"status":"expired","job_id":"job_1","user_id":"user_1"}`))
}

func TestFormOfACode(t *testing.T) {
	job := func(code string) string { return `{"ResultCode":` + code + `,"PartnerParams":{"job_type":1}}` }
	check(t, []reading{
		{"text", job(`"0810"`), approved},
		{"escaped text", job(`"\u00308\u0031\u0030"`), approved},
		{"integer", job(`810`), approved},
		{"integer of four digits", job(`1210`), approved},
		{"three digits as text", job(`"810"`), unknown},
		{"five digits", job(`"00810"`), unknown},
		{"five digits as integer", job(`10810`), unknown},
		{"white space", job(`" 0810"`), unknown},
		{"line break", job(`"0810\n"`), unknown},
		{"sign", job(`-810`), unknown},
		{"fraction", job(`810.0`), unknown},
		{"exponent", job(`81e1`), unknown},
		{"other digits", job(`"٠٨١٠"`), unknown},
		{"null", job(`null`), unknown},
		{"empty", job(`""`), unknown},
		{"boolean", job(`true`), unknown},
		{"array", job(`["0810"]`), unknown},
		{"object", job(`{"ResultCode":"0810"}`), unknown},
	})
	assert.Equal(t, "0810", parse(t, job("810")).Code)
	assert.Equal(t, "0000", parse(t, job("0")).Code)
	assert.Empty(t, parse(t, job(`"810"`)).Code)
}

func TestFormOfAJobType(t *testing.T) {
	job := func(jobType string) string {
		return `{"ResultCode":"0810","PartnerParams":{"job_type":` + jobType + `}}`
	}
	check(t, []reading{
		{"number", job(`1`), approved},
		{"text", job(`"1"`), approved},
		{"two digits", job(`"11"`), approved},
		{"leading zero", job(`"01"`), approved},
		{"another product", job(`2`), unknown},
		{"no such product", job(`99`), unknown},
		{"zero", job(`0`), unknown},
		{"zero as text", job(`"00"`), unknown},
		{"three digits", job(`"001"`), unknown},
		{"sign", job(`"+1"`), unknown},
		{"fraction", job(`1.0`), unknown},
		{"white space", job(`"1 "`), unknown},
		{"null", job(`null`), unknown},
		{"empty", job(`""`), unknown},
		{"name", job(`"biometric_kyc"`), unknown},
		{"array", job(`[1]`), unknown},
	})
}

func TestTheJobTypeAloneNamesTheProduct(t *testing.T) {
	check(t, []reading{
		{"0812 with ResultType", `{"ResultCode":"0812","ResultType":"Document Verification"}`, unknown},
		{"0812 with Actions", `{"ResultCode":"0812","Actions":{"Verify_Document":"Failed","Document_Check":"Failed"}}`, unknown},
		{"1012 with ResultType", `{"ResultCode":"1012","ResultType":"Business Verification"}`, unknown},
		{"type at the top", `{"ResultCode":"1012","job_type":5}`, unknown},
		{"type elsewhere", `{"ResultCode":"1012","partner_params":{"job_type":5}}`, unknown},
		{"without a type, one meaning", `{"ResultCode":"0820"}`, approved},
		{"without a type, rejected twice", `{"ResultCode":"1023"}`, rejected},
		{"without a type, expired", `{"ResultCode":"0817"}`, review},
		{"PartnerParams null", `{"ResultCode":"0820","PartnerParams":null}`, approved},
		{"PartnerParams text", `{"ResultCode":"0820","PartnerParams":"{}"}`, unknown},
		{"PartnerParams array", `{"ResultCode":"0820","PartnerParams":[{"job_type":2}]}`, unknown},
		{"PartnerParams in small letters", `{"ResultCode":"1012","partnerparams":{"job_type":5}}`, unknown},
	})
}

func TestTheIDHalfOfABiometricJob(t *testing.T) {
	const body = `{"ResultCode":"1012","ResultText":"ID Number Validated","ResultType":"ID Verification","IsFinalResult":"true","Actions":{"Verify_ID_Number":"Verified"},"PartnerParams":{"job_type":%s}}`
	assert.Equal(t, unknown, parse(t, fmt.Sprintf(body, `1`)).Outcome)
	assert.Equal(t, unknown, parse(t, fmt.Sprintf(body, `"1"`)).Outcome)
	assert.Equal(t, approved, parse(t, fmt.Sprintf(body, `5`)).Outcome)
}

func TestDoubledMembersAreUnknown(t *testing.T) {
	check(t, []reading{
		{"ResultCode", `{"ResultCode":"0811","ResultCode":"0810","PartnerParams":{"job_type":1}}`, unknown},
		{"the same ResultCode", `{"ResultCode":"0810","ResultCode":"0810","PartnerParams":{"job_type":1}}`, unknown},
		{"ResultCode, escaped", `{"ResultCode":"0810","\u0052esultCode":"0811","PartnerParams":{"job_type":1}}`, unknown},
		{"PartnerParams", `{"ResultCode":"0810","PartnerParams":{"job_type":1},"PartnerParams":{"job_type":1}}`, unknown},
		{"job_type", `{"ResultCode":"0812","PartnerParams":{"job_type":6,"job_type":1}}`, unknown},
		{"IsFinalResult", `{"ResultCode":"0810","IsFinalResult":"true","IsFinalResult":"true"}`, unknown},
		{"IsFinalResult beside a bad step", `{"ResultCode":"0810","IsFinalResult":true,"IsFinalResult":true,"Actions":{"Document_Check":"Failed"}}`, unknown},
		{"Actions", `{"ResultCode":"0810","Actions":{},"Actions":{}}`, unknown},
		{"a step that decides", `{"ResultCode":"0810","Actions":{"Liveness_Check":"Passed","Liveness_Check":"Passed"}}`, unknown},
		{"a step that decides, and a bad one", `{"ResultCode":"0810","Actions":{"Document_Check":"Failed","Liveness_Check":"Passed","Liveness_Check":"Passed"}}`, unknown},
		{"a step that does not decide", `{"ResultCode":"0810","Actions":{"Register_Selfie":"Approved","Register_Selfie":"Approved"}}`, approved},
		{"a detail beside 1020", `{"ResultCode":"1020","Actions":{"Names":"Exact Match","Names":"Exact Match"}}`, unknown},
		{"status", `{"status":"block","status":"clear"}`, unknown},
		{"status beside ResultCode", `{"ResultCode":"0810","status":"ACTIVE","status":"clear"}`, unknown},
		{"product", `{"status":"clear","product":"enhanced_kyc","product":"enhanced_kyc"}`, unknown},
		{"product, null once", `{"status":"clear","product":null,"product":null}`, unknown},
		{"reason", `{"status":"clear","reason":null,"reason":null}`, unknown},
		{"job_type of SmartSelfie", `{"status":"approved","job_type":"smart_selfie_enrollment","job_type":"smart_selfie_enrollment"}`, unknown},
		{"job_type beside ResultCode", `{"ResultCode":"0810","job_type":1,"job_type":"smart_selfie_enrollment"}`, unknown},
		{"code of SmartSelfie", `{"status":"approved","code":"0840","code":"0840"}`, unknown},
		{"ids do not decide", `{"ResultCode":"0820","SmileJobID":"1","SmileJobID":"2"}`, approved},
	})
	assert.Empty(t, parse(t, `{"ResultCode":"0820","SmileJobID":"1","SmileJobID":"2"}`).SmileJobID)
}

// encoding/json takes each of these for the member.
func TestNamesAreExact(t *testing.T) {
	for _, name := range []string{"resultcode", "RESULTCODE", "Re\u017fultCode", "ReſultCode", `Re\u017fultCode`} {
		body := `{"ResultCode":"0811","PartnerParams":{"job_type":1},"` + name + `":"0810"}`
		assert.Equal(t, rejected, parse(t, body).Outcome, body)
		assert.Equal(t, unknown, parse(t, `{"`+name+`":"0810"}`).Outcome, name)
	}
	check(t, []reading{
		{"status", `{"Status":"clear","STATUS":"clear","ſtatus":"clear"}`, unknown},
		{"reason", `{"status":"clear","Reason":"document_expired"}`, approved},
		{"escaped names", `{"\u0052esultCode":"1012","Partner\u0050arams":{"job\u005ftype":5}}`, approved},
		{"a step in small letters", `{"ResultCode":"0810","Actions":{"liveness_check":"Failed"}}`, approved},
		{"an escaped step", `{"ResultCode":"0810","Actions":{"Livenes\u0073_Check":"Failed"}}`, review},
		{"job_type of another case", `{"ResultCode":"0812","PartnerParams":{"Job_Type":1}}`, unknown},
	})
}

func TestNestedMembersAreNotLookedAt(t *testing.T) {
	check(t, []reading{
		{"Antifraud", `{"Antifraud":{"smile_secure":{"ResultCode":"0820","ResultText":"ok"}}}`, unknown},
		{"Antifraud beside a rejection", `{"Antifraud":{"ResultCode":"0810"},"ResultCode":"0811","PartnerParams":{"job_type":1}}`, rejected},
		{"status in company_information", `{"ResultCode":"1012","company_information":{"status":"clear"},"PartnerParams":{"job_type":7}}`, approved},
		{"history", `{"history":[{"ResultCode":"0810"}]}`, unknown},
		{"result", `{"job_complete":true,"job_success":true,"result":{"ResultCode":"0820"}}`, unknown},
		{"ResultCode in PartnerParams", `{"PartnerParams":{"ResultCode":"0820","status":"clear"}}`, unknown},
	})
}

func TestTwoShapesAreUnknown(t *testing.T) {
	for _, body := range []string{
		`{"ResultCode":"0820","status":"clear"}`,
		`{"ResultCode":"0820","status":" BLOCK\n"}`,
		`{"ResultCode":"0820","status":"approved"}`,
		`{"ResultCode":"0820","job_type":"smart_selfie_authentication"}`,
		`{"ResultCode":"0820","product":"enhanced_kyc"}`,
		`{"ResultCode":null,"status":"clear"}`,
		`{"status":"clear","job_type":"smart_selfie_authentication"}`,
		`{"status":"approved","product":"smart_selfie_authentication"}`,
	} {
		r := parse(t, body)
		assert.Equal(t, unknown, r.Outcome, body)
		assert.Zero(t, r.Version, body)
	}
	for _, status := range []string{`"ACTIVE"`, `"Bad Request"`, `200`, `null`, `{"status":"clear"}`} {
		r := parse(t, `{"ResultCode":"0820","status":`+status+`}`)
		assert.Equal(t, approved, r.Outcome, "a foreign status: %s", status)
		assert.Equal(t, 1, r.Version)
	}
}

func TestIsFinalResult(t *testing.T) {
	for _, final := range []struct {
		text        string
		outcome     result.Outcome
		provisional bool
	}{
		{`"IsFinalResult":"true",`, approved, false},
		{`"IsFinalResult":true,`, approved, false},
		{``, approved, false},
		{`"IsFinalResult":"false",`, review, true},
		{`"IsFinalResult":false,`, review, true},
		{`"IsFinalResult":null,`, review, false},
		{`"IsFinalResult":"yes",`, review, false},
		{`"IsFinalResult":"True",`, review, false},
		{`"IsFinalResult":"",`, review, false},
		{`"IsFinalResult":1,`, review, false},
		{`"IsFinalResult":{},`, review, false},
	} {
		r := parse(t, `{`+final.text+`"ResultCode":"0810","PartnerParams":{"job_type":1}}`)
		assert.Equal(t, final.outcome, r.Outcome, final.text)
		assert.Equal(t, final.provisional, r.Provisional, final.text)
	}
}

func TestIsFinalResultCountsInEveryVersion(t *testing.T) {
	for body, outcome := range map[string]result.Outcome{
		`"ResultCode":"0810"`: review, `"status":"approved"`: review, `"status":"clear"`: review,
		`"ResultCode":"0821"`: rejected, `"status":"rejected"`: rejected, `"status":"block"`: rejected,
		`"status":"expired"`: unknown,
	} {
		for _, final := range []string{`false`, `"false"`} {
			r := parse(t, `{`+body+`,"IsFinalResult":`+final+`}`)
			assert.Equal(t, outcome, r.Outcome, body)
			assert.True(t, r.Provisional, body)
		}
		assert.False(t, parse(t, `{`+body+`,"IsFinalResult":true}`).Provisional, body)
	}
}

func TestIsFinalResultPromotesNothing(t *testing.T) {
	r := parse(t, `{"IsFinalResult":"true","ResultCode":"0814","PartnerParams":{"job_type":1}}`)
	assert.Equal(t, review, r.Outcome)
	assert.True(t, r.Provisional)
	r = parse(t, `{"IsFinalResult":"false","ResultCode":"0811","PartnerParams":{"job_type":1}}`)
	assert.Equal(t, rejected, r.Outcome)
	assert.True(t, r.Provisional, "another result will come")
}

func TestStepsBesideAnApproval(t *testing.T) {
	steps := []string{
		"Liveness_Check", "Document_Check", "Selfie_To_ID_Authority_Compare", "Selfie_To_ID_Card_Compare",
		"Selfie_To_Registered_Selfie_Compare", "Verify_Document", "Verify_ID_Number", "Verify_Business",
		"Human_Review_Compare", "Human_Review_Document_Check", "Human_Review_Liveness_Check", "Human_Review_Selfie_Check",
	}
	good := []string{`"Passed"`, `"Completed"`, `"Approved"`, `"Verified"`, `"Exact Match"`, `"Not Applicable"`, `"Not Provided"`}
	bad := []string{
		`"Failed"`, `"Rejected"`, `"Not Verified"`, `"No Match"`, `"Returned"`, `"Provisionally Approved"`, `"Under Review"`,
		`"Sent to Human Review"`, `"Partial Match"`, `"Transposed"`, `"Unable To Determine"`, `"Not Done"`, `"Not Returned"`,
		`"Issuer Unavailable"`, `"ID Authority Photo Not Available"`, `"Listed"`, `"Not Listed"`, `"passed"`, `"Passed "`, `""`, `null`, `true`, `["Passed"]`,
	}
	body := func(code, step, value string) string {
		return `{"ResultCode":"` + code + `","PartnerParams":{"job_type":1},"Actions":{"Register_Selfie":"Approved","` + step + `":` + value + `}}`
	}
	for _, step := range steps {
		for _, value := range good {
			assert.Equal(t, approved, parse(t, body("0810", step, value)).Outcome, "%s %s", step, value)
			assert.Equal(t, approved, parse(t, body("1210", step, value)).Outcome, "%s %s", step, value)
		}
		for _, value := range bad {
			assert.Equal(t, review, parse(t, body("0810", step, value)).Outcome, "%s %s", step, value)
			human := approved
			if strings.HasPrefix(step, "Human_Review_") {
				human = review
			}
			assert.Equal(t, human, parse(t, body("1210", step, value)).Outcome, "a person's decision, %s %s", step, value)
			assert.Equal(t, rejected, parse(t, body("0811", step, value)).Outcome, "%s %s", step, value)
		}
	}
	for _, step := range []string{"Return_Personal_Info", "Selfie_Provided", "Update_Registered_Selfie_On_File", "New_Step"} {
		assert.Equal(t, approved, parse(t, body("0810", step, `"Failed"`)).Outcome, step)
	}
}

func TestStepsPromoteNothing(t *testing.T) {
	const actions = `"Actions":{"Register_Selfie":"Approved","Liveness_Check":"Passed","Verify_ID_Number":"Verified","Human_Review_Compare":"Passed"}`
	check(t, []reading{
		{"no code", `{` + actions + `,"SmileJobID":"1","ConfidenceValue":"99","ResultText":"Valid ID"}`, unknown},
		{"an unknown code", `{` + actions + `,"ResultCode":"0830"}`, unknown},
		{"a rejection", `{` + actions + `,"ResultCode":"0821"}`, rejected},
		{"a review", `{` + actions + `,"ResultCode":"0814"}`, review},
	})
}

func TestActionsThatCannotBeRead(t *testing.T) {
	check(t, []reading{
		{"null", `{"ResultCode":"0820","Actions":null}`, approved},
		{"empty", `{"ResultCode":"0820","Actions":{}}`, approved},
		{"array", `{"ResultCode":"0820","Actions":[]}`, unknown},
		{"text", `{"ResultCode":"0820","Actions":"Liveness_Check: Passed"}`, unknown},
		{"beside a doubt", `{"ResultCode":"0820","IsFinalResult":"false","Actions":[]}`, unknown},
		{"beside a rejection", `{"ResultCode":"0821","Actions":[]}`, rejected},
	})
}

func TestListed(t *testing.T) {
	body := func(value string) string {
		return `{"ResultCode":"1031","PartnerParams":{"job_type":10},"Actions":{"Listed":` + value + `}}`
	}
	check(t, []reading{
		{"not listed", body(`"Not Listed"`), approved},
		{"listed", body(`"Listed"`), review},
		{"a good value of other steps", body(`"Passed"`), review},
		{"not applicable", body(`"Not Applicable"`), review},
		{"null", body(`null`), review},
	})
}

func TestDetailsOfBasicKYC(t *testing.T) {
	body := func(code, value string) string {
		return `{"ResultCode":"` + code + `","PartnerParams":{"job_type":5},"Actions":{"Names":"Exact Match","DOB":` + value + `}}`
	}
	check(t, []reading{
		{"exact match", body("1020", `"Exact Match"`), approved},
		{"not provided", body("1020", `"Not Provided"`), approved},
		{"returned", body("1020", `"Returned"`), approved},
		{"no match", body("1020", `"No Match"`), review},
		{"no match in small letters", body("1020", `"no match"`), review},
		{"null", body("1020", `null`), review},
		{"beside 1012", body("1012", `"No Match"`), approved},
		{"partial match", body("1021", `"Exact Match"`), review},
	})
}

func TestV3ClearWithAReason(t *testing.T) {
	check(t, []reading{
		{"absent", `{"status":"clear"}`, approved},
		{"null", `{"status":"clear","reason":null}`, approved},
		{"text", `{"status":"clear","reason":"medium_risk"}`, review},
		{"empty", `{"status":"clear","reason":""}`, review},
		{"object", `{"status":"clear","reason":{}}`, review},
		{"beside block", `{"status":"block","reason":"service_unavailable"}`, rejected},
		{"beside error", `{"status":"error","reason":"high_risk"}`, noVerdict},
	})
}

func TestFormOfV3(t *testing.T) {
	check(t, []reading{
		{"white space and capitals", `{"status":" \tCLEAR\n"}`, approved},
		{"product null", `{"status":"clear","product":null}`, approved},
		{"product number", `{"status":"clear","product":5}`, unknown},
		{"product object", `{"status":"clear","product":{}}`, unknown},
		{"no status", `{"product":"enhanced_kyc"}`, unknown},
		{"status null", `{"status":null,"product":"enhanced_kyc"}`, unknown},
		{"status object", `{"status":{"status":"clear"},"product":"enhanced_kyc"}`, unknown},
		{"a result code as status", `{"status":"0810","product":"1"}`, unknown},
		{"two statuses in one", `{"status":"clear block"}`, unknown},
		{"message says so", `{"status":"cleared","message":"Verified","product":"enhanced_kyc"}`, unknown},
	})
}

func TestErrorBodiesAreUnknown(t *testing.T) {
	for _, body := range []string{
		`{"status":"Bad Request","message":"clear"}`,
		`{"status":"unauthorized","message":"m","job_id":null,"user_id":null}`,
		`{"status":"payload_too_large"}`,
		`{"error":"m","code":"2205"}`,
		`{"error":"m","code":2413,"success":false}`,
		`{"success":true}`,
	} {
		r := parse(t, body)
		assert.Equal(t, unknown, r.Outcome, body)
		assert.Zero(t, r.Version, body)
	}
}

func TestCodeOfSmartSelfieV2(t *testing.T) {
	body := func(kind, code string) string { return `{"status":"approved",` + kind + `"code":` + code + `}` }
	const auth, enrol = `"job_type":"smart_selfie_authentication",`, `"job_type":"smart_selfie_enrollment",`
	check(t, []reading{
		{"agrees", body(auth, `"0820"`), approved},
		{"agrees by a person", body(auth, `"1220"`), approved},
		{"agrees as a number", body(enrol, `840`), approved},
		{"of the other product", body(auth, `"0840"`), review},
		{"rejects", body(enrol, `"0841"`), review},
		{"provisional", body(enrol, `"0844"`), review},
		{"no such code", body(auth, `"0002"`), review},
		{"null", body(auth, `null`), review},
		{"empty", body(auth, `""`), review},
		{"no product, agrees", body("", `"1240"`), approved},
		{"no product, another product's", body("", `"0810"`), review},
		{"beside a rejection", `{"status":"rejected","code":"0820"}`, rejected},
		{"product that nobody has", `{"status":"approved","job_type":"smart_selfie_compare"}`, unknown},
		{"product as a number", `{"status":"approved","job_type":2}`, unknown},
		{"product null", `{"status":"approved","job_type":null}`, unknown},
		{"not final", `{"status":"approved","IsFinalResult":"false"}`, review},
	})
}

// Each of these was approved, or rejected, by a receiver that stands in public.
func TestWhatReceiversGotWrong(t *testing.T) {
	job := func(jobType int, members string) string {
		return fmt.Sprintf(`{"SmileJobID":"1","ConfidenceValue":"99","PartnerParams":{"job_type":%d},%s}`, jobType, members)
	}
	check(t, []reading{
		{"Unable to Validate contains valid", job(5, `"ResultCode":"1013","ResultText":"Unable to Validate ID"`), rejected},
		{"1220 is a pass", job(2, `"ResultCode":"1220","ResultText":"Authenticated"`), approved},
		{"No Match begins with 10", job(5, `"ResultCode":"1022","ResultText":"No Match"`), rejected},
		{"the authority was down", job(5, `"ResultCode":"1015"`), noVerdict},
		{"the issuer was down", job(1, `"ResultCode":"0908"`), noVerdict},
		{"the account lacks the product", job(5, `"ResultCode":"1016"`), noVerdict},
		{"unusable image", job(6, `"ResultCode":"0001"`), noVerdict},
		{"the selfie was only stored", job(1, `"ResultCode":"0811","Actions":{"Register_Selfie":"Approved"}`), rejected},
		{"0812 of a document", job(6, `"ResultCode":"0812"`), rejected},
		{"0812 of a face", job(1, `"ResultCode":"0812"`), review},
		{"an expired document", job(11, `"ResultCode":"0817"`), review},
		{"2302", job(1, `"ResultCode":"2302","code":"2302"`), unknown},
		{"leftovers", job(1, `"ResultText":"Enroll User"`), unknown},
	})
}

// The samples of callbacks, as the vectors have them.
func TestSamples(t *testing.T) {
	for name, want := range map[string]result.Result{
		"aml_check":             {Outcome: rejected, Version: 1, Code: "1030", JobType: 10},
		"business_verification": {Outcome: approved, Version: 1, Code: "1012", JobType: 7},
		"document_verification": {Outcome: approved, Version: 1, Code: "0810", JobType: 6},
		"id_info_result":        {Outcome: unknown, Version: 1, Code: "1012", JobType: 1},
		"job_result":            {Outcome: approved, Version: 1, Code: "1210", JobType: 1},
		"slash_escaped":         {Outcome: unknown, Version: 1, Code: "1012"},
		"v3_webhook":            {Outcome: approved, Version: 3, Code: "clear"},
	} {
		body, err := os.ReadFile(filepath.Join("..", "vectors", "callbacks", name+".json"))
		require.NoError(t, err)
		r := parse(t, string(body))
		assert.Equal(t, want, result.Result{Outcome: r.Outcome, Version: r.Version, Code: r.Code, JobType: r.JobType}, name)
	}
}

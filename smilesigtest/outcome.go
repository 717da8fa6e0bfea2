package smilesigtest

import (
	"encoding/json"
	"maps"
	"strings"
)

// An Outcome is how a job ends, or how it stands while a person reviews it.
type Outcome int

const (
	Approved    Outcome = iota
	Declined            // the person is not who they say, or is on a list
	Provisional         // approved for now; a person reviews it, and a final result follows
	Failed              // no result: an authority cannot be asked, or a photo cannot be used
)

// String returns the outcome in lower case, such as "approved".
func (o Outcome) String() string {
	if o < Approved || o > Failed {
		return "Outcome(invalid)"
	}
	return [...]string{"approved", "declined", "provisional", "failed"}[o]
}

// Always returns a function for [Server.Outcomes] that gives every job the same
// outcomes. Always() leaves every job undecided.
func Always(outcomes ...Outcome) func(Job) []Outcome {
	return func(Job) []Outcome { return outcomes }
}

// A result is what a v1 or v2 callback says of an outcome.
type result struct {
	code, text string
	actions    map[string]string // those that differ from the sample's
}

// The results of products by outcome. Codes 1xxx and 0001 come from the docs.
// Codes 081x come from third parties. 0821, 0822, 0841 and 0842 are made up after
// their pattern.
var (
	unusable    = result{"0001", "Selfie image unusable", nil}
	unavailable = result{"1015", "Error - Queried Database Unavailable", map[string]string{"Verify_ID_Number": "Issuer Unavailable"}}

	noFaceMatch   = map[string]string{"Register_Selfie": "Rejected", "Selfie_To_ID_Authority_Compare": "Failed"}
	noCardMatch   = map[string]string{"Register_Selfie": "Rejected", "Selfie_To_ID_Card_Compare": "Failed"}
	underReview   = map[string]string{"Register_Selfie": "Provisionally Approved", "Human_Review_Compare": "Under Review"}
	notVerified   = map[string]string{"Verify_ID_Number": "Not Verified"}
	badDocument   = map[string]string{"Verify_Document": "Failed", "Document_Check": "Failed"}
	documentAsked = map[string]string{"Verify_Document": "Under Review", "Human_Review_Document_Check": "Under Review"}
)

// results has the results of each product in the order of the constants.
var results = map[string][4]result{
	"biometric_kyc": {
		{"1210", "Enroll User", nil}, {"0811", "Failed Enroll - No Face Match", noFaceMatch},
		{"0812", "Provisional Enroll - Under Review", underReview}, unusable,
	},
	"smartselfie_authentication": {
		{"0820", "Authenticated", nil}, {"0821", "Failed Authentication - No Face Match", map[string]string{"Selfie_Check": "Failed"}},
		{"0822", "Provisional Authentication - Under Review", map[string]string{"Human_Review_Compare": "Under Review"}}, unusable,
	},
	"smartselfie_enrollment": {
		{"0840", "Enroll User", nil}, {"0841", "Failed Enroll - Spoof Detected", map[string]string{"Liveness_Check": "Failed", "Register_Selfie": "Rejected"}},
		{"0842", "Provisional Enroll - Under Review", underReview}, unusable,
	},
	"document_verification": {
		{"0810", "Document Verified", nil}, {"0811", "Failed - No Face Match", noCardMatch},
		{"0812", "Provisional - Under Review", underReview}, unusable,
	},
	"enhanced_document_verification": {
		{"0810", "Document Verified", nil}, {"0811", "Failed - Document Not Verified", badDocument},
		{"0812", "Provisional - Under Review", documentAsked}, unusable,
	},
	"basic_kyc": {
		{"1020", "Exact Match", nil}, {"1022", "No Match", map[string]string{"Names": "No Match", "DOB": "No Match"}},
		{"1021", "Partial Match", map[string]string{"Names": "Partial Match"}}, unavailable,
	},
	"enhanced_kyc": {
		{"1012", "Valid ID", nil}, {"1013", "Unable to Validate ID", notVerified},
		{"1021", "Partial Match", nil}, unavailable,
	},
	"business_verification": {
		{"1012", "Business Verified", nil}, {"1013", "Unable to Validate ID", map[string]string{"Verify_Business": "Not Verified"}},
		{"1021", "Partial Match", nil}, unavailable,
	},
	"aml_check": {
		{"1031", "Not found on list", map[string]string{"Listed": "Not Listed"}}, {"1030", "Found on list", nil},
		{"1030", "Found on list", nil}, unavailable,
	},
}

// aboutThePerson has the members that a result about no person lacks.
var aboutThePerson = []string{"FullName", "DOB", "Gender", "ImageLinks", "ConfidenceValue"}

// members turns a product's sample into the body of a v1 or v2 callback.
func (j Job) members(sample map[string]json.RawMessage, o Outcome) map[string]json.RawMessage {
	r := results[j.Product][o]
	if _, ok := sample["ResultType"]; !ok { // the Java SDK throws without it
		sample["ResultType"] = quoted(strings.ReplaceAll(j.Product, "_", " "))
	}
	sample["SmileJobID"] = quoted(j.ID)
	sample["PartnerParams"] = j.params()
	sample["ResultCode"], sample["ResultText"] = quoted(r.code), quoted(r.text)
	sample["IsFinalResult"] = quoted("true")
	if o == Provisional {
		sample["IsFinalResult"] = quoted("false")
	}
	if sample["Actions"] != nil || r.actions != nil {
		sample["Actions"] = withActions(sample["Actions"], r.actions)
	}
	if o == Declined || o == Failed {
		for _, name := range aboutThePerson {
			delete(sample, name)
		}
	}
	if j.Product == "aml_check" && (o == Approved || o == Failed) {
		sample["no_of_persons_found"], sample["people"] = json.RawMessage("0"), json.RawMessage("[]")
	}
	return sample
}

func withActions(sample json.RawMessage, changed map[string]string) json.RawMessage {
	actions := map[string]string{}
	json.Unmarshal(sample, &actions) // a sample of ours, or none
	maps.Copy(actions, changed)
	return encoded(actions)
}

// encoded returns the JSON of v. It is for values of texts and JSON, which always
// have one.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}

func quoted(text string) json.RawMessage { return encoded(text) }

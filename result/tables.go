package result

// This file has every fact about what Smile ID's results mean. Each row says how
// it is known:
//
//   - [docs]: the official documentation, which is known only in part
//   - [sdk]: the source or the test data of the official SDKs
//   - [spec]: Smile ID's published OpenAPI description of v3
//   - [3p n]: n independent third-party projects
//
// The first three are first-hand. None was observed at Smile ID's own servers.
// Where sources contradict each other, the row takes a reading that is no approval,
// and says why.

// A row says what codes mean for products. Both are separated by spaces. The
// products of v1 and v2 are their job types [sdk, docs]: 1 biometric KYC, 2
// SmartSelfie authentication, 4 SmartSelfie enrolment, 5 basic and enhanced KYC,
// 6 document verification, 7 business verification, 8 update of a photo, 9 compare
// user info, 10 AML, 11 enhanced document verification.
type row struct {
	codes, products string
	outcome         Outcome
	provisional     bool // another result of the same job follows
}

// resultCodes has the ResultCodes of v1 and v2.
var resultCodes = []row{
	// Biometric KYC and documents: faces.
	{"0810", "1 6 11", Approved, false},           // [sdk, 3p 5]
	{"0811", "1 6 11", Rejected, false},           // [3p 3]
	{"0812", "1", Review, true},                   // [docs, 3p 5] the image is provisional, and the ID half has failed or is missing
	{"0812 0816", "6 11", Rejected, false},        // [3p 3] 0812 cannot be read, not the meaning above; 0816 is unsupported, one project that ignores the job type says provisional
	{"0813 0911 0912 1211", "1", Rejected, false}, // [3p 2] spoof; no face; poor image; a person has compared
	{"0814", "1", Review, true},                   // [sdk, 3p 4]
	{"0815", "1", Review, true},                   // [3p 4]
	{"0817", "6 11", Review, false},               // [3p 3] approved, but the document has expired; one project says provisional
	{"0908", "1", NoVerdict, false},               // [3p 2] the issuer was down; one project rejects, but nobody was checked
	{"1210", "1", Approved, false},                // [sdk, 3p 6]
	{"1212", "1", Rejected, false},                // [3p 2] one project says provisional, but a person has seen a fraud
	{"1213", "1", Review, false},                  // [3p 4] the reviewer was unsure, and no other follows
	{"1214", "1", Rejected, false},                // [3p 1] another says provisional, but a person has judged

	// SmartSelfie authentication.
	{"0820", "2", Approved, false},                     // [3p 3]
	{"0821", "2", Rejected, false},                     // [3p 2] one project approves it, but the faces differ
	{"0822 0824 0825", "2", Review, true},              // [3p 3]
	{"0823 0921 0922 1221 1222", "2", Rejected, false}, // [3p 2] spoof; no face; poor image; the last two by a person
	{"1220", "2", Approved, false},                     // [sdk, 3p 3] one project reads a failed match, against the samples of the SDKs

	// SmartSelfie enrolment.
	{"0840", "4", Approved, false},                     // [sdk, spec, 3p 3]
	{"0841 0941 0942 1241 1242", "4", Rejected, false}, // [3p 2] faces differ; no face; poor image; the last two by a person
	{"0842", "4", Review, true},                        // [3p 1]
	{"0843", "4", Rejected, false},                     // [3p 1] spoof
	{"0844 0846", "4", Review, true},                   // [3p 2]
	{"1240", "4", Approved, false},                     // [3p 3]

	// Lookups at an authority. The job type does not tell basic from enhanced KYC.
	{"1012", "5", Approved, false},       // [docs, sdk]
	{"1012", "7", Approved, false},       // [sdk]
	{"1012", "1", Unknown, false},        // [sdk, 3p 1] the ID half only: the face has a result of its own
	{"1013", "1 5 7", Rejected, false},   // [docs, 3p 2] unable to validate
	{"1014", "1 5 11", NoVerdict, false}, // [docs, 3p 1] unsupported ID number; some projects reject, but nobody was checked
	{"1015", "1 5", NoVerdict, false},    // [docs] the database was down
	{"1016", "1 5", NoVerdict, false},    // [docs] the account lacks the product
	{"1020", "5", Approved, false},       // [docs]
	{"1021", "5", Review, false},         // [docs] approved there, but one detail that matches is enough for it
	{"1022 1023", "5", Rejected, false},  // [docs] no match, which one project approves; not found

	// AML lists.
	{"1015", "10", NoVerdict, false}, // [spec] the service was down
	{"1017", "10", Review, false},    // [spec] only adverse news
	{"1023", "10", Rejected, false},  // [spec] a potential match: not the meaning above
	{"1030", "10", Rejected, false},  // [sdk, spec] found on a list
	{"1031", "10", Approved, false},  // [spec] in summaries of examples only

	// Input that could not be used.
	{"0001", "1 2 4 5 6 7 8 9 10 11", NoVerdict, false}, // [docs, 3p 1] an older page rejects, a newer one has no category: a bad image is no verdict
	{"0903", "1 2 4 6 8 9 11", NoVerdict, false},        // [docs] rejected there, but a corrupt zip says nothing about the person
	{"0907", "1 2 4 5 6 7 8 9 10 11", Rejected, false},  // [docs] possible spoof, by the strict setting
}

// selfieStatuses has the statuses of SmartSelfie v2.
var selfieStatuses = []row{
	{"approved", "2 4", Approved, false}, // [sdk]
	{"pending", "2 4", Review, true},     // [sdk]
	{"rejected", "2 4", Rejected, false}, // [sdk]
}

// selfieJobs has the job types of SmartSelfie v2 [sdk].
var selfieJobs = map[string]int{"smart_selfie_authentication": 2, "smart_selfie_enrollment": 4}

// statuses has the statuses of v3.
var statuses = []row{
	{"clear", products, Approved, false},                        // [spec]
	{"block", products, Rejected, false},                        // [spec]
	{"attention", products, Review, false},                      // [spec] passed with a warning; some projects give it to a person
	{"error", products, NoVerdict, false},                       // [spec]
	{"processing accepted not_found", products, Unknown, false}, // [spec] no result yet, or none at all
}

// products has the products of v3. aml_monitoring_update is left out [spec]: it is
// unsolicited news about an older job.
const products = "one_time_aml residency_document_verification " + // [spec] in webhooks
	"aml basic_kyc enhanced_kyc biometric_kyc phone_number_verification address_verification " + // [spec] in tokens
	"document_verification enhanced_document_verification " + // [spec] in tokens
	"smart_selfie_authentication smart_selfie_registration smart_selfie_compare" // [spec] in tokens

// goodSteps has the values of Actions that let an approval stand [sdk, 3p]. The
// last two say that a step does not count.
var goodSteps = []string{"Passed", "Completed", "Approved", "Verified", "Exact Match", "Not Applicable", "Not Provided"}

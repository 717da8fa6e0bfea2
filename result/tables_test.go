package result_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/result"
)

const (
	unknown   = result.Unknown
	approved  = result.Approved
	rejected  = result.Rejected
	review    = result.Review
	noVerdict = result.NoVerdict
)

func parse(t testing.TB, body string) result.Result {
	t.Helper()
	r, err := result.Parse([]byte(body))
	require.NoError(t, err)
	return r
}

// A meaning is one line of the list of facts, which was gathered before the tables
// were written. Each code stands for itself, with the job types it was seen in.
type meaning struct {
	code        string
	jobTypes    []int
	outcome     result.Outcome
	provisional bool
}

var (
	allTypes   = []int{1, 2, 4, 5, 6, 7, 8, 9, 10, 11}
	imageTypes = []int{1, 2, 4, 6, 8, 9, 11}
)

var meanings = []meaning{
	{"0001", allTypes, noVerdict, false},
	{"0810", []int{1}, approved, false},
	{"0810", []int{6, 11}, approved, false},
	{"0811", []int{1}, rejected, false},
	{"0811", []int{6, 11}, rejected, false},
	{"0812", []int{1}, review, true},
	{"0812", []int{6, 11}, rejected, false},
	{"0813", []int{1}, rejected, false},
	{"0814", []int{1}, review, true},
	{"0815", []int{1}, review, true},
	{"0816", []int{6, 11}, rejected, false},
	{"0817", []int{6, 11}, review, false},
	{"0820", []int{2}, approved, false},
	{"0821", []int{2}, rejected, false},
	{"0822", []int{2}, review, true},
	{"0823", []int{2}, rejected, false},
	{"0824", []int{2}, review, true},
	{"0825", []int{2}, review, true},
	{"0840", []int{4}, approved, false},
	{"0841", []int{4}, rejected, false},
	{"0842", []int{4}, review, true},
	{"0843", []int{4}, rejected, false},
	{"0844", []int{4}, review, true},
	{"0846", []int{4}, review, true},
	{"0903", imageTypes, noVerdict, false},
	{"0907", allTypes, rejected, false},
	{"0908", []int{1}, noVerdict, false},
	{"0911", []int{1}, rejected, false},
	{"0912", []int{1}, rejected, false},
	{"0921", []int{2}, rejected, false},
	{"0922", []int{2}, rejected, false},
	{"0941", []int{4}, rejected, false},
	{"0942", []int{4}, rejected, false},
	{"1012", []int{5}, approved, false},
	{"1012", []int{7}, approved, false},
	{"1012", []int{1}, unknown, false},
	{"1013", []int{1, 5, 7}, rejected, false},
	{"1014", []int{1, 5, 11}, noVerdict, false},
	{"1015", []int{1, 5, 10}, noVerdict, false},
	{"1016", []int{1, 5}, noVerdict, false},
	{"1017", []int{10}, review, false},
	{"1020", []int{5}, approved, false},
	{"1021", []int{5}, review, false},
	{"1022", []int{5}, rejected, false},
	{"1023", []int{5}, rejected, false},
	{"1023", []int{10}, rejected, false},
	{"1030", []int{10}, rejected, false},
	{"1031", []int{10}, approved, false},
	{"1210", []int{1}, approved, false},
	{"1211", []int{1}, rejected, false},
	{"1212", []int{1}, rejected, false},
	{"1213", []int{1}, review, false},
	{"1214", []int{1}, rejected, false},
	{"1220", []int{2}, approved, false},
	{"1221", []int{2}, rejected, false},
	{"1222", []int{2}, rejected, false},
	{"1240", []int{4}, approved, false},
	{"1241", []int{4}, rejected, false},
	{"1242", []int{4}, rejected, false},
}

// withoutType are the codes that mean nothing for certain without a job type.
var withoutType = []string{"0812", "1012"}

// expected is what the list says of a code in a job of a type; 0 is no type.
func expected(code string, jobType int) (result.Outcome, bool) {
	for _, m := range meanings {
		if m.code == code && (slices.Contains(m.jobTypes, jobType) || jobType == 0 && !slices.Contains(withoutType, code)) {
			return m.outcome, m.provisional
		}
	}
	return unknown, false
}

func TestEachCodeInEachJobType(t *testing.T) {
	for _, m := range meanings {
		for _, jobType := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 20, 99} {
			body := fmt.Sprintf(`{"ResultCode":%q,"PartnerParams":{"job_type":%d}}`, m.code, jobType)
			outcome, provisional := expected(m.code, jobType)
			if jobType == 0 { // a type that is there, but that nobody has
				outcome, provisional = unknown, false
			}
			r := parse(t, body)
			assert.Equal(t, outcome, r.Outcome, body)
			assert.Equal(t, provisional, r.Provisional, body)
			assert.Equal(t, jobType, r.JobType, body)
		}
	}
}

func TestEveryCodeWithoutJobType(t *testing.T) {
	for n := range 10_000 {
		code := fmt.Sprintf("%04d", n)
		r := parse(t, `{"ResultCode":"`+code+`"}`)
		outcome, provisional := expected(code, 0)
		if r.Outcome != outcome || r.Provisional != provisional || r.Code != code {
			t.Errorf("%s: %+v", code, r)
		}
	}
}

// Codes of requests, and codes that appear only where somebody has guessed.
func TestCodesThatAreNoResult(t *testing.T) {
	for _, code := range strings.Fields("2302 2314 2202 2203 2204 2205 2215 2413 2428 " +
		"0830 1230 1011 0826 0827 1215 1216 1217 1218 1223 1224 1225 1226 1227 1228 0000 0002 0845") {
		for jobType := 1; jobType < 12; jobType++ {
			body := fmt.Sprintf(`{"ResultCode":%q,"PartnerParams":{"job_type":"%d"},"IsFinalResult":"true"}`, code, jobType)
			assert.Equal(t, unknown, parse(t, body).Outcome, body)
		}
	}
}

var v3Products = strings.Fields("one_time_aml residency_document_verification aml basic_kyc biometric_kyc " +
	"address_verification document_verification enhanced_document_verification enhanced_kyc " +
	"phone_number_verification smart_selfie_authentication smart_selfie_registration smart_selfie_compare")

func TestEachStatusOfEachV3Product(t *testing.T) {
	for status, outcome := range map[string]result.Outcome{
		"clear": approved, "block": rejected, "attention": review, "error": noVerdict,
		"processing": unknown, "accepted": unknown, "not_found": unknown,
	} {
		r := parse(t, `{"status":"`+status+`"}`)
		assert.Equal(t, outcome, r.Outcome, status)
		assert.Equal(t, 3, r.Version, status)
		assert.False(t, r.Provisional, status)
		for _, product := range v3Products {
			r := parse(t, `{"status":"`+status+`","product":"`+product+`"}`)
			assert.Equal(t, outcome, r.Outcome, "%s %s", status, product)
			assert.Equal(t, product, r.Product)
			assert.Equal(t, status, r.Code)
		}
		for _, product := range []string{"aml_monitoring_update", "business_verification", "5", "", " ", "aml basic_kyc", "ONE_TIME_AML"} {
			r := parse(t, `{"status":"`+status+`","product":"`+product+`"}`)
			assert.Equal(t, unknown, r.Outcome, "%s %q", status, product)
		}
	}
}

func TestEachStatusOfSmartSelfieV2(t *testing.T) {
	for status, outcome := range map[string]result.Outcome{"approved": approved, "pending": review, "rejected": rejected, "done": unknown} {
		for kind, jobType := range map[string]int{"smart_selfie_authentication": 2, "smart_selfie_enrollment": 4} {
			r := parse(t, `{"status":"`+status+`","job_type":"`+kind+`","message":"m"}`)
			assert.Equal(t, jobType, r.JobType)
			assert.Equal(t, 1, r.Version)
			assert.Equal(t, "m", r.Text)
			assert.Equal(t, outcome, r.Outcome, "%s %s", status, kind)
			assert.Equal(t, status == "pending", r.Provisional)
		}
	}
}

// Each row must say how it is known, and the package's page must count right.
func TestEachRowHasAMark(t *testing.T) {
	source, err := os.ReadFile("tables.go")
	require.NoError(t, err)
	rows, firstHand := 0, 0
	for line := range strings.Lines(string(source)) {
		if !strings.HasPrefix(line, "\t{\"") {
			continue
		}
		rows++
		mark := regexp.MustCompile(`\}, +// \[(docs|sdk|spec|3p [0-9])(, (docs|sdk|spec|3p [0-9]))*\]`).FindString(line)
		require.NotEmpty(t, mark, line)
		if strings.Contains(mark, "docs") || strings.Contains(mark, "sdk") || strings.Contains(mark, "spec") {
			firstHand++
		}
	}
	page, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(page), "\n//", " ")), " ")
	assert.Contains(t, text, fmt.Sprintf("Of the %d rows of the tables in tables.go, %d are first-hand", rows, firstHand))
	assert.Contains(t, text, fmt.Sprintf("The other %d rest on third-party projects alone", rows-firstHand))
}

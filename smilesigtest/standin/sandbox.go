package standin

import (
	"encoding/json"
	"fmt"
	"regexp"

	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/internal/smileid"
)

// bySandboxResult decides as Smile ID's sandbox does.
func bySandboxResult(j smilesigtest.Job) []smilesigtest.Outcome {
	var params struct {
		SandboxResult any `json:"sandbox_result"` // text or number
	}
	json.Unmarshal(j.PartnerParams, &params) // what cannot be read asks for nothing
	asked := ""
	if params.SandboxResult != nil {
		asked = fmt.Sprint(params.SandboxResult)
	}
	outcomes, ok := outcomesFor(asked, j.Product)
	if !ok {
		outcomes = []smilesigtest.Outcome{smilesigtest.Approved}
	}
	if smileid.HasIDHalf(j.Product, j.Placement) && outcomes[0] != smilesigtest.Failed {
		outcomes = append([]smilesigtest.Outcome{smilesigtest.IDValidated}, outcomes...)
	}
	return outcomes
}

// outcomesFor returns the outcomes of a sandbox_result. 0, 1 and 2 are v1's [docs],
// and we assume that a final result follows a provisional one. "failed" is our own,
// because v1 has nothing for it. v3 has result codes [spec].
func outcomesFor(asked, product string) (outcomes []smilesigtest.Outcome, ok bool) {
	switch asked {
	case "", "0":
		return []smilesigtest.Outcome{smilesigtest.Approved}, true
	case "1":
		return []smilesigtest.Outcome{smilesigtest.Declined}, true
	case "2":
		return []smilesigtest.Outcome{smilesigtest.Provisional, smilesigtest.Approved}, true
	case "failed":
		return []smilesigtest.Outcome{smilesigtest.Failed}, true
	}
	o, ok := byCode[codeOutcome(asked, product)]
	return []smilesigtest.Outcome{o}, ok
}

var byCode = map[result.Outcome]smilesigtest.Outcome{
	result.Approved: smilesigtest.Approved, result.Rejected: smilesigtest.Declined,
	result.Review: smilesigtest.Provisional, result.NoVerdict: smilesigtest.Failed,
}

var resultCode = regexp.MustCompile(`^\d{1,4}$`)

// codeOutcome returns what a code means for the product, or for every product that
// has it: Smile ID's own example for biometric KYC is a code of authentication.
func codeOutcome(code, product string) result.Outcome {
	if !resultCode.MatchString(code) {
		return result.Unknown
	}
	ofProduct, _ := result.Parse(fmt.Appendf(nil, `{"ResultCode":"%04s","PartnerParams":{"job_type":%d}}`, code, smileid.JobType(product)))
	if ofProduct.Outcome != result.Unknown {
		return ofProduct.Outcome
	}
	ofAny, _ := result.Parse(fmt.Appendf(nil, `{"ResultCode":"%04s"}`, code))
	return ofAny.Outcome
}

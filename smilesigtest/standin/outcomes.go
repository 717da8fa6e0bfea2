package standin

import (
	"encoding/json"

	"example.com/smilesig/smilesigtest"
)

// bySandboxResult decides as Smile ID's sandbox does [docs]. We assume that a
// final result follows a provisional one.
func bySandboxResult(j smilesigtest.Job) []smilesigtest.Outcome {
	var params struct {
		SandboxResult any `json:"sandbox_result"` // text; a number is taken, too
	}
	json.Unmarshal(j.PartnerParams, &params) // what cannot be read asks for nothing
	switch params.SandboxResult {
	case "1", 1.0:
		return []smilesigtest.Outcome{smilesigtest.Declined}
	case "2", 2.0:
		return []smilesigtest.Outcome{smilesigtest.Provisional, smilesigtest.Approved}
	}
	return []smilesigtest.Outcome{smilesigtest.Approved}
}

package smilesigtest

import (
	"encoding/json"
	"strings"
	"time"

	"example.com/smilesig"
)

// v3Statuses, v3Messages and v3Reasons are by outcome. v3 does not say for any
// product that a final result follows attention.
var (
	v3Statuses = [...]string{"clear", "block", "attention", "error"}
	v3Messages = [...]string{"Job completed", "Verification failed.", "Job needs attention", "The service is unavailable."}
	v3Reasons  = [...]string{"", "name_mismatch", "information_outdated", "service_unavailable"}
	amlReasons = [...]string{"", "aml_match_found", "adverse_media_match", "service_unavailable"}
)

func v3Time(t time.Time) json.RawMessage {
	if t.IsZero() {
		t = time.Now()
	}
	return quoted(t.UTC().Format(smilesig.TimestampLayout))
}

// webhook returns the body of a v3 webhook. Where the body has IDs depends on the
// product.
func (j Job) webhook(o Outcome) map[string]json.RawMessage {
	body := map[string]json.RawMessage{}
	if sample, ok := Sample(j.Product, smilesig.InHeader); ok {
		json.Unmarshal(sample, &body) // a sample of ours
	}
	body["product"] = quoted(j.Product)
	body["status"], body["message"] = quoted(v3Statuses[o]), quoted(v3Messages[o])
	body["created_at"], body["completed_at"] = v3Time(j.Created), v3Time(j.Completed)
	reasons := v3Reasons
	if strings.Contains(j.Product, "aml") {
		reasons = amlReasons
	}
	body["reason"] = encoded(nil)
	if reasons[o] != "" {
		body["reason"] = quoted(reasons[o])
	}
	params := map[string]json.RawMessage{}
	json.Unmarshal(j.PartnerParams, &params)
	switch j.Product {
	case "one_time_aml": // has them in headers only
	case "enhanced_kyc":
		body["job_id"], body["user_id"] = quoted(j.ID), quoted(j.UserID)
	default:
		params["job_id"], params["user_id"] = quoted(j.ID), quoted(j.UserID)
	}
	body["partner_params"] = encoded(params)
	if len(params) == 0 {
		body["partner_params"] = encoded(nil)
	}
	return body
}

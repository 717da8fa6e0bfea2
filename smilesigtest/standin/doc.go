// Package standin has a local stand-in for Smile ID's servers, for tests of code
// that talks with Smile ID. Nothing leaves the machine, except a callback that
// goes to one of [Server.CallbackHosts].
//
// A test of a client:
//
//	smileID := standin.New(t, credential)
//	client.Transport = &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}
//	// requests to smileID.URL are answered as Smile ID would, and recorded
//
// # Every callback that a service has to deal with
//
// Each takes one line of Go, once a client has started a job with a callback_url:
//
//	smileID.Outcomes = smilesigtest.Always(smilesigtest.Approved) // before the job
//	smileID.Outcomes = smilesigtest.Always(smilesigtest.Declined)
//	smileID.Outcomes = smilesigtest.Always(smilesigtest.Provisional, smilesigtest.Approved)
//	smileID.Outcomes = smilesigtest.Always(smilesigtest.IDValidated, smilesigtest.Declined)
//	smileID.CallbackCredential = smilesig.Credential{PartnerID: "85", APIKey: key} // not 085
//
//	d := smileID.Deliveries()[0] // after smileID.Wait()
//	smileID.Deliver(ctx, d.URL, d.Callback)                // again
//	smileID.Deliver(ctx, d.URL, d.Callback.Stale())        // signed a day ago
//	smileID.Deliver(ctx, d.URL, d.Callback.WithBody(body)) // its pair with another body
//
// # How faithful it is
//
// What is signed where, and how, comes from the source of Smile ID's SDKs and from
// its docs. Error codes, the text of 2205 and the sandbox_result of v1 come from the
// docs. The answers of job_status, /v1/upload, /v1/smile_links and business
// verification come from the SDKs' own test data. v3's answers, what it refuses,
// and the webhooks of AML and residency documents come from its published OpenAPI
// description, and a test holds every answer against it. The shape of an error of
// v1 and the retries of v3 webhooks come from third parties. Nothing was compared
// with Smile ID's own servers.
//
// # What is a guess
//
//   - Which of the codes 2204, 2205 and 2405 an endpoint of v1 and v2 answers with,
//     and that a stale request is accepted.
//   - The answers of /v1/products_config, valid_documents, totp_consent and
//     backfill_users, of wallet_balance and id_status, and of the phone, address and
//     compare endpoints of v2: they say "success", and start no job.
//   - GET of one of v1's Smile Links, and the form of the callback of
//     /v2/smart-selfie-enroll, which is that of v1.
//   - That SmartSelfie v2 says "rejected" of a job that has failed. Package result
//     reads it as Rejected: no status that means no verdict is known there.
//   - job_status of a job that is unknown or undecided: code 2302 and an empty result.
//   - The webhooks of v3's other products, beyond the members that all have, and
//     their reasons. The name of the product of AML monitoring, "aml".
//   - That partner_params has job_id and user_id for products other than documents.
//   - How a provisional result of enhanced KYC and business verification looks: the
//     code of an approval, and IsFinalResult "false".
//   - That a final result follows the sandbox_result "2", what an unknown code in
//     v1's sandbox_result does, and what a token of another product may do.
//   - That a replay is signed afresh, and how long Smile ID waits between attempts.
//   - That a v3 request without some field is accepted: Smile ID refuses many of these.
package standin

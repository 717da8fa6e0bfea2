// Package smilesigtest is for tests of handlers that receive Smile ID's
// callbacks. It has signed callbacks, genuine and altered. For tests of clients,
// package [example.com/smilesig/smilesigtest/standin] stands in for Smile ID's
// servers. Nothing leaves the machine, except a callback that a test sends to a
// URL of its own.
//
// A test of a callback handler:
//
//	cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`))
//	response := httptest.NewRecorder()
//	handler.ServeHTTP(response, cb.Request("/callbacks"))
//	// response.Code is 200, and 401 with cb.Stale() or cb.Forged()
//
// A callback with the result of a job:
//
//	j := smilesigtest.Job{Product: "biometric_kyc", UserID: "user-1", JobID: "job-1"}
//	cb := j.Callback(credential, smilesigtest.Declined)
//
// # How faithful it is
//
// What is signed where, and how, comes from the source of Smile ID's SDKs and
// from its docs. samples/README.md says how sure each body is. Package result says
// how sure each code is.
//
// All other details are approximations. For instance, a declined job differs from
// an approved one only in the codes and a few Actions. Nothing was compared with
// Smile ID's own servers.
package smilesigtest

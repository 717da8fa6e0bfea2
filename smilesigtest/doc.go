// Package smilesigtest is for tests of code that talks with Smile ID. It has
// signed callbacks, genuine and spoiled, a local stand-in for Smile ID's servers,
// and a clock to set by hand. Nothing leaves the machine but what a test sends to
// a URL of its own.
//
// A test of a callback handler:
//
//	cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`))
//	response := httptest.NewRecorder()
//	handler.ServeHTTP(response, cb.Request("/callbacks"))
//	// response.Code is 200, and 401 with cb.Stale() or cb.Forged()
//
// A test of a client:
//
//	smileID := smilesigtest.NewServer(t, credential)
//	client.Transport = &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}
//	// requests to smileID.URL are answered as Smile ID would, and recorded
//
// # How faithful it is
//
// What is signed where, and how, is from the source of Smile ID's SDKs and from
// its docs. Error codes and the text of 2205 are from the docs, the shape of an
// error from third parties. Which code an endpoint answers with, and all other
// details of answers, are approximations. v3 webhooks, with their headers, retries
// and time limit, are known from third parties only. Nothing was compared with
// Smile ID's own servers.
//
// It does not check how old a request's timestamp is, because Smile ID does not
// publish what it accepts.
package smilesigtest

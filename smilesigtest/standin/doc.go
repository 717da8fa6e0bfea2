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
//
//	d := smileID.Deliveries()[0] // after smileID.Wait()
//	smileID.Deliver(ctx, d.URL, d.Callback)                // again
//	smileID.Deliver(ctx, d.URL, d.Callback.Stale())        // signed a day ago
//	smileID.Deliver(ctx, d.URL, d.Callback.WithBody(body)) // its pair with another body
//
// # How faithful it is
//
// What is signed where, and how, comes from the source of Smile ID's SDKs and
// from its docs. Error codes, the text of 2205 and sandbox_result come from the
// docs. v3's answers come from its published OpenAPI description. The shape of an
// error and the retries of v3 webhooks come from third parties.
//
// All other details are approximations, also which code an endpoint answers with.
// Nothing was compared with Smile ID's own servers.
package standin

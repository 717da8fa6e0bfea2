// Package readback asks Smile ID for the result of a job, so that a decision rests
// on no callback.
//
//	reader := &readback.Reader{Signer: signer, Origin: "https://api.smileidentity.com"}
//	res, err := reader.JobStatus(ctx, userID, jobID) // v1 and v2
//	res, err := reader.Status(ctx, smileJobID)       // v3
//
// # What an answer proves
//
// The body of a callback is not signed: whoever has seen a pair can put any result
// under it. An answer to a Reader is another matter. Smile ID said so, over TLS, in
// answer to our question, and the answer names the job that was asked for. A Reader
// follows no redirect.
//
// An answer of job_status is signed as well, and a Reader insists on that. The
// signature covers the body no more than that of a callback does. It catches an
// answer that a proxy or another server made up, not one that Smile ID's own host
// would send. An answer about v3 has no signature: there, TLS is the only proof.
//
// What v3 says of a job is its status, without a field of the result. What was
// found is in the webhook only, whose body nobody signs. If you decide by such
// fields, make a synchronous call (/v3/aml/sync, /v3/enhanced_kyc/sync) with
// smilesig's Transport and ConfirmResponses: you get the whole result in the answer
// to your own request, and no webhook comes.
//
// # What it costs
//
// A read-back costs one request, and in v3 one more for each token. Smile ID does
// not say how often you may ask. So ask when a callback has come, and at your
// deadline for jobs of which none has come.
//
// # For a worker
//
//   - A result is one with any [result.Outcome]. Review and NoVerdict are results,
//     too. While Provisional is set, another result will come: ask again later.
//   - [ErrPending]: ask again later.
//   - A [RefusedError] that is Temporary, an error of the network (a [net.Error],
//     [io.EOF], [io.ErrUnexpectedEOF]), or the end of the context: try again.
//   - Any other error: give the case to a person.
//
// Give each context a deadline, because a Reader has no time-out of its own.
package readback

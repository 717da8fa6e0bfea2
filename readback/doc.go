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
// under it. An answer to a Reader is another matter. Smile ID itself answers our
// question over TLS, and the answer names the job that was asked for. A Reader
// follows no redirect.
//
// An answer of job_status is signed as well, and a Reader insists on that. Its
// signature does not cover the body either. It catches an answer that a proxy or
// another server made up, not one that Smile ID's own host would send. An answer
// about v3 has no signature: there, TLS is the only proof.
//
// No answer proves that the job is of the kind that you wanted. Whoever has a pair of
// auth_smile or a token of v3 may start a genuine job of a weaker product. Compare
// JobType with the job type of your request. v3's status does not name the product:
// use only the job id of your own 202 answer.
//
// v3 tells the status of a job, and no field of the result. What was
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
//   - A nil error means a result, whatever its Outcome. Review and NoVerdict are
//     results, too. While Provisional is set, another result will come: ask again
//     later.
//   - [ErrPending]: ask again later. It can also mean that v1 does not know the job,
//     for example because the user ID is wrong. So give up after a time of your own.
//   - An error with a method Temporary that returns true: try again. Some RefusedErrors
//     have it. So has every error because no whole answer came or the context ended:
//     these are also a [net.Error].
//   - A RefusedError that is not Temporary (a wrong key), and smilesig.ErrConfig:
//     such an error usually hits all jobs. Only faulty IDs hit one job. Raise an
//     alarm and keep the jobs open, rather than giving each to a person.
//   - Any other error: give the case to a person.
//
// A callback can come any number of times. So ask once at a time for each job, and
// skip jobs that are decided. Give each context a deadline, because a Reader has no
// time-out of its own.
package readback

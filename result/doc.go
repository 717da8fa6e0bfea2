// Package result reads what a verified body of Smile ID says, as an [Outcome].
//
//	r, err := result.Parse(body)
//	if err == nil && r.Outcome == result.Approved { ... }
//
// # What to do
//
//   - [Approved]: the check was passed. Read the result back, then decide.
//   - [Rejected]: the check was failed. Read it back, then decide. A new attempt is
//     a new job.
//   - [Review] (Provisional): Smile ID is still checking. Wait for the next result,
//     and read the job back at your deadline.
//   - [Review] (final): Smile ID announces no other result. Give the case to a person,
//     or decide by Code as your own policy says. Smile ID leaves that to you. If a
//     result comes all the same, it may decide the case.
//   - [NoVerdict]: nobody was checked. Do not reject the person for it. Try again
//     later, or with new pictures or corrected data, or repair your account.
//   - [Unknown], Code 1012 and JobType 1 (biometric KYC): the result of the face
//     comes on its own. Wait for it, and read the job back at your deadline.
//   - [Unknown], any other: do not decide. Keep the body and give the case to a
//     person.
//
// A Rejected or an Unknown can be Provisional, too: then wait. Decide once for each
// job, and acknowledge every callback that comes later.
//
// # A reading, not a proof
//
// A Result is what a body says. Whether it is true is another question, because the
// signature of a callback covers no body. Package readback asks Smile ID.
//
// Smile ID publishes only a part of its codes. Of the 50 rows of the tables in
// tables.go, 32 are first-hand: from the official docs, the official SDKs, or the
// published description of v3. The other 18 rest on third-party projects alone.
// None was observed at Smile ID's own servers.
//
// # What is approved
//
// Only a row of a table makes Approved. Then each member that is consulted beside
// it must be absent, or occur once with a good value. So {"ResultCode":"0810"} alone is
// Approved.
//
//   - In every version, IsFinalResult must be absent or true. If it is false, the
//     Result is Provisional.
//   - In v1 and v2 the row is that of ResultCode and PartnerParams.job_type. The
//     steps in Actions that decide must be good: Liveness_Check, Document_Check,
//     Listed, and those that begin with Selfie_To_, Verify_ or Human_Review_. Beside
//     a code of a person's decision, 12xx, only Human_Review_ counts. Beside 1020, no
//     detail may be "No Match".
//   - In SmartSelfie v2 the row is that of status and job_type. The code must agree.
//   - In v3 the row is that of status and product. There must be no reason.
//
// A member that is not good lowers Approved to [Review]. A doubled one lowers it to
// [Unknown]. Without a job_type or product, a code or status counts if all its rows
// agree. Without a job_type, 1012 is Unknown.
//
// Parse takes names exactly as Smile ID writes them, and notices doubled ones.
// encoding/json ignores the case of names and takes the last of several members. So
// do not decode the same members again with a struct: a forger could show Parse one
// verdict and your struct another.
package result

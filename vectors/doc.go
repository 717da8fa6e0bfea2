// Package vectors holds test vectors for Smile ID's signature, as data for any
// language, and the tests that run them. README.md describes the files. The example is
// a verifier as it is often written by hand, wrong on purpose, and counts what it accepts.
package vectors

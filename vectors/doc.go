// Package vectors holds test vectors for Smile ID's signature, as data for any
// language, and the tests that run them. README.md describes the files.
package vectors

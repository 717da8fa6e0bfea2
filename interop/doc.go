// Package interop has tests only. They run the official Node SDK of Smile ID,
// smile-identity-core 3.2.1, against smilesig and against the stand-in of
// smilesigtest, over TLS. They need Node and, once, in this directory:
//
//	npm ci --ignore-scripts
//
// Without that they are skipped, or fail if SMILESIG_REQUIRE_TOOLS is 1.
package interop

// Package interop has tests only. Their other side is not ours.
//
// Some run the official Node SDK of Smile ID, smile-identity-core 3.2.1, against
// smilesig and against the stand-in of smilesigtest, over TLS. They need Node and,
// once, in this directory:
//
//	npm ci --ignore-scripts
//
// Others run nginx in front of callback handlers. They need nginx, such as Debian's
// package.
//
// Tests whose program is missing are skipped, or fail if SMILESIG_REQUIRE_TOOLS is 1.
package interop

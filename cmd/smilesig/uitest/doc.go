// Package uitest has tests only. They press the buttons of the page of smilesig
// serve in a real Chromium. Without chromium on the PATH they are skipped, or fail
// if SMILESIG_REQUIRE_TOOLS is 1. On Debian:
//
//	apt-get install --no-install-recommends chromium
//
// The screenshot in the docs is made by:
//
//	go test -run Screenshot -screenshot ../../../docs/page.png
package uitest

// Package unread prepares a server for the answer to a request whose body nobody
// wants.
package unread

import (
	"io"
	"net/http"
	"time"
)

// patience is the longest that a sender may take for the rest of its body.
const patience = time.Second

// Discard prepares w for an answer that is written before the body of r was read to
// its end. Call it right before you write the answer, unless reading the body has
// failed. begun says whether any of the body was read. Discard may cancel the context
// of r, so call OnReject and log first.
//
// On HTTP/1, net/http may close a connection while the sender still writes, and the
// sender loses the answer. Or net/http waits for a body that never comes. Discard makes
// the answer close the connection, and throws away what the sender writes within one
// second, however much that is. A sender that takes longer may lose the answer.
//
// A sender that still waits for a "100 Continue" gets the answer at once. Where w does
// not let Discard set a deadline, it reads nothing. A request without a body, or on
// HTTP/2, needs none of this: Discard leaves it alone.
func Discard(w http.ResponseWriter, r *http.Request, begun bool) {
	if r.ProtoMajor != 1 || r.Body == nil || r.ContentLength == 0 {
		return // a deadline without a body to read would cancel the context
	}
	w.Header().Set("Connection", "close")
	deadline := time.Now()
	senderWaits := !begun && r.ProtoAtLeast(1, 1) && r.Header.Get("Expect") != ""
	if !senderWaits {
		deadline = deadline.Add(patience)
	}
	err := http.NewResponseController(w).SetReadDeadline(deadline)
	if err == nil && !senderWaits {
		io.Copy(io.Discard, r.Body)
	}
}

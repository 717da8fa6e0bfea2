package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A hostileRequest is a kind of request that must be refused.
type hostileRequest struct {
	kind   string
	status int  // to refuse it with
	unread bool // with much of it unread, so that a reset may overtake the answer
	write  func(conn *net.TCPConn)
}

func hostileRequests() []hostileRequest {
	small, large := sign(Members(4*kilobyte).JSON, apiKey), sign(Photos(largest).JSON, apiKey)
	head := func(kind, framing string) []byte {
		return fmt.Appendf(nil, "POST /callbacks HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n%s\r\n\r\n", caseHeader, kind, framing)
	}
	write := func(parts ...[]byte) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			for _, part := range parts {
				if _, err := conn.Write(part); err != nil {
					return // refused before it was sent whole
				}
			}
		}
	}
	forged := func(kind string, header http.Header, body []byte) []byte {
		header.Set(caseHeader, kind)
		return rawRequest(header, body)
	}
	chunk := append(fmt.Appendf(nil, "%x\r\n", len(large)), append(large, "\r\n"...)...)

	return []hostileRequest{
		{kind: "slow", status: http.StatusBadRequest, write: func(conn *net.TCPConn) {
			write(head("slow", fmt.Sprintf("Content-Length: %d", len(small))))(conn)
			for i := 0; i < len(small); i++ { // a byte at a time, until it is cut off
				if _, err := conn.Write(small[i : i+1]); err != nil {
					return
				}
				time.Sleep(loadReadTimeout / 20)
			}
		}},
		{kind: "oversize, declared", status: http.StatusRequestEntityTooLarge, unread: true,
			write: write(head("oversize, declared", "Content-Length: 1000000000"), large)},
		{kind: "oversize, chunked", status: http.StatusRequestEntityTooLarge, unread: true,
			write: write(head("oversize, chunked", "Transfer-Encoding: chunked"), chunk, chunk)},
		{kind: "forged v1", status: http.StatusUnauthorized,
			write: write(forged("forged v1", nothing(nil, ""), sign(Photos(100*kilobyte).JSON, "another-key")))},
		{kind: kindForgedHeader, status: http.StatusUnauthorized, unread: true,
			write: write(forged(kindForgedHeader, smileIDHeader(nil, "another-key"), large))},
		{kind: "truncated", status: http.StatusBadRequest, write: func(conn *net.TCPConn) {
			write(head("truncated", fmt.Sprintf("Content-Length: %d", len(small))), small[:len(small)/2])(conn)
			_ = conn.CloseWrite()
		}},
	}
}

// send reports whether the server refused the request with the right status.
// What it has not read when it answers may be reset, with the answer on its way:
// then the request was refused, too, but nobody can tell with what.
func (h hostileRequest) send(address string) (refused bool, err error) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return false, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		h.write(conn.(*net.TCPConn))
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	conn.Close()
	<-written
	return err == nil && res.StatusCode == h.status, nil
}

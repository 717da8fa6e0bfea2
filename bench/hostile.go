package bench

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"example.com/smilesig"
)

// hostileCallbacks are kinds that a Handler must refuse, over a connection for
// each, because they spoil it.
func hostileCallbacks(address string) []*Kind {
	small, large := sign(Members(4*kilobyte).JSON, apiKey), sign(Photos(largest).JSON, apiKey)
	head := func(header string) []byte {
		return fmt.Appendf(nil, "POST /callbacks HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", header)
	}
	declared := fmt.Sprintf("Content-Length: %d", len(small))
	forged := smileIDHeader(nil, "another-key")
	forged.Set(caseHeader, caseForgedHeader)
	chunk := append(fmt.Appendf(nil, "%x\r\n", len(large)), append(large, "\r\n"...)...)
	write := func(parts ...[]byte) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			for _, part := range parts {
				_, _ = conn.Write(part) // it may be refused before it was sent whole
			}
		}
	}
	kind := func(name string, status int, unread bool, write func(*net.TCPConn)) *Kind {
		return &Kind{Name: "callback, " + name, Unread: unread, refused: func() bool { return refused(address, status, write) }}
	}
	return []*Kind{
		kind(caseSlow, http.StatusBadRequest, false, func(conn *net.TCPConn) {
			_, err := conn.Write(head(caseHeader + ": " + caseSlow + "\r\n" + declared))
			for i := 0; i < len(small) && err == nil; i++ { // a byte at a time, until it is cut off
				_, err = conn.Write(small[i : i+1])
				time.Sleep(slowReadTimeout / 20)
			}
		}),
		kind("oversize, declared", http.StatusRequestEntityTooLarge, true, write(head("Content-Length: 1000000000"), large)),
		kind("oversize, chunked", http.StatusRequestEntityTooLarge, true, write(head("Transfer-Encoding: chunked"), chunk, chunk)),
		kind("forged pair in the body", http.StatusUnauthorized, false, write(rawRequest(http.Header{}, sign(Photos(100*kilobyte).JSON, "another-key")))),
		kind(caseForgedHeader, http.StatusUnauthorized, true, write(rawRequest(forged, large))),
		kind("truncated", http.StatusBadRequest, false, func(conn *net.TCPConn) {
			write(head(declared), small[:len(small)/2])(conn)
			_ = conn.CloseWrite()
		}),
	}
}

// refused reports whether the server refuses the callback with the right status.
// What it has not read when it answers may be reset, with the answer on its way:
// then the callback was refused, too, but nobody can tell with what.
func refused(address string, status int, write func(*net.TCPConn)) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		write(conn.(*net.TCPConn))
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	conn.Close()
	<-written
	return err == nil && res.StatusCode == status
}

// hostileRequests are kinds that a Transport must refuse without sending anything.
func hostileRequests(client *http.Client, origin string) []*Kind {
	body := Members(4 * kilobyte).JSON
	kind := func(name string, want error, origin string, body []byte) *Kind {
		return &Kind{Name: "request, " + name, refused: func() bool {
			return errors.Is(do(client, newRequest(origin, body)), want)
		}}
	}
	return []*Kind{
		kind("truncated", smilesig.ErrMalformed, origin, body[:len(body)/2]),
		kind("of another partner", smilesig.ErrPartner, origin, append([]byte(`{"partner_id":"999",`), body[1:]...)),
		kind("to another origin", smilesig.ErrOrigin, sandbox, body),
	}
}

package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Rate is what went over loopback sockets, with client and server in this
// process. CPU is what both used for one request, the kernel's part included.
type Rate struct {
	Name      string
	PerSecond float64
	CPU       time.Duration
}

const (
	connections  = 8
	mostRequests = 20_000 // in one slice, so that it does not run out of anything
)

// LoopbackInbound sends signed callbacks over kept-alive connections to each
// way to check them. The client writes bytes that it made beforehand.
func LoopbackInbound(effort Effort, b Body) ([]Rate, error) {
	signed := sign(b.JSON, apiKey)
	var senders []sender
	for _, in := range Inbounds() {
		if !isCompared(in.Name) {
			continue
		}
		server := httptest.NewServer(in.Wrap(http.HandlerFunc(readAndAnswer)))
		defer server.Close()
		request := rawRequest(in.Header(signed, apiKey), signed)
		senders = append(senders, sender{in.Name, func() (func() error, func(), error) {
			client, err := dial(server.Listener.Addr().String())
			if err != nil {
				return nil, nil, err
			}
			return func() error { return client.send(request) }, client.close, nil
		}})
	}
	return rates(effort, senders)
}

// LoopbackOutbound sends requests through each way to sign them, with
// http.Client and http.Transport, to a server that reads them.
func LoopbackOutbound(effort Effort, b Body) ([]Rate, error) {
	server := httptest.NewServer(http.HandlerFunc(readAndAnswer))
	defer server.Close()
	base := &http.Transport{MaxIdleConnsPerHost: connections}
	defer base.CloseIdleConnections()
	var senders []sender
	for _, out := range Outbounds(server.URL) {
		client := &http.Client{Transport: out.Wrap(base)}
		send := func() error {
			res, err := client.Do(newRequest(server.URL, b.JSON))
			if err != nil {
				return err
			}
			return readAnswer(res)
		}
		senders = append(senders, sender{out.Name, func() (func() error, func(), error) { return send, func() {}, nil }})
	}
	return rates(effort, senders)
}

func isCompared(name string) bool {
	return name == Bare || name == Smilesig || name == StandardLibrary
}

// A sender opens connections that each send one request at a time.
type sender struct {
	name string
	open func() (send func() error, close func(), err error)
}

// rates runs all senders in each round and returns the median rate of each.
func rates(effort Effort, senders []sender) ([]Rate, error) {
	perSecond := make([][]float64, len(senders))
	cpu := make([][]time.Duration, len(senders))
	for range effort.Rounds {
		for i, s := range senders {
			rate, err := s.rate(effort.Slice)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			perSecond[i] = append(perSecond[i], rate.PerSecond)
			cpu[i] = append(cpu[i], rate.CPU)
		}
	}
	var all []Rate
	for i, s := range senders {
		slices.Sort(perSecond[i])
		slices.Sort(cpu[i])
		middle := effort.Rounds / 2
		all = append(all, Rate{s.name, perSecond[i][middle], cpu[i][middle]})
	}
	return all, nil
}

func (s sender) rate(slice time.Duration) (Rate, error) {
	var sends []func() error
	for range connections {
		send, closeConn, err := s.open()
		if err != nil {
			return Rate{}, err
		}
		defer closeConn()
		if err := send(); err != nil { // the first one warms up
			return Rate{}, err
		}
		sends = append(sends, send)
	}
	var sent atomic.Int64
	var group errgroup.Group
	start, cpu := time.Now(), usedCPU()
	for _, send := range sends {
		group.Go(func() error {
			for time.Since(start) < slice && sent.Add(1) <= mostRequests {
				if err := send(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	took, used := time.Since(start), usedCPU()-cpu
	n := min(sent.Load(), mostRequests)
	return Rate{s.name, float64(n) / took.Seconds(), used / time.Duration(max(n, 1))}, err
}

// usedCPU returns the CPU time that this process has used.
func usedCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var readBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readAndAnswer reads in larger pieces than io.Discard does, which would be
// slow enough to make the bare handler lose.
func readAndAnswer(w http.ResponseWriter, r *http.Request) {
	buffer := readBuffers.Get().(*[32 << 10]byte)
	defer readBuffers.Put(buffer)
	for {
		switch _, err := r.Body.Read(buffer[:]); err {
		case nil:
		case io.EOF:
			return
		default:
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
	}
}

func readAnswer(res *http.Response) error {
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err := io.Copy(io.Discard, res.Body)
	return err
}

// rawRequest is a callback as bytes to write.
func rawRequest(header http.Header, body []byte) []byte {
	r := newCallback(header, body)
	r.Host = "localhost"
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		panic(err)
	}
	return raw.Bytes()
}

// A rawClient sends requests that are bytes already over one connection.
type rawClient struct {
	conn    net.Conn
	answers *bufio.Reader
}

func dial(address string) (*rawClient, error) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return &rawClient{conn, bufio.NewReader(conn)}, nil
}

// send returns an error unless the answer is 200.
func (c *rawClient) send(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	return readAnswer(res)
}

func (c *rawClient) close() { c.conn.Close() }

package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const connections = 8

// A sender sends requests over some connections, one at a time over each.
type sender struct {
	name  string
	sends []func() error
}

// LoopbackInbound sends signed callbacks over kept-alive connections to each
// way to check them. The client writes bytes that it made beforehand. What the
// rows hold is for one request: the CPU time that client and server used, the
// kernel's part included, and the time between two requests.
func LoopbackInbound(effort Effort, b Body) (cpu, wall Row, err error) {
	signed := sign(b.JSON, apiKey)
	var senders []sender
	for _, in := range Inbounds() {
		if !slices.Contains([]string{Bare, Smilesig, StandardLibrary}, in.Name) {
			continue
		}
		server := httptest.NewServer(in.Wrap(http.HandlerFunc(readAndAnswer)))
		defer server.Close()
		request := rawRequest(in.Header(signed, apiKey), signed)
		s := sender{name: in.Name}
		for range connections {
			client, err := dial(server.Listener.Addr().String())
			if err != nil {
				return Row{}, Row{}, err
			}
			defer client.conn.Close()
			s.sends = append(s.sends, func() error { return client.send(request) })
		}
		senders = append(senders, s)
	}
	return rates(effort, b, senders)
}

// LoopbackOutbound sends requests through each way to sign them, with
// http.Client and http.Transport, to a server that reads them.
func LoopbackOutbound(effort Effort, b Body) (cpu, wall Row, err error) {
	server := httptest.NewServer(http.HandlerFunc(readAndAnswer))
	defer server.Close()
	base := &http.Transport{MaxIdleConnsPerHost: connections}
	defer base.CloseIdleConnections()
	var senders []sender
	for _, out := range Outbounds(server.URL) {
		client := &http.Client{Transport: out.Wrap(base)}
		send := func() error { return do(client, newRequest(server.URL, b.JSON)) }
		senders = append(senders, sender{out.Name, slices.Repeat([]func() error{send}, connections)})
	}
	return rates(effort, b, senders)
}

// rates runs all senders in each round.
func rates(effort Effort, b Body, senders []sender) (cpu, wall Row, err error) {
	cpu = Row{Name: b.Name + ", CPU", rounds: make([][]time.Duration, len(senders))}
	wall = Row{Name: b.Name + ", time", rounds: make([][]time.Duration, len(senders))}
	for _, s := range senders {
		cpu.Ways, wall.Ways = append(cpu.Ways, s.name), append(wall.Ways, s.name)
	}
	for round := range effort.Rounds {
		for i := range senders {
			i = (i + round) % len(senders)
			s := senders[i]
			used, took, err := s.rate(effort.Slice)
			if err != nil {
				return Row{}, Row{}, fmt.Errorf("%s: %w", s.name, err)
			}
			cpu.rounds[i], wall.rounds[i] = append(cpu.rounds[i], used), append(wall.rounds[i], took)
		}
	}
	return cpu, wall, nil
}

func (s sender) rate(slice time.Duration) (cpu, wall time.Duration, err error) {
	var sent atomic.Int64
	var group errgroup.Group
	start, before := time.Now(), usedCPU()
	for _, send := range s.sends {
		group.Go(func() error {
			for time.Since(start) < slice {
				if err := send(); err != nil {
					return err
				}
				sent.Add(1)
			}
			return nil
		})
	}
	err = group.Wait()
	n := time.Duration(max(1, sent.Load()))
	return (usedCPU() - before) / n, time.Since(start) / n, err
}

// usedCPU returns the CPU time that this process has used.
func usedCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func do(client *http.Client, r *http.Request) error {
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	return readAnswer(res)
}

// readAnswer returns an error unless the answer is 200.
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
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &rawClient{conn, bufio.NewReader(conn)}, nil
}

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

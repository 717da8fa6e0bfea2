package bench

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"example.com/smilesig"
)

// BenchmarkLoopback measures the CPU time of a request over kept-alive connections
// of this machine, client, server and kernel together. It is steadier than the
// time between two requests where something else runs, too.
func BenchmarkLoopback(b *testing.B) {
	in := inbounds()
	for _, body := range []sample{medium, photo} {
		b.Run(body.name, func(b *testing.B) {
			c := compare(b, usedCPU, 30*time.Millisecond, []way{
				loopback(b, bare, in[bare], bare, body.json, 8),
				loopback(b, signs, in[bare], signs, body.json, 8),
				loopback(b, guarded, in[guarded], bare, body.json, 8),
			})
			c.time(bare)
			c.ratio(signs, bare)
			c.ratio(guarded, bare)
		})
	}
}

// BenchmarkConnections measures the time from one callback to the next, over one
// connection and over a thousand at once. With a ratio of 1, a callback takes a
// thousand times as long beside 999 others as alone.
func BenchmarkConnections(b *testing.B) {
	var ways []way
	for _, name := range []string{bare, guarded} {
		in := inbounds()[name]
		ways = append(ways,
			loopback(b, name+"-1", in, bare, medium.json, 1),
			loopback(b, name+"-1000", in, bare, medium.json, 1000))
	}
	c := compare(b, wallClock, 50*time.Millisecond, ways)
	c.time(guarded + "-1000")
	c.ratio(bare+"-1000", bare+"-1")
	c.ratio(guarded+"-1000", guarded+"-1")
}

// loopback sends requests over some connections to a server with one of the
// inbound ways. If no outbound way signs them, they are signed beforehand.
func loopback(b *testing.B, name string, in inbound, out string, json []byte, connections int) way {
	server := httptest.NewServer(in.wrap(http.HandlerFunc(readAndAnswer)))
	b.Cleanup(server.Close)
	base := &http.Transport{MaxIdleConnsPerHost: connections}
	b.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: outbounds(server.URL)[out](base)}
	signedBefore := must(signer.Inject(json, time.Now()))
	var pairs []smilesig.Pair
	send := func(i int) error {
		request := json
		if out == bare {
			request = bytes.Clone(signedBefore)
			putPair(request, pairs[i])
		}
		return do(client, newRequest(server.URL, request))
	}
	return way{
		name:    name,
		prepare: func(n int) { pairs = freshPairs(n) },
		run:     func(n int) { require.NoError(b, spread(n, connections, send)) },
	}
}

// spread sends n requests, over as many connections at once.
func spread(n, connections int, send func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(connections)
	for i := range n {
		group.Go(func() error { return send(i) })
	}
	return group.Wait()
}

// usedCPU returns the CPU time that this process has used.
func usedCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// do sends a request and returns an error unless the answer is 200.
func do(client *http.Client, r *http.Request) error {
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

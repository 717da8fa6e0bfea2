package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/smilesig"
)

const (
	loadConnections = 64
	hostileShare    = 0.1
	loadMaxBytes    = 2 << 20
	loadReadTimeout = 2 * time.Second
)

// A LoadResult is what came of a time under load.
type LoadResult struct {
	Duration time.Duration
	Genuine  int64            // genuine callbacks sent
	Served   int64            // those that reached the handler to the byte and were answered with 200
	Hostile  []HostileOutcome // one for each kind
	Passed   int64            // hostile requests that reached the handler

	ForgedBytesRead int64 // of the bodies of forged v3 callbacks

	HeapEarly, HeapLate, HeapPeak uint64 // bytes of live heap: medians of the second and last quarter, and the most
	GoroutinesBefore              int
	GoroutinesAfter               int
}

// A HostileOutcome is what came of one kind of hostile requests.
type HostileOutcome struct {
	Kind          string
	Sent, Refused int64 // Refused: with the right status
	MayBeReset    bool  // before the answer is read
}

// leastRefused is how many must get the right answer.
func (h HostileOutcome) leastRefused() int64 {
	if h.MayBeReset {
		return (h.Sent + 1) / 2
	}
	return h.Sent
}

// Err reports what went wrong under load, if anything.
func (l LoadResult) Err() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(l.Genuine > 0 && l.Served == l.Genuine, "%d of %d genuine callbacks served", l.Served, l.Genuine)
	check(l.Passed == 0, "%d hostile requests reached the handler", l.Passed)
	check(l.ForgedBytesRead == 0, "%d bytes of forged v3 callbacks read", l.ForgedBytesRead)
	check(l.GoroutinesAfter <= l.GoroutinesBefore, "%d goroutines before, %d after", l.GoroutinesBefore, l.GoroutinesAfter)
	settled := l.Duration >= 20*time.Second // before that, pools are still filling
	check(!settled || l.HeapLate < l.HeapEarly*3/2+8<<20, "live heap grew from %d to %d bytes", l.HeapEarly, l.HeapLate)
	for _, h := range l.Hostile {
		check(h.Refused >= h.leastRefused(), "%s: %d of %d refused with the right status, at least %d expected", h.Kind, h.Refused, h.Sent, h.leastRefused())
	}
	return errors.Join(faults...)
}

// Load keeps a server with a Handler under load for a time: 64 connections,
// bodies from 300 B to 1.5 MB in both placements, one request in ten hostile. It
// has no Guard, whose entries are to stay for as long as a pair is fresh. A time
// too short to take four samples of the heap is an error.
func Load(duration time.Duration) (LoadResult, error) {
	l := &load{genuine: genuineCallbacks(), hostile: hostileRequests()}
	for _, h := range l.hostile {
		l.result.Hostile = append(l.result.Hostile, HostileOutcome{Kind: h.kind, MayBeReset: h.unread})
	}
	l.result.Duration = duration
	l.result.GoroutinesBefore = runtime.NumGoroutine()

	server := httptest.NewUnstartedServer(l.handler())
	server.Config.ReadTimeout = loadReadTimeout
	server.Config.IdleTimeout = time.Hour // else ReadTimeout, which a sender that is busy being slow exceeds
	server.Start()
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var heap []uint64
	var group errgroup.Group
	group.Go(func() error { heap = sampleHeap(ctx, max(duration/100, time.Millisecond)); return nil })
	for range loadConnections {
		group.Go(func() error { return l.send(ctx, server.Listener.Addr().String()) })
	}
	err := group.Wait()
	server.Close()
	awaitGoroutines(l.result.GoroutinesBefore)
	l.result.GoroutinesAfter = runtime.NumGoroutine()
	return l.result, errors.Join(err, l.result.summarize(heap))
}

// summarize needs a sample for each quarter of the time.
func (l *LoadResult) summarize(heap []uint64) error {
	quarter := len(heap) / 4
	if quarter == 0 {
		return fmt.Errorf("%v under load is too short: %d samples of the heap, at least 4 expected", l.Duration, len(heap))
	}
	l.HeapEarly = median(heap[quarter : 2*quarter])
	l.HeapLate = median(heap[len(heap)-quarter:])
	l.HeapPeak = slices.Max(heap)
	return nil
}

type load struct {
	genuine []callback
	hostile []hostileRequest

	mu     sync.Mutex
	result LoadResult
}

func (l *load) count(n *int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

// A callback is a genuine one, with its whole request as bytes.
type callback struct{ body, request []byte }

// caseHeader tells the handler what is sent: the index of a genuine callback, or
// the kind of a hostile request.
const caseHeader = "Case"

const kindForgedHeader = "forged v3"

func genuineCallbacks() []callback {
	var all []callback
	for _, b := range []Body{Members(300), Members(4 * kilobyte), Photos(100 * kilobyte), Photos(largest)} {
		for _, header := range []func([]byte, string) http.Header{nothing, smileIDHeader} {
			body := sign(b.JSON, apiKey)
			h := header(body, apiKey)
			h.Set(caseHeader, strconv.Itoa(len(all)))
			all = append(all, callback{body, rawRequest(h, body)})
		}
	}
	return all
}

// handler counts which requests come through a Verifier, and what is read of
// the forged ones.
func (l *load) handler() http.Handler {
	verifier := &smilesig.Verifier{
		Signer:   signer,
		MaxBytes: loadMaxBytes,
		OnReject: func(*http.Request, error) int { return 0 }, // no log line for each
	}
	verified := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.Header.Get(caseHeader))
		if err != nil {
			l.count(&l.result.Passed)
			return
		}
		if !holds(r.Body, l.genuine[i].body) {
			http.Error(w, "another body", http.StatusInternalServerError)
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(caseHeader) == kindForgedHeader {
			r.Body = &countingBody{r.Body, &l.result.ForgedBytesRead}
		}
		verified.ServeHTTP(w, r)
	})
}

// holds reports whether body is want, keeping little of it.
func holds(body io.Reader, want []byte) bool {
	var buffer [4 << 10]byte
	for {
		n, err := body.Read(buffer[:])
		if !bytes.HasPrefix(want, buffer[:n]) {
			return false
		}
		want = want[n:]
		if err != nil {
			return err == io.EOF && len(want) == 0
		}
	}
}

type countingBody struct {
	io.ReadCloser
	n *int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	atomic.AddInt64(b.n, int64(n))
	return n, err
}

// send sends one request after another: genuine ones over one connection,
// hostile ones over a connection each, because they spoil it.
func (l *load) send(ctx context.Context, address string) error {
	client, err := dial(address)
	if err != nil {
		return err
	}
	defer client.close()
	err = l.sendGenuine(client) // first, else ReadTimeout ends a connection that was only opened
	for err == nil && ctx.Err() == nil {
		if rand.Float64() < hostileShare {
			err = l.sendHostile(address)
		} else {
			err = l.sendGenuine(client)
		}
	}
	return err
}

func (l *load) sendGenuine(client *rawClient) error {
	l.count(&l.result.Genuine)
	if err := client.send(l.genuine[rand.IntN(len(l.genuine))].request); err != nil {
		return fmt.Errorf("a genuine callback was lost: %w", err)
	}
	l.count(&l.result.Served)
	return nil
}

func (l *load) sendHostile(address string) error {
	i := rand.IntN(len(l.hostile))
	l.count(&l.result.Hostile[i].Sent)
	refused, err := l.hostile[i].send(address)
	if refused {
		l.count(&l.result.Hostile[i].Refused)
	}
	return err
}

func sampleHeap(ctx context.Context, every time.Duration) []uint64 {
	var all []uint64
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
			live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(live)
			all = append(all, live[0].Value.Uint64())
		}
	}
}

func median(values []uint64) uint64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// awaitGoroutines waits a while for closed connections to let go.
func awaitGoroutines(most int) {
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > most && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

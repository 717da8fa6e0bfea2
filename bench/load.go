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
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/smilesig"
)

const (
	loadConnections = 64 // in each direction
	hostileShare    = 0.1
	loadMaxBytes    = 2 << 20
	slowReadTimeout = time.Second // for slow ones only: genuine ones may take long on a busy machine
)

// A LoadResult is what came of a time under load.
type LoadResult struct {
	Duration        time.Duration
	Kinds           []*Kind
	Passed          atomic.Int64 // hostile ones that reached the handler
	ForgedBytesRead atomic.Int64 // of the bodies of callbacks with a forged pair in headers

	HeapEarly, HeapLate, HeapPeak uint64 // bytes of live heap: medians of the second and last quarter, and the most
	GoroutinesBefore              int
	GoroutinesAfter               int
}

// A Kind of callbacks or requests.
type Kind struct {
	Name    string
	Genuine bool
	Unread  bool         // refused with much of it unread, so that a reset may overtake the answer
	Sent    atomic.Int64 // how many
	Good    atomic.Int64 // to the byte where it belongs if genuine, else refused as it should be
	refused func() bool  // sends a hostile one
}

// leastGood is how many must come out right.
func (k *Kind) leastGood() int64 {
	if k.Unread {
		return k.Sent.Load() / 4
	}
	return k.Sent.Load()
}

// Err reports what went wrong under load, if anything.
func (l *LoadResult) Err() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	for _, k := range l.Kinds {
		check(k.Good.Load() >= k.leastGood(), "%s: %d of %d as it should be", k.Name, k.Good.Load(), k.Sent.Load())
		check(!k.Genuine || k.Good.Load() > 0, "%s: none", k.Name)
	}
	check(l.Passed.Load() == 0, "%d hostile ones came through", l.Passed.Load())
	check(l.ForgedBytesRead.Load() == 0, "%d bytes of forged callbacks read", l.ForgedBytesRead.Load())
	check(l.GoroutinesAfter <= l.GoroutinesBefore, "%d goroutines before, %d after", l.GoroutinesBefore, l.GoroutinesAfter)
	settled := l.Duration >= 20*time.Second // before that, pools are still filling
	check(!settled || l.HeapLate < l.HeapEarly*3/2+8<<20, "live heap grew from %d to %d bytes", l.HeapEarly, l.HeapLate)
	return errors.Join(faults...)
}

// caseHeader tells the receiver the index of a genuine body, or what it does
// differently for a hostile one.
const (
	caseHeader       = "Case"
	caseSlow         = "slow"
	caseForgedHeader = "forged pair in headers"
)

// Load sends callbacks to a Handler and requests through a Transport for a time,
// over 64 connections each: bodies from 300 B to 1.5 MB, one in ten hostile. It has no
// Guard, whose entries are to stay for as long as a pair is fresh. A time too
// short to take four samples of the heap is an error.
func Load(duration time.Duration) (*LoadResult, error) {
	l := &LoadResult{Duration: duration, GoroutinesBefore: runtime.NumGoroutine()}
	bodies := []Body{Members(300), Members(4 * kilobyte), Photos(100 * kilobyte), Photos(largest)}
	receiver := l.receiver(bodies)
	address := receiver.Listener.Addr().String()
	base := &http.Transport{MaxIdleConnsPerHost: loadConnections}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Base: base, Origins: []string{receiver.URL}}}
	callback, request := &Kind{Name: "callback", Genuine: true}, &Kind{Name: "request", Genuine: true}
	hostileCallbacks, hostileRequests := hostileCallbacks(address), hostileRequests(client, receiver.URL)
	l.Kinds = slices.Concat([]*Kind{callback}, hostileCallbacks, []*Kind{request}, hostileRequests)

	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var heap []uint64
	var group errgroup.Group
	group.Go(func() error { heap = sampleHeap(ctx, max(duration/100, time.Millisecond)); return nil })
	callbacks := genuineCallbacks(bodies)
	for range loadConnections {
		group.Go(func() error {
			conn, err := dial(address)
			if err != nil {
				return err
			}
			defer conn.conn.Close()
			return sendMany(ctx, callback, hostileCallbacks, func() error { return conn.send(callbacks[rand.IntN(len(callbacks))]) })
		})
		group.Go(func() error {
			return sendMany(ctx, request, hostileRequests, func() error {
				i := rand.IntN(len(bodies))
				r := newRequest(receiver.URL, bodies[i].JSON)
				r.Header.Set(caseHeader, strconv.Itoa(i))
				return do(client, r)
			})
		})
	}
	err := group.Wait()
	base.CloseIdleConnections()
	receiver.Close()
	awaitGoroutines(l.GoroutinesBefore)
	l.GoroutinesAfter = runtime.NumGoroutine()
	quarter := len(heap) / 4
	if quarter == 0 {
		return l, errors.Join(err, fmt.Errorf("%v under load is too short: %d samples of the heap, at least 4 expected", duration, len(heap)))
	}
	l.HeapEarly, l.HeapLate, l.HeapPeak = median(heap[quarter:2*quarter]), median(heap[len(heap)-quarter:]), slices.Max(heap)
	return l, err
}

// sendMany sends one after another. A genuine one that fails ends it.
func sendMany(ctx context.Context, genuine *Kind, hostile []*Kind, sendGenuine func() error) error {
	for ctx.Err() == nil {
		if rand.Float64() < hostileShare {
			k := hostile[rand.IntN(len(hostile))]
			k.Sent.Add(1)
			if k.refused() {
				k.Good.Add(1)
			}
			continue
		}
		genuine.Sent.Add(1)
		if err := sendGenuine(); err != nil {
			return fmt.Errorf("a genuine %s was lost: %w", genuine.Name, err)
		}
		genuine.Good.Add(1)
	}
	return nil
}

// receiver is a server with a Handler, for callbacks and for signed requests,
// which look the same. It counts what comes through.
func (l *LoadResult) receiver(bodies []Body) *httptest.Server {
	verifier := &smilesig.Verifier{
		Signer:   signer,
		MaxBytes: loadMaxBytes,
		OnReject: func(*http.Request, error) int { return 0 }, // no log line for each
	}
	front := int64(len(signedWith(signer.Sign(time.Now()), []byte("{"))))
	verified := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.Header.Get(caseHeader))
		if err != nil {
			l.Passed.Add(1)
			return
		}
		if n, _ := io.CopyN(io.Discard, r.Body, front); n < front || !holds(r.Body, bodies[i].JSON[1:]) {
			http.Error(w, "another body", http.StatusInternalServerError)
		}
	}))
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(caseHeader) {
		case caseSlow:
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(slowReadTimeout))
		case caseForgedHeader:
			r.Body = &countingBody{r.Body, &l.ForgedBytesRead}
		}
		verified.ServeHTTP(w, r)
	}))
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
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// genuineCallbacks have their pair in the body; every second one has another in headers, too.
func genuineCallbacks(bodies []Body) (raw [][]byte) {
	for i, b := range bodies {
		for _, header := range []func([]byte, string) http.Header{nothing, smileIDHeader} {
			h := header(nil, apiKey)
			h.Set(caseHeader, strconv.Itoa(i))
			raw = append(raw, rawRequest(h, sign(b.JSON, apiKey)))
		}
	}
	return raw
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

// awaitGoroutines waits a while for closed connections to let go.
func awaitGoroutines(most int) {
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > most && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

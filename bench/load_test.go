package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"example.com/smilesig"
)

var loadTime = flag.Duration("load", 0, "how long TestLoad sends callbacks and requests; 0 skips it")

const (
	loadConnections = 64 // in each direction
	hostileShare    = 0.1
	slowReadTimeout = time.Second // for slow ones only: genuine ones may take long on a busy machine
)

// caseHeader tells the receiver the index of a genuine body, or that the sender is
// slow.
const (
	caseHeader = "Case"
	caseSlow   = "slow"
)

// A kind of callbacks or requests.
type kind struct {
	name   string
	unread bool         // refused with much of it unread, so that a reset may overtake the answer
	send   func() error // one of them; an error unless it is served or refused as it should be
	sent   atomic.Int64
	good   atomic.Int64
}

func (k *kind) sendOne() error {
	k.sent.Add(1)
	err := k.send()
	if err == nil {
		k.good.Add(1)
	}
	return err
}

// TestLoad sends callbacks to a Handler and requests through a Transport, over 64
// connections each: bodies from 300 B to 1.5 MB, one in ten hostile. A genuine one
// that is lost ends it.
func TestLoad(t *testing.T) {
	if *loadTime == 0 {
		t.Skip("-load says for how long, such as 1m")
	}
	before := runtime.NumGoroutine()
	bodies := []sample{small, medium, photo, largest}
	received := &receiver{bodies: bodies}
	server := httptest.NewServer(received.handler())
	base := &http.Transport{MaxIdleConnsPerHost: loadConnections}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Base: base, Origins: []string{server.URL}}}
	badCallbacks, badRequests := hostileCallbacks(server.Listener.Addr().String()), hostileRequests(client, server.URL)
	kinds := slices.Concat(badCallbacks, badRequests)

	ctx, cancel := context.WithTimeout(t.Context(), *loadTime)
	defer cancel()
	var heap []float64
	var group errgroup.Group
	group.Go(func() error { heap = sampleHeap(ctx, *loadTime/100); return nil })
	callbacks := genuineCallbacks(t.Context(), bodies)
	for range loadConnections {
		conn, err := dial(server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.conn.Close()
		callback := &kind{name: "callback", send: func() error { return conn.send(callbacks[rand.IntN(len(callbacks))]) }}
		request := &kind{name: "request", send: func() error {
			i := rand.IntN(len(bodies))
			r := newRequest(server.URL, bodies[i].json)
			r.Header.Set(caseHeader, strconv.Itoa(i))
			return do(client, r)
		}}
		kinds = append(kinds, callback, request)
		group.Go(func() error { return sendMany(ctx, callback, badCallbacks) })
		group.Go(func() error { return sendMany(ctx, request, badRequests) })
	}
	assert.NoError(t, group.Wait(), "a genuine one was lost")

	sent, good := map[string]int64{}, map[string]int64{}
	for _, k := range kinds {
		sent[k.name] += k.sent.Load()
		good[k.name] += k.good.Load()
		if least := k.sent.Load() / 4; !k.unread || k.good.Load() < least {
			assert.Equal(t, k.sent.Load(), k.good.Load(), "%s: not served or refused as it should be", k.name)
		}
	}
	for name := range sent {
		t.Logf("%s: %d sent, %d as it should be", name, sent[name], good[name])
	}
	assert.NotZero(t, good["callback"])
	assert.NotZero(t, good["request"])
	assert.Zero(t, received.passed.Load(), "hostile ones came through")
	require.GreaterOrEqual(t, len(heap), 4, "samples of the heap")
	quarter := len(heap) / 4
	early, late := median(heap[quarter:2*quarter]), median(heap[len(heap)-quarter:])
	t.Logf("live heap: %.0f early, %.0f late, %.0f at most", early, late, slices.Max(heap))
	if *loadTime >= 20*time.Second { // before that, pools are still filling
		assert.Less(t, late, early*1.5+8<<20, "the live heap grew")
	}
	base.CloseIdleConnections()
	server.Close()
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, 10*time.Millisecond, "goroutines") // Eventually has one
}

func sendMany(ctx context.Context, genuine *kind, hostile []*kind) error {
	for ctx.Err() == nil {
		if rand.Float64() < hostileShare {
			_ = hostile[rand.IntN(len(hostile))].sendOne() // it counts
		} else if err := genuine.sendOne(); err != nil {
			return err
		}
	}
	return nil
}

// A receiver serves callbacks and signed requests. Only callbacks have a guard:
// the bench signs many requests in one millisecond, with the same pair.
type receiver struct {
	bodies []sample
	passed atomic.Int64 // hostile ones that reached the handler
}

func (l *receiver) handler() http.Handler {
	front := int64(len(signedWith(signer.Sign(time.Now()), []byte("{"))))
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.Header.Get(caseHeader))
		if err != nil {
			l.passed.Add(1)
			return
		}
		if n, _ := io.CopyN(io.Discard, r.Body, front); n < front || !holds(r.Body, l.bodies[i].json[1:]) {
			http.Error(w, "another body", http.StatusInternalServerError)
		}
	})
	routes := http.NewServeMux()
	for path, guard := range map[string]smilesig.ReplayGuard{"/": smilesig.NoGuard, "/callbacks": new(smilesig.MemoryGuard)} {
		routes.Handle(path, newVerifier(guard).Handler(next))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(caseHeader) == caseSlow {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(slowReadTimeout))
		}
		routes.ServeHTTP(w, r)
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

// genuineCallbacks have their pair in the body; every second one has another in headers, too.
func genuineCallbacks(ctx context.Context, bodies []sample) (raw [][]byte) {
	for i, b := range bodies {
		for _, inHeaders := range []bool{false, true} {
			signed := must(signer.Inject(b.json, time.Now()))
			pairs := freshPairs(2) // the guard sees each with one body only
			putPair(signed, pairs[0])
			r := newCallback(ctx, signed)
			if inHeaders {
				r.Header.Set("Response-Signature", pairs[1].Signature)
				r.Header.Set("Response-Timestamp", pairs[1].Timestamp)
			}
			r.Header.Set(caseHeader, strconv.Itoa(i))
			raw = append(raw, rawRequest(r))
		}
	}
	return raw
}

// hostileCallbacks are kinds that a Handler must refuse, over a connection for
// each, because they spoil it.
func hostileCallbacks(address string) []*kind {
	signWith := func(key string, b sample) []byte { return must(newSigner(key).Inject(b.json, time.Now())) }
	small, large := signWith(apiKey, medium), signWith(apiKey, largest)
	forged := signWith(otherKey, photo)
	head := func(header string) []byte {
		return fmt.Appendf(nil, "POST /callbacks HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", header)
	}
	declared := fmt.Sprintf("Content-Length: %d", len(small))
	inHeaders := newCallback(context.Background(), large)
	signHeader(inHeaders.Header, nil, otherKey)
	chunk := append(fmt.Appendf(nil, "%x\r\n", len(large)), append(large, "\r\n"...)...)
	write := func(parts ...[]byte) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			for _, part := range parts {
				_, _ = conn.Write(part) // it may be refused before it was sent whole
			}
		}
	}
	newKind := func(name string, status int, unread bool, write func(*net.TCPConn)) *kind {
		return &kind{name: "callback, " + name, unread: unread, send: func() error { return mustBeRefused(address, status, write) }}
	}
	return []*kind{
		newKind(caseSlow, http.StatusBadRequest, false, func(conn *net.TCPConn) {
			_, err := conn.Write(head(caseHeader + ": " + caseSlow + "\r\n" + declared))
			for i := 0; i < len(small) && err == nil; i++ { // a byte at a time, until it is cut off
				_, err = conn.Write(small[i : i+1])
				time.Sleep(slowReadTimeout / 20)
			}
		}),
		newKind("oversize, declared", http.StatusRequestEntityTooLarge, true, write(head("Content-Length: 1000000000"), large)),
		newKind("oversize, chunked", http.StatusRequestEntityTooLarge, true, write(head("Transfer-Encoding: chunked"), chunk, chunk, chunk)),
		newKind("forged pair in the body", http.StatusUnauthorized, false, write(rawRequest(newCallback(context.Background(), forged)))),
		newKind("forged pair in headers", http.StatusUnauthorized, true, write(rawRequest(inHeaders))),
		newKind("truncated", http.StatusBadRequest, false, func(conn *net.TCPConn) {
			write(head(declared), small[:len(small)/2])(conn)
			_ = conn.CloseWrite()
		}),
	}
}

// mustBeRefused returns an error unless the server refuses the callback with the
// right status. What it has not read when it answers may be reset, with the answer
// on its way: then the callback was refused, too, but nobody can tell with what.
func mustBeRefused(address string, status int, write func(*net.TCPConn)) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		write(conn.(*net.TCPConn))
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	conn.Close()
	<-written
	if err == nil && res.StatusCode != status {
		err = errors.New(res.Status)
	}
	return err
}

// hostileRequests are kinds that a Transport must refuse without sending anything.
func hostileRequests(client *http.Client, origin string) []*kind {
	newKind := func(name string, want error, origin string, body []byte) *kind {
		return &kind{name: "request, " + name, send: func() error {
			if err := do(client, newRequest(origin, body)); !errors.Is(err, want) {
				return fmt.Errorf("not refused, but %w", err)
			}
			return nil
		}}
	}
	json := medium.json
	return []*kind{
		newKind("truncated", smilesig.ErrMalformed, origin, json[:len(json)/2]),
		newKind("of another partner", smilesig.ErrPartner, origin, append([]byte(`{"partner_id":"999",`), json[1:]...)),
		newKind("to another origin", smilesig.ErrOrigin, sandbox, json),
	}
}

func sampleHeap(ctx context.Context, every time.Duration) (all []float64) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
			live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(live)
			all = append(all, float64(live[0].Value.Uint64()))
		}
	}
}

func rawRequest(r *http.Request) []byte {
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
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

package guardtest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"example.com/smilesig"
)

type bindFunc func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (bound smilesig.Digest, seen bool, err error)

func (bind bindFunc) Bind(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (bound smilesig.Digest, seen bool, err error) {
	return bind(ctx, pair, content, ttl)
}

const afterAMicrosecond = "looks first and binds a microsecond later"

// A brokenGuard does something wrong, which breaks at least the promise named.
type brokenGuard struct {
	name    string
	promise string
	guard   func() smilesig.ReplayGuard
}

var brokenGuards = []brokenGuard{
	{"calls a first bind seen", "a first bind is not seen", answering(func(a *answer) { a.seen = true })},
	{"returns no content for a first bind", "a first bind is not seen", answering(func(a *answer) {
		if !a.seen {
			a.bound = smilesig.Digest{}
		}
	})},
	{"fails", "a first bind is not seen", answering(func(a *answer) { a.err = errors.New("down") })},
	{"calls nothing seen", "a later bind finds the first and changes nothing", answering(func(a *answer) { a.seen = false })},
	{"forgets at once", "a later bind finds the first and changes nothing", binding(func(c *call) { c.ttl = 0 })},
	{"returns the caller's content", "a later bind finds the first and changes nothing", answering(func(a *answer) { a.bound = a.content })},
	{"lets the last content win", "a later bind finds the first and changes nothing", newLastWins},
	{"looks at half of the pair", "pairs are independent", binding(func(c *call) { clear(c.pair[16:]) })},
	{"drops pairs when there are many", "pairs are independent", newForgetful},
	{"cuts the content at a zero", "digests are any bytes", answering(func(a *answer) { cutAt(0, a) })},
	{"cuts the content at a line break", "digests are any bytes", answering(func(a *answer) { cutAt('\n', a) })},
	{"never expires", "a binding expires in time and can be made again", binding(func(c *call) { c.ttl = longTTL })},
	{"expires early", "a binding expires in time and can be made again", binding(func(c *call) { c.ttl /= 20 })},
	{"is prolonged by being seen", "a binding expires in time and can be made again", newProlonging},
	{"binds a pair once only", "a binding expires in time and can be made again", newOnceOnly},
	{"takes no milliseconds for ever", "a tiny ttl is short", binding(func(c *call) {
		if c.ttl < time.Millisecond {
			c.ttl = longTTL
		}
	})},
	{"refuses no milliseconds", "a tiny ttl is short", answering(func(a *answer) {
		if a.ttl < time.Millisecond {
			a.err = errors.New("invalid expiry")
		}
	})},
	{"overflows", "a huge ttl is long", binding(func(c *call) {
		if c.ttl > math.MaxInt64-time.Duration(time.Now().UnixNano()) {
			c.ttl = 0
		}
	})},
	{"refuses years", "a huge ttl is long", answering(func(a *answer) {
		if a.ttl > 365*24*time.Hour {
			a.err = errors.New("invalid expiry")
		}
	})},
	{"looks first and binds a round trip later", "one of many binds at once wins", notAtomic(func() { time.Sleep(time.Millisecond) })},
	{afterAMicrosecond, "one of many binds at once wins", notAtomic(func() {
		for start := time.Now(); time.Since(start) < time.Microsecond; {
		}
	})},
	{"calls every bind seen", "one of many binds at once wins", answering(func(a *answer) { a.seen = true })},
	{"returns the caller's content to Verifiers", "Verifiers admit one body and one target", answering(func(a *answer) { a.bound = a.content })},
	{"calls a redelivery new", "Verifiers admit one body and one target", answering(func(a *answer) { a.seen = a.bound != a.content })},
	{"keeps nothing for half an hour", "Verifiers admit one body and one target", binding(func(c *call) {
		if c.ttl > 20*time.Minute && c.ttl < time.Hour {
			c.ttl = 0
		}
	})},
	{"hangs once the context has ended", "an ended context does not hang", whenEnded(func() answer { select {} })},
	{"makes up a first bind once the context has ended", "an ended context does not hang", whenEnded(func() answer { return answer{} })},
	{"hangs when the context ends", "a context may end at any moment", whenEnded(func() answer { select {} })},
	{"does nothing", "a context may end at any moment", newIdle},
	{"makes up a content when the context ends", "a context may end at any moment", whenEnded(func() answer { return answer{seen: true} })},
}

type call struct {
	pair, content smilesig.Digest
	ttl           time.Duration
}

// binding is a good guard but for what spoil does to each call.
func binding(spoil func(*call)) func() smilesig.ReplayGuard {
	return func() smilesig.ReplayGuard {
		var good smilesig.MemoryGuard
		return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
			c := call{pair, content, ttl}
			spoil(&c)
			return good.Bind(ctx, c.pair, c.content, c.ttl)
		})
	}
}

type answer struct {
	call
	bound smilesig.Digest
	seen  bool
	err   error
}

// answering is a good guard but for what spoil does to each answer.
func answering(spoil func(*answer)) func() smilesig.ReplayGuard {
	return func() smilesig.ReplayGuard {
		var good smilesig.MemoryGuard
		return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
			a := answer{call: call{pair, content, ttl}}
			a.bound, a.seen, a.err = good.Bind(ctx, pair, content, ttl)
			spoil(&a)
			return a.bound, a.seen, a.err
		})
	}
}

// whenEnded is a good guard but for a context that can end. It waits for that.
func whenEnded(then func() answer) func() smilesig.ReplayGuard {
	return func() smilesig.ReplayGuard {
		var good smilesig.MemoryGuard
		return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
			if ctx.Done() != nil {
				<-ctx.Done()
				a := then()
				return a.bound, a.seen, a.err
			}
			return good.Bind(ctx, pair, content, ttl)
		})
	}
}

func cutAt(c byte, a *answer) {
	if i := bytes.IndexByte(a.bound[:], c); i >= 0 {
		clear(a.bound[i:])
		a.bound[len(a.bound)-1] = 'X'
	}
}

func newIdle() smilesig.ReplayGuard {
	return bindFunc(func(context.Context, smilesig.Digest, smilesig.Digest, time.Duration) (smilesig.Digest, bool, error) {
		return smilesig.Digest{}, false, nil
	})
}

func newOnceOnly() smilesig.ReplayGuard {
	var good smilesig.MemoryGuard
	var known sync.Map // pairs
	return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
		if _, again := known.LoadOrStore(pair, true); again {
			ttl = 0
		}
		return good.Bind(ctx, pair, content, ttl)
	})
}

func newLastWins() smilesig.ReplayGuard {
	var contents sync.Map
	return bindFunc(func(_ context.Context, pair, content smilesig.Digest, _ time.Duration) (smilesig.Digest, bool, error) {
		bound, seen := contents.Swap(pair, content)
		if !seen {
			return content, false, nil
		}
		return bound.(smilesig.Digest), true, nil
	})
}

// notAtomic guards look, pause and bind.
func notAtomic(pause func()) func() smilesig.ReplayGuard {
	return func() smilesig.ReplayGuard {
		var contents sync.Map
		return bindFunc(func(_ context.Context, pair, content smilesig.Digest, _ time.Duration) (smilesig.Digest, bool, error) {
			if bound, seen := contents.Load(pair); seen {
				return bound.(smilesig.Digest), true, nil
			}
			pause()
			contents.Store(pair, content)
			return content, false, nil
		})
	}
}

func newForgetful() smilesig.ReplayGuard {
	recent := new(smilesig.MemoryGuard)
	binds := 0
	return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
		if binds++; binds%25 == 0 {
			recent = new(smilesig.MemoryGuard)
		}
		return recent.Bind(ctx, pair, content, ttl)
	})
}

func newProlonging() smilesig.ReplayGuard {
	var first smilesig.MemoryGuard
	var prolonged sync.Map // pairs
	return bindFunc(func(ctx context.Context, pair, content smilesig.Digest, ttl time.Duration) (smilesig.Digest, bool, error) {
		bound, seen, err := first.Bind(ctx, pair, content, ttl)
		if _, again := prolonged.LoadOrStore(pair, true); again {
			seen = true
		}
		return bound, seen, err
	})
}

// Package guardtest checks that a [smilesig.ReplayGuard] keeps its contract.
// Call [Run] in the tests of a guard of your own.
package guardtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"example.com/smilesig"
)

// Run runs one subtest for each promise of a ReplayGuard: what the first and
// later binds return, alone and concurrently; that bindings expire neither early
// nor late; what Verifiers on the guard accept; and what Bind may do when its context
// ends.
//
// It calls newGuard once for each subtest. The guards may share a store, and it
// need not be empty, because the pairs are random. They must have room for 11,000
// bindings. Most of these last a minute, some last centuries.
//
// Run cannot see everything. Test these in the guard's own tests, on its store:
//
//   - a guard that shortens a long life, for example to ten minutes: look at what
//     is stored for 32 minutes, the default of a Verifier, and for hours
//   - a store that drops live bindings when it is full, restarts or fails over
//   - two processes or machines on one store
//   - a race within nanoseconds, or on one processor
//
// Run takes about a second with a guard that answers at once. It fails a guard that
// needs more than 10 seconds to drop an expired binding, or to return after its
// context has ended. A deadline of the store itself must be shorter than that.
func Run(t *testing.T, newGuard func(t *testing.T) smilesig.ReplayGuard) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			s := suite{ReplayGuard: newGuard(t), patience: 10 * time.Second}
			if err := p.check(s); err != nil {
				t.Error(err)
			}
		})
	}
}

// A promise is checked by a function and not by a test, so that this package's
// own tests can see broken guards fail.
type promise struct {
	name  string
	check func(suite) error
}

var promises = []promise{
	{"a first bind is not seen", suite.firstBind},
	{"a later bind finds the first and changes nothing", suite.laterBinds},
	{"pairs are independent", suite.independentPairs},
	{"digests are any bytes", suite.anyBytes},
	{"a binding expires in time and can be made again", suite.expiry},
	{"a tiny ttl is short", suite.tinyTTL},
	{"a huge ttl is long", suite.hugeTTL},
	{"one of many binds at once wins", suite.oneWinner},
	{"Verifiers admit one body and one target", suite.underVerifiers},
	{"an ended context does not hang", suite.endedContext},
	{"a context may end at any moment", suite.endingContext},
}

// A suite is a guard under test.
type suite struct {
	smilesig.ReplayGuard
	patience time.Duration // for what should happen soon
}

// longTTL outlasts every check.
const longTTL = time.Minute

// first binds a pair for the first time.
func (s suite) first(pair, content smilesig.Digest, ttl time.Duration) error {
	bound, seen, err := s.Bind(context.Background(), pair, content, ttl)
	switch {
	case err != nil:
		return fmt.Errorf("first bind, ttl %v: %w", ttl, err)
	case seen:
		return fmt.Errorf("first bind, ttl %v: seen", ttl)
	case bound != content:
		return fmt.Errorf("first bind, ttl %v: not the content that was just bound", ttl)
	}
	return nil
}

// again binds a pair that is already bound to want.
func (s suite) again(pair, content, want smilesig.Digest) error {
	bound, seen, err := s.Bind(context.Background(), pair, content, longTTL)
	switch {
	case err != nil:
		return fmt.Errorf("bind of a bound pair: %w", err)
	case !seen:
		return fmt.Errorf("bind of a bound pair: not seen")
	case bound != want:
		return fmt.Errorf("bind of a bound pair: not the content it is bound to")
	}
	return nil
}

// awaitRebind binds pair to content as soon as an earlier binding has expired.
func (s suite) awaitRebind(pair, content smilesig.Digest) error {
	for deadline := time.Now().Add(s.patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_, seen, err := s.Bind(context.Background(), pair, content, longTTL)
		if err != nil {
			return fmt.Errorf("bind while waiting for a binding to expire: %w", err)
		}
		if !seen {
			return nil
		}
	}
	return fmt.Errorf("a binding has not expired within %v", s.patience)
}

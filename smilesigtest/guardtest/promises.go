package guardtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"example.com/smilesig"
)

func (s suite) firstBind() error {
	return s.first(digest(), digest(), longTTL)
}

func (s suite) sameBody() error {
	pair, body := digest(), digest()
	return errors.Join(
		s.first(pair, body, longTTL),
		s.again(pair, body, body),
		s.again(pair, body, body),
		s.again(pair, digest(), body),
	)
}

func (s suite) otherBody() error {
	pair, body := digest(), digest()
	return errors.Join(
		s.first(pair, body, longTTL),
		s.again(pair, digest(), body),
		s.again(pair, digest(), body),
		s.again(pair, body, body),
	)
}

func (s suite) independentPairs() error {
	original, body := digest(), digest()
	if err := s.first(original, body, longTTL); err != nil {
		return err
	}
	others := make(map[smilesig.Digest]smilesig.Digest)
	for i := range 2 * len(original) { // with all else, close to the promised room
		pair := original
		pair[i/2] ^= 1 << (i % 2)
		others[pair] = digest()
		if err := s.first(pair, others[pair], longTTL); err != nil {
			return fmt.Errorf("a pair that differs from another in byte %d: %w", i/2, err)
		}
	}
	for pair, body := range others {
		if err := s.again(pair, digest(), body); err != nil {
			return fmt.Errorf("among %d bound pairs: %w", len(others), err)
		}
	}
	return s.again(original, digest(), body)
}

// anyBytes tries what stores and protocols like to treat as special.
func (s suite) anyBytes() error {
	for _, special := range []string{"", "\r\n", "\xff\xfe\x80", "nil", "%s\\x00\x00"} {
		body := digest()
		clear(body[:])
		copy(body[:], special)
		pair := digest()
		copy(pair[:], special)
		err := errors.Join(
			s.first(pair, body, longTTL),
			s.again(pair, digest(), body),
		)
		if err != nil {
			return fmt.Errorf("digests that start with %q: %w", special, err)
		}
	}
	return nil
}

func (s suite) expiry() error {
	const (
		ttl         = 80 * time.Millisecond
		granularity = 2 * time.Millisecond // of the guard's clock, which may be another machine's
	)
	pair, body, rebound := digest(), digest(), digest()
	start := time.Now()
	if err := s.first(pair, body, ttl); err != nil {
		return err
	}
	// Binds in the meantime ask for longTTL, which must not prolong the first,
	// whichever body they are for.
	if _, _, err := s.Bind(context.Background(), pair, body, longTTL); err != nil {
		return fmt.Errorf("bind of a bound pair: %w", err)
	}
	if err := s.awaitRebind(pair, rebound); err != nil {
		return err
	}
	if lasted := time.Since(start); lasted < ttl-granularity {
		return fmt.Errorf("a binding for %v expired within %v", ttl, lasted)
	}
	return s.again(pair, digest(), rebound)
}

func (s suite) tinyTTL() error {
	for _, ttl := range []time.Duration{1, time.Microsecond, time.Millisecond - 1} {
		pair := digest()
		err := s.first(pair, digest(), ttl)
		if err == nil {
			err = s.awaitRebind(pair, digest())
		}
		if err != nil {
			return fmt.Errorf("ttl %v: %w", ttl, err)
		}
	}
	return nil
}

func (s suite) hugeTTL() error {
	const year = 365 * 24 * time.Hour
	for _, ttl := range []time.Duration{10 * year, 100 * year, math.MaxInt64 - 1, math.MaxInt64} {
		pair, body, ordinary := digest(), digest(), digest()
		err := errors.Join(
			s.first(pair, body, ttl),
			s.first(ordinary, body, longTTL),
			s.again(pair, digest(), body),
			s.again(ordinary, digest(), body),
		)
		if err != nil {
			return fmt.Errorf("ttl %v: %w", ttl, err)
		}
	}
	return nil
}

// An outcome is what one of several binds of a pair returned.
type outcome struct {
	body, bound smilesig.Digest
	seen        bool
	err         error
}

// bindAtOnce binds pair n times at once, each time to another body.
func (s suite) bindAtOnce(ctx context.Context, pair smilesig.Digest, n int) []outcome {
	outcomes := make([]outcome, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			o := &outcomes[i]
			o.body = digest()
			<-start
			o.bound, o.seen, o.err = s.Bind(ctx, pair, o.body, longTTL)
		})
	}
	close(start)
	all.Wait()
	return outcomes
}

func (s suite) oneWinner() error {
	pair := digest()
	var winners []outcome
	outcomes := s.bindAtOnce(context.Background(), pair, 300)
	for _, o := range outcomes {
		if o.err != nil {
			return fmt.Errorf("one of %d binds at once: %w", len(outcomes), o.err)
		}
		if !o.seen {
			winners = append(winners, o)
		}
	}
	if len(winners) != 1 {
		return fmt.Errorf("%d of %d binds at once were first", len(winners), len(outcomes))
	}
	for _, o := range outcomes {
		if o.bound != winners[0].body {
			return errors.New("a bind did not return the winner's body")
		}
	}
	return s.again(pair, digest(), winners[0].body)
}

// endedContext allows an error or a true answer. After an error, the pair may be
// bound or not.
func (s suite) endedContext() error {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled, expired} {
		pair := digest()
		outcomes, err := s.inTime(func() []outcome { return s.bindAtOnce(ctx, pair, 1) })
		if err == nil {
			err = s.checkAgreement(pair, outcomes)
		}
		if err != nil {
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
	return nil
}

// endingContext ends contexts while binds are under way.
func (s suite) endingContext() error {
	for delay := time.Microsecond; delay < 10*time.Millisecond; delay *= 4 {
		pair := digest()
		outcomes, err := s.inTime(func() []outcome {
			ctx, cancel := context.WithTimeout(context.Background(), delay)
			defer cancel()
			return s.bindAtOnce(ctx, pair, 20)
		})
		if err == nil {
			err = s.checkAgreement(pair, outcomes)
		}
		if err != nil {
			return fmt.Errorf("context ends after %v: %w", delay, err)
		}
	}
	return nil
}

func (s suite) inTime(bind func() []outcome) ([]outcome, error) {
	done := make(chan []outcome, 1)
	go func() { done <- bind() }()
	select {
	case outcomes := <-done:
		return outcomes, nil
	case <-time.After(s.patience):
		return nil, fmt.Errorf("bind has not returned %v after its context ended", s.patience)
	}
}

// checkAgreement ignores binds that returned an error. The winner may be one of
// them: perhaps only its answer got lost.
func (s suite) checkAgreement(pair smilesig.Digest, outcomes []outcome) error {
	final, _, err := s.Bind(context.Background(), pair, digest(), longTTL)
	if err != nil {
		return fmt.Errorf("bind after others whose context ended: %w", err)
	}
	for _, o := range outcomes {
		switch {
		case o.err != nil:
			continue
		case o.bound != final:
			return errors.New("a bind returned no error and a body that the pair is not bound to")
		case !o.seen && o.bound != o.body:
			return errors.New("a bind reported itself as the first and was not")
		}
	}
	return nil
}

// digest returns a random one.
func digest() (d smilesig.Digest) {
	rand.Read(d[:])
	return d
}

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

func (s suite) laterBinds() error {
	pair, content := digest(), digest()
	return errors.Join(
		s.first(pair, content, longTTL),
		s.again(pair, content, content),
		s.again(pair, digest(), content),
		s.again(pair, digest(), content),
		s.again(pair, content, content),
	)
}

func (s suite) independentPairs() error {
	original, content := digest(), digest()
	if err := s.first(original, content, longTTL); err != nil {
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
	for pair, content := range others {
		if err := s.again(pair, digest(), content); err != nil {
			return fmt.Errorf("among %d bound pairs: %w", len(others), err)
		}
	}
	return s.again(original, digest(), content)
}

// anyBytes tries what stores and protocols like to treat as special.
func (s suite) anyBytes() error {
	for _, special := range []string{"", "\r\n", "\xff\xfe\x80", "nil", "%s\\x00\x00"} {
		content := digest()
		clear(content[:])
		copy(content[:], special)
		pair := digest()
		copy(pair[:], special)
		err := errors.Join(
			s.first(pair, content, longTTL),
			s.again(pair, digest(), content),
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
	pair, content, rebound := digest(), digest(), digest()
	start := time.Now()
	if err := s.first(pair, content, ttl); err != nil {
		return err
	}
	// Binds in the meantime ask for longTTL, which must not prolong the first,
	// whichever content they are for.
	if _, _, err := s.Bind(context.Background(), pair, content, longTTL); err != nil {
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
		pair, content, ordinary := digest(), digest(), digest()
		err := errors.Join(
			s.first(pair, content, ttl),
			s.first(ordinary, content, longTTL),
			s.again(pair, digest(), content),
			s.again(ordinary, digest(), content),
		)
		if err != nil {
			return fmt.Errorf("ttl %v: %w", ttl, err)
		}
	}
	return nil
}

// underVerifiers makes deliveries to two machines, each with a Verifier on the guard.
func (s suite) underVerifiers() error {
	// If one of these failed, Verify would fail.
	signer, _ := smilesig.NewSigner(smilesig.Credential{PartnerID: "1", APIKey: rand.Text()})
	signedAt := time.Now()
	genuine, _ := signer.Inject([]byte(`{"ResultCode":"1210"}`), signedAt)
	swapped, _ := signer.Inject([]byte(`{"ResultCode":"0810"}`), signedAt)
	machines := []*smilesig.Verifier{{Signer: signer, Guard: s}, {Signer: signer, Guard: s}}
	type delivery struct {
		what, target string
		body         []byte
		want         error
	}
	for i, d := range []delivery{
		{"a first delivery", "/callback", genuine, nil},
		{"another body", "/callback", swapped, smilesig.ErrReplayed},
		{"another target", "/callback?ResultCode=0810", genuine, smilesig.ErrReplayed},
		{"a redelivery", "/callback", genuine, nil},
		{"another body after a redelivery", "/callback", swapped, smilesig.ErrReplayed},
	} {
		callback, err := machines[i%2].Verify(context.Background(), d.target, nil, d.body)
		if !errors.Is(err, d.want) || err == nil && callback.SeenBefore != (i > 0) {
			return fmt.Errorf("%s at a Verifier: SeenBefore %t, error %v, want error %v", d.what, callback.SeenBefore, err, d.want)
		}
	}
	return nil
}

// maxRounds limits the room that oneWinner needs.
const maxRounds = 10_000

// An outcome is what one of several binds of a pair returned.
type outcome struct {
	content, bound smilesig.Digest
	seen           bool
	err            error
}

// bindAtOnce binds pair n times at once, each time to another content.
func (s suite) bindAtOnce(ctx context.Context, pair smilesig.Digest, n int) []outcome {
	outcomes := make([]outcome, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			o := &outcomes[i]
			o.content = digest()
			<-start
			o.bound, o.seen, o.err = s.Bind(ctx, pair, o.content, longTTL)
		})
	}
	close(start)
	all.Wait()
	return outcomes
}

// oneWinner races again and again, to find a guard that is not atomic but quick.
func (s suite) oneWinner() error {
	for start, round := time.Now(), 0; round < maxRounds; round++ {
		if err := s.race(16); err != nil {
			return err
		}
		if time.Since(start) > 300*time.Millisecond {
			break
		}
	}
	return nil
}

// race binds one pair n times at once.
func (s suite) race(n int) error {
	pair := digest()
	outcomes := s.bindAtOnce(context.Background(), pair, n)
	winners := 0
	for _, o := range outcomes {
		if o.err != nil {
			return fmt.Errorf("one of %d binds at once: %w", n, o.err)
		}
		if !o.seen {
			winners++
		}
	}
	if winners != 1 {
		return fmt.Errorf("%d of %d binds at once were first", winners, n)
	}
	return s.checkAgreement(pair, outcomes)
}

// endedContext allows an error or a true answer. After an error, the pair may be
// bound or not.
func (s suite) endedContext() error {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled, expired} {
		if err := s.bindInTime(ctx, 1); err != nil {
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
	return nil
}

// endingContext ends contexts while binds are under way.
func (s suite) endingContext() error {
	for delay := time.Microsecond; delay < 10*time.Millisecond; delay *= 4 {
		ctx, cancel := context.WithTimeout(context.Background(), delay)
		err := s.bindInTime(ctx, 20)
		cancel()
		if err != nil {
			return fmt.Errorf("context ends after %v: %w", delay, err)
		}
	}
	return nil
}

// bindInTime binds one pair n times with a context that ends soon.
func (s suite) bindInTime(ctx context.Context, n int) error {
	pair := digest()
	done := make(chan []outcome, 1)
	go func() { done <- s.bindAtOnce(ctx, pair, n) }()
	select {
	case outcomes := <-done:
		return s.checkAgreement(pair, outcomes)
	case <-time.After(s.patience):
		return fmt.Errorf("bind has not returned %v after its context ended", s.patience)
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
			return errors.New("a bind returned no error and a content that the pair is not bound to")
		case !o.seen && o.bound != o.content:
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

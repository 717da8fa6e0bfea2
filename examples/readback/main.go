// Readback is the pattern for decisions that matter. A callback's signature does
// not cover its body, so nothing in the body is acted on:
//
//  1. The callback is verified, and kept in an inbox.
//  2. The job that it names must be one that we started.
//  3. Smile ID is asked about that job, by us. If it cannot be asked, the callback
//     is answered 503 and comes again.
//  4. A final answer is acted on, once: the decision, the action and the mark in
//     the inbox are one transaction.
//
// partner.go has the pattern, jobstatus.go the question, store.go the tables; copy
// these three. The rest is a demonstration against a stand-in for Smile ID, over
// local sockets, which ends with exit status 1 if a step is not as expected:
//
//	go run .
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
)

func main() {
	// What was refused is logged, which would be in the way of the steps.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run goes through all steps and prints what came of each.
func run(ctx context.Context, out io.Writer) error {
	d, err := newDemo(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	fmt.Fprintln(out, "callback got       job is    actions  step")
	for _, s := range []step{
		{"[200]", pending, 0, "job-1: a provisional callback: kept, nothing final to act on", d.provisional},
		{"[200]", approved, 1, "job-1: the final callback: read back, acted on", d.final},
		{"[200]", approved, 1, "job-1: the final callback once more: done already", d.again},
		{"[200]", pending, 1, "job-2: a body that says approved, forged under a genuine pair: Smile ID says no such thing", d.forged},
		{"[202]", "", 1, "job-3: a callback for a job that we did not start: kept, not asked about", d.unknown},
		{"[503 503 503 503]", pending, 1, "job-2: the final callback, but the answer to our question has a wrong pair", d.cannotAsk},
		{"[]", approved, 2, "job-2: we start again and Smile ID can be asked: the sweep finishes it", d.restart},
	} {
		if err := s.play(ctx, d, out); err != nil {
			return err
		}
	}
	return nil
}

// A step is one line of the output.
type step struct {
	statuses string // what each attempt to deliver the callback got
	state    state  // of the job, afterwards
	actions  int    // so far, for all jobs
	what     string
	do       func(ctx context.Context) (about job, statuses []int, err error)
}

func (s step) play(ctx context.Context, d *demo, out io.Writer) error {
	about, got, err := s.do(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.what, err)
	}
	statuses := fmt.Sprint(got)
	state, actions, err := d.look(ctx, about)
	if err != nil {
		return err
	}
	if statuses != s.statuses || state != s.state || actions != s.actions {
		return fmt.Errorf("%s: got %s, %q, %d actions; expected %s, %q, %d",
			s.what, statuses, state, actions, s.statuses, s.state, s.actions)
	}
	_, err = fmt.Fprintf(out, "%-18s %-9s %-8d %s\n", statuses, state, actions, s.what)
	return err
}

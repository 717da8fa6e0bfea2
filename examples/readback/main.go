// Readback is the pattern for decisions that matter, in v1 and in v3. A callback's
// signature does not cover its body, so nothing in the body is acted on:
//
//  1. The URL of the callback tells the job, one that we started. What the callback
//     claims must not contradict it.
//  2. Smile ID is asked about that job, by us. If it cannot be asked, the callback
//     is answered 503 and comes again.
//  3. A final answer is acted on, once: the decision and the action are one
//     transaction. After that, callbacks for the job change nothing.
//
// v1's /v1/job_status has the whole result. v3's /v3/status tells only whether a
// job is clear, see askV3.
//
// partner.go has the pattern, smileid.go the questions, store.go the tables; copy
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

	"example.com/smilesig/smilesigtest"
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
		{d.job1, d.concludes(d.job1, smilesigtest.Provisional), "[200]", open, 0, "a provisional callback: read back, nothing final to act on"},
		{d.job1, d.concludes(d.job1, smilesigtest.Approved), "[200]", approved, 1, "the final callback: read back, acted on"},
		{d.job1, d.sendsAgain(d.job1), "[200]", approved, 1, "the final callback once more: done already"},
		{d.job2, d.sendsAgain(d.job2), "[422]", open, 1, "that callback at this job's URL: it is about another job"},
		{d.job2, d.forges(d.job2), "[200]", open, 1, "a body that says clear, forged under a genuine pair: Smile ID says no such thing"},
		{d.job2, d.concludes(d.job2, smilesigtest.Approved), "[200]", approved, 2, "the final callback: read back, acted on"},
		{d.job3, d.cannotBeAsked(d.job3), "[503 503 503 503]", open, 2, "the final callback, but the answer to our question has a wrong pair"},
		{d.job3, d.restarts, "[]", approved, 3, "we start again and Smile ID can be asked: the sweep finishes it"},
	} {
		if err := s.play(ctx, d, out); err != nil {
			return err
		}
	}
	return nil
}

// A step is one line of the output.
type step struct {
	about    job
	do       func(ctx context.Context) (statuses []int, err error)
	statuses string // what each attempt to deliver the callback got
	state    state  // of the job, afterwards
	actions  int    // so far, for all jobs
	what     string
}

func (s step) play(ctx context.Context, d *demo, out io.Writer) error {
	got, err := s.do(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.what, err)
	}
	statuses := fmt.Sprint(got)
	state, actions, err := d.look(ctx, s.about)
	if err != nil {
		return err
	}
	if statuses != s.statuses || state != s.state || actions != s.actions {
		return fmt.Errorf("%s: got %s, %q, %d actions; expected %s, %q, %d",
			s.what, statuses, state, actions, s.statuses, s.state, s.actions)
	}
	_, err = fmt.Fprintf(out, "%-18s %-9s %-8d %s, %s: %s\n", statuses, state, actions, s.about.id, s.about.api, s.what)
	return err
}

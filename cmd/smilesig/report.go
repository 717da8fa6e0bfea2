package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// A report is what an examiner finds. It has no key, no signature and nothing of the
// body.
type report struct {
	Accepted   bool        `json:"accepted"`
	Status     int         `json:"status"`           // what Verifier.Handler answers with
	Reason     string      `json:"reason,omitempty"` // the word of smilesig.Reason
	Detail     string      `json:"detail,omitempty"` // the error
	Steps      []step      `json:"steps"`
	WouldMatch []candidate `json:"would_match,omitempty"`
	Advice     string      `json:"advice,omitempty"`
}

type step struct {
	Name    string  `json:"step"`
	Outcome outcome `json:"outcome"`
	Detail  string  `json:"detail"`
}

type outcome string

const (
	holds      outcome = "holds"
	fails      outcome = "fails"
	notChecked outcome = "not checked"
)

// A candidate is a partner ID and a key that nobody has configured together.
type candidate struct {
	PartnerID string `json:"partner_id"`
	KeyOf     string `json:"key_of"` // the name of a credential
}

// text returns the report for people, without a line break at its end.
func (r report) text() string {
	var lines strings.Builder
	table := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	for _, s := range r.Steps {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Outcome, s.Detail)
	}
	for _, c := range r.WouldMatch {
		fmt.Fprintf(table, "hint\twould match\tpartner ID %s with the key of %s\n", c.PartnerID, c.KeyOf)
	}
	if r.Advice != "" {
		fmt.Fprintf(table, "hint\t\t%s\n", r.Advice)
	}
	table.Flush()
	verdict := "accepted"
	if !r.Accepted {
		verdict = "refused: " + r.Detail
	}
	return fmt.Sprintf("%s%s (HTTP %d)", lines.String(), verdict, r.Status)
}

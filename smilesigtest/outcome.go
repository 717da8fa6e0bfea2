package smilesigtest

import (
	"encoding/json"
	"slices"
)

// An Outcome is how a job ends, or how it stands.
type Outcome int

const (
	Approved    Outcome = iota
	Declined            // the person is not who they say, or is on a list
	Provisional         // not decided for good: a review, a partial match, or a warning
	Failed              // no result: an authority cannot be asked, or a photo cannot be used

	// IDValidated is the first half of a biometric KYC job of v1: the ID exists, and
	// the result of the face follows. Its code, 1012, is an approval for other
	// products, so a handler must look at the product. Elsewhere, IDValidated is
	// reported as Provisional.
	IDValidated
)

var outcomeNames = []string{"approved", "declined", "provisional", "failed", "id-validated"}

// String returns the outcome in lower case, such as "approved".
func (o Outcome) String() string {
	if o < Approved || o > IDValidated {
		return "Outcome(invalid)"
	}
	return outcomeNames[o]
}

// ParseOutcome returns the outcome that String names, and whether there is one.
func ParseOutcome(name string) (o Outcome, ok bool) {
	i := slices.Index(outcomeNames, name)
	return Outcome(max(i, 0)), i >= 0
}

// Always returns a function for the Outcomes of a stand-in's Server that gives
// every job the same outcomes. Always() leaves every job undecided.
func Always(outcomes ...Outcome) func(Job) []Outcome {
	return func(Job) []Outcome { return outcomes }
}

// changes has, by version, product and outcome, how a body differs from the sample.
// What is under the product "" holds for every product.
var changes = func() (read map[string]map[string]map[string]object) {
	text, _ := samples.ReadFile("samples/outcomes.json") // embedded
	json.Unmarshal(text, &read)                          // ours
	return read
}()

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/smilesig"
)

// An examiner checks one callback. All that it reports comes from Verifiers. It
// never computes a signature, so it cannot print one.
type examiner struct {
	header          http.Header
	body            []byte
	maxAge, maxSkew time.Duration
	now             time.Time
	accepted, tried []smilesig.Credential // accepted has one at least
}

func (e examiner) examine(ctx context.Context) report {
	cb, err := e.verify(ctx, e.accepted...)
	r := report{Accepted: err == nil, Status: smilesig.StatusCode(err), Reason: smilesig.Reason(err)}
	if err != nil {
		r.Detail = text(err)
	}
	if !isAboutSignatureOrAge(r.Reason) {
		r.Steps = []step{
			{"form", fails, r.Detail},
			{"signature", notChecked, "not checked, because the form fails"},
			{"age", notChecked, "not checked, because the form fails"},
			guardStep,
		}
		r.Advice = e.formAdvice()
		return r
	}
	r.Steps = append(r.Steps, step{"form", holds, "the pair is in the " + e.placement()})
	r.Steps = append(r.Steps, e.signatureSteps(ctx)...)
	r.Steps = append(r.Steps, e.ageStep(cb, err), guardStep)
	if errors.Is(err, smilesig.ErrSignature) {
		r.WouldMatch = e.wouldMatch(ctx)
		r.Advice = e.advice(r.WouldMatch)
	}
	return r
}

// guardStep reports what one callback alone cannot show.
var guardStep = step{"guard", notChecked, "a server with a guard refuses a second body with the same pair"}

// isAboutSignatureOrAge reports whether a Verifier that refused for this reason, or
// for none, has found a pair in the callback.
func isAboutSignatureOrAge(reason string) bool {
	return slices.Contains([]string{"", "signature", "stale", "future"}, reason)
}

// placement says where a Verifier finds the pair.
func (e examiner) placement() string {
	if e.header.Values("Response-Signature") != nil {
		return "headers, as in v3"
	}
	return "body, as in v1 and v2"
}

func (e examiner) verify(ctx context.Context, credentials ...smilesig.Credential) (smilesig.Callback, error) {
	signer, err := smilesig.NewSigner(credentials[0], credentials[1:]...)
	if err != nil {
		return smilesig.Callback{}, err
	}
	verifier := smilesig.Verifier{
		Signer: signer, MaxAge: e.maxAge, MaxSkew: e.maxSkew,
		Guard: smilesig.NoGuard, Now: func() time.Time { return e.now },
	}
	return verifier.Verify(ctx, "/", e.header, e.body)
}

func (e examiner) matches(ctx context.Context, c smilesig.Credential) bool {
	_, err := e.verify(ctx, c)
	return !errors.Is(err, smilesig.ErrSignature)
}

func (e examiner) signatureSteps(ctx context.Context) (steps []step) {
	for _, c := range e.accepted {
		s := step{"signature", fails, c.Label + ": partner ID " + c.PartnerID}
		if e.matches(ctx, c) {
			s.Outcome = holds
		}
		steps = append(steps, s)
	}
	return steps
}

// ageStep is about a verification that returned cb and err.
func (e examiner) ageStep(cb smilesig.Callback, err error) step {
	switch {
	case errors.Is(err, smilesig.ErrSignature):
		return step{"age", notChecked, "no signature confirms the timestamp, so anyone can have written it"}
	case err != nil:
		return step{"age", fails, text(err)}
	}
	age := e.now.Sub(cb.Time).Round(time.Millisecond)
	if age < 0 {
		return step{"age", holds, fmt.Sprintf("%v ahead, limit %v", age.Abs(), e.maxSkew)}
	}
	return step{"age", holds, fmt.Sprintf("%v old, limit %v", age, e.maxAge)}
}

// wouldMatch tries what configurations often get wrong: a credential that is not
// accepted, a key with the partner ID of an accepted one, an ID with or without
// leading zeros.
func (e examiner) wouldMatch(ctx context.Context) (matching []candidate) {
	tried := map[smilesig.Credential]bool{}
	var acceptedIDs []string
	for _, c := range e.accepted {
		acceptedIDs = append(acceptedIDs, paddings(c.PartnerID)...)
	}
	for _, key := range slices.Concat(e.accepted, e.tried) {
		for _, id := range slices.Concat(acceptedIDs, paddings(key.PartnerID)) {
			c := smilesig.Credential{PartnerID: id, APIKey: key.APIKey}
			if tried[c] {
				continue
			}
			tried[c] = true
			if e.matches(ctx, c) {
				matching = append(matching, candidate{PartnerID: id, KeyOf: key.Label})
			}
		}
	}
	return matching
}

// paddings returns id. If id is a number, it also returns id without leading zeros
// and padded with zeros to up to four digits.
func paddings(id string) []string {
	if strings.Trim(id, "0123456789") != "" {
		return []string{id}
	}
	bare := strings.TrimLeft(id, "0")
	all := []string{id}
	for digits := max(1, len(bare)); digits <= max(4, len(bare)); digits++ {
		all = append(all, strings.Repeat("0", digits-len(bare))+bare)
	}
	return all
}

// formAdvice says what a form is that smilesig does not know.
func (e examiner) formAdvice() string {
	var body struct {
		SecKey json.RawMessage `json:"sec_key"`
	}
	if json.Unmarshal(e.body, &body); body.SecKey != nil {
		return "it has a sec_key: that is Smile ID's legacy scheme, which smilesig does not support; let Smile ID send you a signature"
	}
	return ""
}

func (e examiner) advice(matching []candidate) string {
	switch {
	case strings.Contains(fmt.Sprint(e.header), `\/`):
		return `a header has \/, which is / in JSON: it was pasted from there, so write / for it`
	case len(matching) > 0:
		return "configure the partner ID and the key together, exactly as they are in the portal"
	}
	return "no key matches with any partner ID: another key has signed it (sandbox and production differ), or the timestamp or the signature was changed on the way"
}

package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core/diag"
)

// Rules says what the rules are and how they do.
type Rules interface {
	Rules() RuleSet
	// Snap returns what a decision depended on; store.ErrNotFound if nothing
	// of that hash is kept.
	Snap(ctx context.Context, hash string) (Snap, error)
	RuleBench
}

// RuleSet is the set of rules in force, and what was wrong with the last one
// that was to replace it.
type RuleSet struct {
	Hash     string          `json:"hash"`           // of the files
	Snap     string          `json:"snap,omitempty"` // what records of decisions name now
	LoadedAt time.Time       `json:"loaded_at,omitzero"`
	Rules    []Rule          `json:"rules"`              // in their order
	TriedAt  time.Time       `json:"tried_at,omitzero"`  // when files were last read
	Problems []*diag.Problem `json:"problems"`           // of that attempt; none: it is in force
	Warnings []*diag.Problem `json:"warnings,omitempty"` // of the set in force
	More     int             `json:"more,omitempty"`     // problems that are not shown
}

// Rule is a rule and what became of it since the gateway's start.
type Rule struct {
	Name       string    `json:"name"`
	On         string    `json:"on"`
	At         diag.Pos  `json:"at"`
	Matched    uint64    `json:"matched"`
	NotMatched uint64    `json:"not_matched"`
	Errors     uint64    `json:"errors"`
	LastMatch  time.Time `json:"last_match,omitzero"`
	LastError  string    `json:"last_error,omitempty"` // why its condition failed last
	Disabled   string    `json:"disabled,omitempty"`   // why the gateway took it out
}

const maxProblems = 200 // shown

// Snap is what a decision depended on beside the conversation and the event.
type Snap struct {
	Snap   string     `json:"snap"`   // its hash
	Engine string     `json:"engine"` // version
	Rules  string     `json:"rules"`  // hash of the files, as RuleSet has it
	Files  []RuleFile `json:"files"`  // of the rules, in their order

	Without []string `json:"without,omitempty"` // rules that were out of it because they took too long
}

// RuleFile is a rule file as it was.
type RuleFile struct {
	Path string `json:"path"` // below the rules' directory
	Text string `json:"text"`
}

// getRules answers GET /v1/rules.
//
//	200 {"hash":"9c…","snap":"5a…","loaded_at":"…","rules":[{"name":"nobody answers","on":"customer_unattended",
//	     "at":{"file":"rules.d/retail.yaml","line":3,"column":5},"matched":7,…}],"tried_at":"…",
//	     "problems":[{"file":"rules.d/retail.yaml","line":6,"column":11,"summary":"…","hint":"…"}]}
func (a *Admin) getRules(_ context.Context, r *fasthttp.RequestCtx) error {
	set := a.gateway.Rules()
	if set.Rules == nil {
		set.Rules = []Rule{}
	}
	if set.Problems == nil {
		set.Problems = []*diag.Problem{}
	}
	if n := len(set.Problems); n > maxProblems {
		set.Problems, set.More = set.Problems[:maxProblems], n-maxProblems
	}
	set.Warnings = set.Warnings[:min(len(set.Warnings), maxProblems)]
	writeJSON(r, fasthttp.StatusOK, set)
	return nil
}

// getSnap answers GET /v1/snaps/{id}, the id being what a record of history
// calls its snap.
//
//	200 {"snap":"5a…","engine":"v1.2.0","rules":"9c…","files":[{"path":"retail.yaml","text":"rules:\n…"}]}
func (a *Admin) getSnap(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	s, err := a.gateway.Snap(ctx, id)
	if err != nil {
		return err
	}
	if s.Files == nil {
		s.Files = []RuleFile{}
	}
	writeJSON(r, fasthttp.StatusOK, s)
	return nil
}

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
}

// RuleSet is the set of rules in force, and what was wrong with the last one
// that was to replace it.
type RuleSet struct {
	Hash     string          `json:"hash"`
	LoadedAt time.Time       `json:"loaded_at,omitzero"`
	Rules    []Rule          `json:"rules"`             // in their order
	TriedAt  time.Time       `json:"tried_at,omitzero"` // when files were last read
	Problems []*diag.Problem `json:"problems"`          // of that attempt; none: it is in force
	More     int             `json:"more,omitempty"`    // problems that are not shown
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

// getRules answers GET /v1/rules.
//
//	200 {"hash":"9c…","loaded_at":"…","rules":[{"name":"nobody answers","on":"customer_unattended",
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
	writeJSON(r, fasthttp.StatusOK, set)
	return nil
}

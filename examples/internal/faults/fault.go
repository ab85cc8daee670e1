// Package faults has made-up HTTP APIs misbehave when they are told to. It is for
// demos and tests.
//
//	l := faults.List{Half: `{"id":"`}
//	mux.HandleFunc("POST /messages", l.Call("messages", send))
//	l.Handle(mux) // /sim/faults
//	err := l.Add(faults.Fault{Verb: "messages", Kind: "hang", After: true})
package faults

import (
	"net/http"
	"slices"
	"strconv"
)

// Fault is one way to misbehave.
//
//	{"verb":"sendmsg","kind":"hang","count":1,"after":true}
//
// Verb is a call of the API, or "" for all of them. Kind is hang (no answer until
// the client gives up), rst (the connection is reset), slow (one byte a second),
// html, half (JSON cut in the middle), empty (200 and no body), redirect, a status
// such as 500 or 429, or what the API has of its own. Count is how often, 0 for
// ever. After carries the call out first, so that only the answer is lost.
type Fault struct {
	Verb       string `json:"verb"`
	Kind       string `json:"kind"`
	Count      int    `json:"count"`
	After      bool   `json:"after"`
	RetryAfter int    `json:"retry_after"`        // seconds, with a status
	Envelope   bool   `json:"envelope,omitempty"` // the status stands in the answer alone, and HTTP says 200
}

// kinds are those of every API.
var kinds = []string{"hang", "rst", "slow", "html", "half", "empty", "redirect"}

// Status returns the status that Kind is, or 0.
func (f Fault) Status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 200 || n > 599 {
		return 0
	}
	return n
}

func (f Fault) common() bool { return slices.Contains(kinds, f.Kind) || f.Status() != 0 }

// retry says when to come again, if f does.
func (f Fault) retry(w http.ResponseWriter) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
}

package core

import "time"

// Limit is how often a rule may match within a time.
type Limit struct {
	Times  int
	Within time.Duration // 0: ever
	Reason string        // of a rule that is left out because of it: once, cooldown, throttled
}

// Reached says whether matches at the given Unix milliseconds, oldest first, use
// the limit up at now.
func (l Limit) Reached(at []int64, now int64) bool {
	if len(at) < l.Times {
		return false
	}
	oldest := at[len(at)-l.Times]
	return l.Within == 0 || oldest > now-l.Within.Milliseconds()
}

// Bound is what a rule limits its actions by beyond one conversation. It is
// asked when a command is dispatched.
type Bound struct {
	PerCustomer bool // each customer counts apart; else all count together
	Limits      []Limit
}

// Wait is a rule whose condition holds, and which is to be looked at again.
type Wait struct {
	Rule  string
	After time.Duration
	Hash  string // of what it waits for: a rule with another one is not the same any more
}

// Count is a match that counts against the limits of its rule per conversation.
type Count struct {
	Rule string
	Keep int           // the last so many matches are needed
	For  time.Duration // they are needed for so long; 0: for ever
}

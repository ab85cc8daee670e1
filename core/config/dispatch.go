package config

import "time"

// Ambiguous says what happens to a message of which nobody knows whether it
// arrived.
type Ambiguous string

// The choices.
const (
	Resend Ambiguous = "resend" // once, flagged; the second time it is a dead letter
	Dead   Ambiguous = "dead"   // a dead letter at once
)

// Dispatch is a block of an instance that changes how commands leave to it:
//
//	dispatch {
//	  ambiguous = "resend"  # or "dead": messages that may or may not have arrived
//	  max_parts = 20        # a longer message is one dead letter
//	  lane_age  = "24h"     # then the head of a blocked lane is dead and the lane goes on
//	}
//
// The values shown are the defaults; calls are always "dead".
type Dispatch struct {
	Ambiguous Ambiguous
	MaxParts  int
	LaneAge   time.Duration
}

func readDispatch(b *block) Dispatch {
	return Dispatch{
		Ambiguous: Ambiguous(b.oneOf("ambiguous", string(Resend), string(Resend), string(Dead))),
		MaxParts:  b.count("max_parts", 20),
		LaneAge:   b.duration("lane_age", 24*time.Hour),
	}
}

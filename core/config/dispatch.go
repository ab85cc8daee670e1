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

// Overflow says what becomes of a text that is over the limit.
type Overflow string

// The choices.
const (
	SplitTexts  Overflow = "split"  // it goes as several messages
	RefuseTexts Overflow = "refuse" // it is dropped, and who wrote it is told
)

// TextUnits are what a text limit can count: UTF-16 code units, Unicode code
// points, bytes of UTF-8, what a person calls a character, septets of GSM 03.38.
var TextUnits = []string{"utf16", "rune", "byte", "grapheme", "gsm7"}

// Dispatch is a block of an instance that changes how commands leave to it:
//
//	dispatch {
//	  ambiguous  = "resend"  # or "dead": messages that may or may not have arrived
//	  max_parts  = 20        # a longer message is one dead letter
//	  lane_age   = "24h"     # then the head of a blocked lane is dead and the lane goes on
//	  text_limit = 1024      # of one message; default: the driver's
//	  text_unit  = "utf16"   # what it counts, see TextUnits; default: the driver's
//	  overflow   = "split"   # or "refuse": longer texts; default: the driver's
//	  rate       = 0.5       # messages per second; default: the driver's
//	  burst      = 10        # that may go at once within it; default: the driver's
//	}
//
// The values of the first three are the defaults; calls are always "dead".
type Dispatch struct {
	Ambiguous Ambiguous
	MaxParts  int
	LaneAge   time.Duration
	TextLimit int      `json:",omitempty"` // 0: the driver's
	TextUnit  string   `json:",omitempty"` // "": the driver's
	Overflow  Overflow `json:",omitempty"` // "": the driver's
	Rate      float64  `json:",omitempty"` // per second, 0: the driver's
	Burst     int      `json:",omitempty"` // 0: the driver's
}

// maxRate is the highest rate that makes a difference, per second.
const maxRate = 1e6

func readDispatch(b *block) Dispatch {
	d := Dispatch{
		Ambiguous: Ambiguous(b.oneOf("ambiguous", string(Resend), string(Resend), string(Dead))),
		MaxParts:  b.count("max_parts", 20),
		LaneAge:   b.duration("lane_age", 24*time.Hour),
		TextLimit: b.count("text_limit", 0),
		TextUnit:  b.oneOf("text_unit", "", TextUnits...),
		Overflow:  Overflow(b.oneOf("overflow", "", string(SplitTexts), string(RefuseTexts))),
		Rate:      b.positive("rate", maxRate),
		Burst:     b.count("burst", 0),
	}
	if d.TextUnit != "" && !b.has("text_limit") {
		b.r.problem(b.at("text_unit"), "text_unit says what text_limit counts; there is no text_limit")
	}
	return d
}

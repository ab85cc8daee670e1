package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// assembly is a text of which not all segments have come. It is kept in the instance's
// state: a segment is answered only once it is there.
type assembly struct {
	Key    string       `json:"key"`
	ID     string       `json:"id"` // of the event that it becomes
	At     time.Time    `json:"at"` // when the first segment came
	Source smpp.Address `json:"source"`
	Dest   smpp.Address `json:"dest"`
	Total  uint8        `json:"total"`
	Parts  []part       `json:"parts"` // in the order in which they came
}

// part is one segment.
type part struct {
	Index  uint8  `json:"index,omitempty"`
	Coding uint8  `json:"coding,omitempty"`
	Header int    `json:"header,omitempty"`
	Octets []byte `json:"octets"`
}

// keyOf says which segments belong together.
func keyOf(m smpp.Message) string {
	return fmt.Sprintf("%s>%s#%d/%t/%d", m.Source.Addr, m.Dest.Addr, m.Segment.Ref, m.Segment.Wide, m.Segment.Total)
}

// with returns a with one more segment. repeated: it is there already. other: there is
// another one in its place, of a text that had the same reference.
func (a assembly) with(m smpp.Message) (_ assembly, repeated, other bool) {
	for _, p := range a.Parts {
		if p.Index == m.Segment.Index {
			same := p.Coding == m.Coding && bytes.Equal(p.Octets, m.Octets)
			return a, same, !same
		}
	}
	a.Parts = append(slices.Clone(a.Parts), part{Index: m.Segment.Index, Coding: m.Coding, Header: m.Header, Octets: m.Octets})
	return a, false, false
}

func (a assembly) complete() bool { return len(a.Parts) == int(a.Total) }

// joined returns the text as far as it is there.
func (a assembly) joined() joined {
	parts := slices.Clone(a.Parts)
	slices.SortFunc(parts, func(x, y part) int { return int(x.Index) - int(y.Index) })
	return joined{source: a.Source, dest: a.Dest, total: int(a.Total), parts: parts}
}

// joined is what a customer wrote, in one or several short messages.
type joined struct {
	source, dest smpp.Address
	total        int // of segments; 0: it is whole
	parts        []part
}

// text reads the parts. Those of one alphabet are read as one, so that an ESC or a
// surrogate at the end of one finds what follows; a missing one leaves a mark.
func (j joined) text(standard smpp.Alphabet) string {
	var s strings.Builder
	next := 1
	for i := 0; i < len(j.parts); {
		p := j.parts[i]
		if j.total > 0 {
			s.WriteString(missing(next, int(p.Index), j.total))
		}
		alphabet := smpp.AlphabetOf(p.Coding, standard)
		octets := slices.Clone(alphabet.Unpacked(p.Octets, p.Header))
		for i++; i < len(j.parts) && j.parts[i].Coding == p.Coding && j.parts[i].Index == j.parts[i-1].Index+1; i++ {
			octets = append(octets, alphabet.Unpacked(j.parts[i].Octets, j.parts[i].Header)...)
		}
		next = int(j.parts[i-1].Index) + 1
		if alphabet == smpp.Unreadable {
			fmt.Fprintf(&s, "[%d octets that are no text, data_coding %d]", len(octets), p.Coding)
			continue
		}
		if alphabet == smpp.GSM7Packed {
			alphabet = smpp.GSM7
		}
		s.WriteString(alphabet.Decode(octets, 0))
	}
	if j.total > 0 {
		s.WriteString(missing(next, j.total+1, j.total))
	}
	return s.String()
}

// missing marks the segments from next to before the one at.
func missing(next, at, total int) string {
	switch at - next {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("[part %d of %d is missing]", next, total)
	}
	return fmt.Sprintf("[parts %d to %d of %d are missing]", next, at-1, total)
}

// payload is what a rule can read beside the text.
func (j joined) payload() json.RawMessage {
	b, err := json.Marshal(struct {
		Source     string `json:"source"`
		SourceTON  uint8  `json:"source_ton"`
		Dest       string `json:"destination"`
		Segments   int    `json:"segments"`
		DataCoding uint8  `json:"data_coding"`
	}{j.source.Addr, j.source.TON, j.dest.Addr, max(j.total, 1), j.parts[0].Coding})
	if err != nil {
		return nil
	}
	return b
}

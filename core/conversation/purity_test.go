package conversation_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
)

func (w *world) decidePurely(in conversation.Input) *conversation.Decision {
	w.t.Helper()
	doc, input := w.doc.CloneVT(), snapshot(in)
	d := conversation.Decide(w.doc, in, w.snap, w.now)
	if !proto.Equal(doc, w.doc) {
		w.t.Fatal("Decide changed its document")
	}
	if got := snapshot(in); got != input {
		w.t.Fatalf("Decide changed its input:\n%s\nwas\n%s", got, input)
	}
	first := fingerprint(w.t, d)
	if again := fingerprint(w.t, conversation.Decide(w.doc, in, w.snap, w.now)); again != first {
		w.t.Fatalf("a second decision is another one:\n%s\nwas\n%s", again, first)
	}
	return d
}

func (w *world) check(d *conversation.Decision) {
	w.t.Helper()
	n, records := w.doc.Commands, w.doc.Records
	for _, c := range d.Commands {
		if c.Number <= n || c.Number > d.Doc.Commands || c.Epoch != w.doc.Epoch {
			w.t.Fatalf("command %d after %d of %d", c.Number, n, d.Doc.Commands)
		}
		n = c.Number
		w.pending = append(w.pending, c)
	}
	seen := map[uint64]bool{}
	for _, e := range d.Entries {
		if seen[e.N] || e.N <= records || e.N > d.Doc.Records {
			w.t.Fatalf("record %d after %d of %d", e.N, records, d.Doc.Records)
		}
		seen[e.N] = true
	}
	if got := d.Doc.Records - records; int(got) != len(d.Entries) {
		w.t.Fatalf("%d records of %d numbers", len(d.Entries), got)
	}
	for _, c := range d.Ended {
		i := slices.IndexFunc(w.pending, func(p *state.Command) bool { return p.Number == c.Number })
		if i < 0 {
			w.t.Fatalf("command %d ended and was not pending", c.Number)
		}
		w.pending = slices.Delete(w.pending, i, i+1)
		if w.ends[c.Number]++; w.ends[c.Number] > 1 {
			w.t.Fatalf("command %d ended twice", c.Number)
		}
	}
}

// snapshot is the content of an input.
func snapshot(in conversation.Input) string {
	var b strings.Builder
	add := func(m proto.Message) {
		raw, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		fmt.Fprintf(&b, "%x\n", raw)
	}
	if in.Mail != nil {
		add(in.Mail)
	}
	if r := in.Result; r != nil {
		add(r.Command)
		add(r.Attempts)
		for _, c := range r.Rest {
			add(c)
		}
		fmt.Fprintln(&b, r.End, r.Reason, r.MessageID, r.ChatRef, r.Delivered)
	}
	return b.String()
}

// fingerprint is the content of a decision, without the stacks of panics.
func fingerprint(t *testing.T, d *conversation.Decision) string {
	t.Helper()
	var b bytes.Buffer
	add := func(m proto.Message) {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%x\n", raw)
	}
	add(d.Doc)
	for _, list := range [][]*state.Command{d.Commands, d.Ended, d.Keep} {
		for _, c := range list {
			add(c)
		}
		b.WriteByte('\n')
	}
	for _, e := range d.Entries {
		line := decodeEntry(t, e.Body)
		if r := line.GetRecord(); r != nil {
			r.Dead, _, _ = strings.Cut(r.Dead, "\n")
		}
		fmt.Fprintln(&b, e.N, e.Open)
		add(line)
	}
	for _, l := range d.Dead {
		add(l)
	}
	for _, v := range d.Verdicts {
		add(v)
	}
	fmt.Fprintln(&b, d.Unkeep, d.Retire, d.Binds, d.Timer, d.Indexed, len(d.Poison))
	return b.String()
}

func decodeEntry(t *testing.T, body []byte) *state.Entry {
	t.Helper()
	e := &state.Entry{}
	if err := e.UnmarshalVT(body); err != nil {
		t.Fatal(err)
	}
	return e
}

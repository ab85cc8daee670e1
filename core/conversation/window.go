package conversation

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// WindowIsClosed is why a message was not sent that the channel would not take
// before the customer does something again.
const WindowIsClosed = "window_closed"

// maxWindows is how many kinds of acts of a customer a document remembers.
const maxWindows = 4

// limitsReplies says whether a channel lets a customer be written to only after
// an act of theirs, or only so often.
func limitsReplies(caps *pluginv1.Capabilities) bool { return allows(caps.GetReplyWindow()) }

// allows says whether there is anything that an act allows.
func allows(w *pluginv1.ReplyWindow) bool { return w.GetOpenMs() > 0 || w.GetMessages() > 0 }

// windows notes whether the conversation's channel has reply windows, and those
// that the fact in hand opens.
func (t *turn) windows(f *fact) {
	doc, caps := t.doc, t.snap.Instances[t.doc.Channel].caps()
	switch {
	case caps == nil: // nobody knows now
	case !limitsReplies(caps):
		doc.Windows = nil
	case doc.Windows == nil:
		doc.Windows = &state.Windows{}
		if doc.CustomerMs > 0 { // it has them only now
			OpenWindow(doc, caps.ReplyWindow, time.UnixMilli(doc.CustomerMs))
		}
	}
	widen(doc.Windows, caps.GetReplyWindow())
	if doc.Windows == nil || f.instance != doc.Channel {
		return
	}
	of, own := f.ev.ReplyWindow, false
	if of == nil && f.ev.Type == sdk.CustomerMessage {
		of, own = caps.GetReplyWindow(), true
	}
	if !allows(of) {
		return
	}
	at := t.now
	if ms := f.ev.AtMs; 0 < ms && ms < t.ms { // the far side counts from when it was done
		at = time.UnixMilli(ms)
	}
	doc.Windows.Open = slices.DeleteFunc(doc.Windows.Open, func(w *state.Window) bool {
		return w.Waiting == 0 && !w.IsOpen(false, t.ms) && !w.IsOpen(true, t.ms)
	})
	if own {
		OpenWindow(doc, of, at)
	} else {
		openOther(doc.Windows, of, at)
	}
}

// ownWindow is the number of the window that a customer's messages open; other acts
// have others.
const ownWindow = 1

// OpenWindow notes what a message of a conversation's customer allows: the same
// window is open anew.
func OpenWindow(doc *state.Document, of *pluginv1.ReplyWindow, at time.Time) {
	if doc.Windows == nil {
		doc.Windows = &state.Windows{}
	}
	for _, w := range doc.Windows.Open {
		if w.Number == ownWindow {
			renew(w, of, at)
			return
		}
	}
	add(doc.Windows, ownWindow, of, at)
}

// widen has the window of the customer's messages last as long as the channel's
// settings say by now: when the customer wrote they may have been others, or the
// driver had not yet said what they mean. It never shortens one, for the same reason.
func widen(all *state.Windows, of *pluginv1.ReplyWindow) {
	for _, w := range all.GetOpen() {
		if w.Number != ownWindow || w.Of.GetOpenMs() == 0 || of.GetOpenMs() == 0 || w.Of.Messages != of.Messages {
			continue
		}
		opened := w.UntilMs - int64(w.Of.OpenMs)
		until, agent := opened+int64(of.OpenMs), opened+int64(max(of.OpenMs, of.AgentMs))
		if until >= w.UntilMs && agent >= w.AgentUntilMs {
			w.Of, w.UntilMs, w.AgentUntilMs = of, until, agent
		}
	}
}

// openOther notes what another act of the customer allows. The same kind of act
// opens the same window anew; no other one is changed.
func openOther(all *state.Windows, of *pluginv1.ReplyWindow, at time.Time) {
	number := uint64(ownWindow)
	for _, w := range all.Open {
		if w.Number != ownWindow && proto.Equal(w.Of, of) {
			renew(w, of, at)
			return
		}
		number = max(number, w.Number)
	}
	add(all, number+1, of, at)
}

// add adds a window, at the cost of the one that closes first.
func add(all *state.Windows, number uint64, of *pluginv1.ReplyWindow, at time.Time) {
	if len(all.Open) >= maxWindows {
		first := slices.MinFunc(all.Open, func(a, b *state.Window) int { return cmp.Compare(closes(a), closes(b)) })
		all.Open = slices.DeleteFunc(all.Open, func(o *state.Window) bool { return o == first })
	}
	w := &state.Window{Number: number}
	renew(w, of, at)
	all.Open = append(all.Open, w)
}

// closes is when a window is open for nobody any more.
func closes(w *state.Window) int64 {
	if w.AgentUntilMs == 0 {
		return math.MaxInt64
	}
	return w.AgentUntilMs
}

// renew opens a window anew, unless what it was opened by was done later. What
// still waits has its place in it.
func renew(w *state.Window, of *pluginv1.ReplyWindow, at time.Time) {
	until := func(ms uint64) int64 {
		if of.OpenMs == 0 {
			return 0
		}
		return at.UnixMilli() + int64(max(ms, of.OpenMs))
	}
	if proto.Equal(w.Of, of) && until(0) < w.UntilMs {
		return
	}
	w.Of, w.UntilMs, w.AgentUntilMs = of, until(0), until(of.AgentMs)
	w.Left = of.Messages - min(w.Waiting, of.Messages)
}

// ofAgent says whether a person wrote c's message.
func ofAgent(c *state.Command) bool {
	return c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_AGENT
}

// windowFor is an open window for n messages, nil if there is none: one without
// end of them, or else the one that closes first.
func windowFor(doc *state.Document, agent bool, n int, ms int64) (found *state.Window) {
	for _, w := range doc.GetWindows().GetOpen() {
		switch {
		case !w.IsOpen(agent, ms) || w.Counts() && int(w.Left) < n:
		case !w.Counts():
			return w
		case found == nil || w.UntilMs != 0 && (found.UntilMs == 0 || w.UntilMs < found.UntilMs):
			found = w
		}
	}
	return found
}

// inWindow counts c's n parts in a window; it says no if none is open for them.
func (t *turn) inWindow(c *state.Command, n int) bool {
	c.Window = 0
	if t.doc.Windows == nil {
		return true
	}
	w := windowFor(t.doc, ofAgent(c), n, t.ms)
	if w == nil {
		return false
	}
	if w.Counts() {
		c.Window, w.Left, w.Waiting = w.Number, w.Left-uint32(n), w.Waiting+uint32(n)
	}
	return true
}

// counted takes the end of a message to the customer into its window: one that
// was not sent leaves its place to another one.
func (t *turn) counted(c *state.Command, end End, reason string, resent bool) {
	if c.Kind != state.CommandKind_DELIVER || t.doc.Windows == nil {
		return
	}
	var own *state.Window
	for _, w := range t.doc.Windows.Open {
		if c.Window != 0 && w.Number == c.Window {
			own = w
			w.Waiting -= min(w.Waiting, 1)
		}
	}
	mayHaveArrived := end == Sent || resent || reason == "ambiguous"
	switch {
	case !mayHaveArrived:
		if own != nil && own.Left+own.Waiting < own.Of.Messages {
			own.Left++
		}
	case own == nil || !own.IsOpen(ofAgent(c), t.ms): // it went in another one
		if w := windowFor(t.doc, ofAgent(c), 1, t.ms); w != nil && w.Counts() {
			w.Left--
		}
	}
}

// WindowClosed says whether a message to the customer that waited would be too
// late now, so that the driver need not be asked.
func WindowClosed(doc *state.Document, c *state.Command, caps *pluginv1.Capabilities, now time.Time) bool {
	if c.Kind != state.CommandKind_DELIVER || doc.GetWindows() == nil || !limitsReplies(caps) {
		return false
	}
	return !slices.ContainsFunc(doc.Windows.Open, func(w *state.Window) bool {
		return w.IsOpen(ofAgent(c), now.UnixMilli()) && (!w.Counts() || w.Number == c.Window || w.Left > 0)
	})
}

// tooLate says, to an agent, why a message was not taken.
func (t *turn) tooLate() string {
	const again = "until the customer writes again"
	if t.doc.CustomerMs == 0 {
		return "this channel takes nothing for a customer who has not written first"
	}
	for _, w := range t.doc.GetWindows().GetOpen() {
		if w.Counts() && w.IsOpen(true, t.ms) {
			return fmt.Sprintf("this channel takes %d messages after one of the customer's, and has %d left, %s", w.Of.Messages, w.Left, again)
		}
	}
	of := t.snap.Instances[t.doc.Channel].caps().GetReplyWindow()
	if open := max(of.GetOpenMs(), of.GetAgentMs()); open > 0 && of.GetOpenMs() > 0 {
		return "this channel takes nothing later than " + span(open) + " after the customer's last message, " + again
	}
	return "this channel takes nothing " + again
}

// span is a time in words, such as 24 hours or 90 minutes.
func span(ms uint64) string {
	d := time.Duration(ms) * time.Millisecond
	if d%time.Hour == 0 && d > time.Hour {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", max(d/time.Minute, 1))
}

package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
)

// Some channels take messages only for a while after the customer's last one.
// What a rule or flow sends after a longer wait will mostly be too late, and its
// author is told so; the customer may have written meanwhile, so that it may be
// meant.

// Timers are those of a service that rules can be set off by.
type Timers struct {
	Idle       time.Duration   // 0: none
	Unattended []time.Duration // ascending
}

// lateSend is a message of a flow to the customer on the conversation's own
// channel, which is another one for each rule that begins the flow.
type lateSend struct {
	pos   diag.Pos
	quiet time.Duration // since the customer wrote last
}

// windowWords are fields by which a condition minds the reply window.
var windowWords = []string{"conversation.can_reply", "conversation.reply_until"}

// mindsWindow says whether a condition looks at the reply window.
func mindsWindow(text string) bool {
	return slices.ContainsFunc(windowWords, func(w string) bool { return strings.Contains(text, w) })
}

// windowOf is how long after a customer's message rules can write on a channel; 0:
// always.
func (w *World) windowOf(channel string) time.Duration {
	return time.Duration(w.Drivers[channel].GetCapabilities().GetReplyWindow().GetOpenMs()) * time.Millisecond
}

// inTime warns of a message that the channel will mostly not take any more, or that
// goes to somebody of whom nobody knows when they wrote.
func (l *ruleLoader) inTime(a *send, channel string, pos diag.Pos) {
	window := l.world.windowOf(channel)
	if window == 0 || l.minds || l.world.Past {
		return
	}
	if a.to != nil {
		l.src.warn(pos, "it ends dropped, "+closed, "the channel %q takes nothing later than %s after a customer's last message, "+
			"and whoever this goes to may not have written since", channel, shortDuration(window))
		return
	}
	if wait := l.quiet + l.wait(channel); wait >= window {
		l.src.warn(pos, closedHint, "%s", tooLate(channel, window, wait))
	}
}

const (
	closed     = "window_closed"
	closedHint = "look at conversation.can_reply, or write on another channel"
)

func tooLate(channel string, window, wait time.Duration) string {
	return fmt.Sprintf("the channel %q takes nothing later than %s after the customer's last message, and this goes %s after it or later",
		channel, shortDuration(window), shortDuration(wait))
}

// wait is how long after the customer's message a rule can come to do something on
// a channel.
func (l *ruleLoader) wait(channel string) (wait time.Duration) {
	timers := l.world.Timers[l.world.Channels[channel].Service]
	for _, event := range l.rule.on {
		switch {
		case event == sdk.ChatIdle:
			wait = max(wait, timers.Idle)
		case event == sdk.CustomerUnattended && len(timers.Unattended) > 0:
			wait = max(wait, slices.Max(timers.Unattended))
		}
	}
	if o := l.rule.options; o != nil {
		wait += o.after
	}
	return wait
}

// later notes a flow's message to the customer on the conversation's own channel.
func (l *ruleLoader) later(pos diag.Pos) {
	if l.quiet > 0 && !l.minds {
		l.lates = append(l.lates, lateSend{pos, l.quiet})
	}
}

// waits are the channels on which a rule's customers can be, and how long after
// their messages it can come to do something.
func (l *ruleLoader) waits() map[string]time.Duration {
	if l.ofFlow() || l.minds || l.world.Past {
		return nil
	}
	waits := map[string]time.Duration{}
	for _, name := range l.concerned() {
		if l.world.windowOf(name) > 0 {
			waits[name] = l.wait(name)
		}
	}
	return waits
}

// lateReplies warns of messages of flows that mostly come too late on a channel of
// a rule that begins the flow.
func lateReplies(rules []*rule, flows []*flow, w *World) (ps diag.Problems) {
	byName := map[string]*flow{}
	for _, f := range flows {
		byName[f.def.Name] = f
	}
	told := map[diag.Pos]bool{}
	var look func(name, channel string, wait time.Duration, seen []string)
	look = func(name, channel string, wait time.Duration, seen []string) {
		f := byName[name]
		if f == nil || slices.Contains(seen, name) {
			return
		}
		for _, s := range f.lates {
			if window := w.windowOf(channel); wait+s.quiet >= window && !told[s.pos] {
				told[s.pos] = true
				ps = append(ps, &diag.Problem{
					Pos: s.pos, Severity: diag.Warning, Summary: tooLate(channel, window, wait+s.quiet), Hint: closedHint,
				})
			}
		}
		for _, c := range f.calls {
			look(c.to, channel, wait+c.quiet, append(slices.Clip(seen), name))
		}
	}
	for _, r := range rules {
		for _, a := range r.actions {
			s, ok := a.(*startFlow)
			if !ok || !r.active {
				continue
			}
			for _, channel := range names(s.waits) {
				look(s.name, channel, s.waits[channel], nil)
			}
		}
	}
	return ps
}

package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// past explains a recorded event: by the rules of its time, or by draft.
func (w *workbench) past(ctx context.Context, id string, draft *rules.Set, withTest bool) (*ruleAnswer, error) {
	if w.store == nil {
		return nil, core.Errorf(core.Unavailable, "there are no records here")
	}
	rec, ended, err := w.record(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec.GetDead() != "" {
		return nil, core.Errorf(core.Conflict, "the event could not be decided, and no rule was asked: %.300s", rec.Dead)
	}
	set, snap := draft, snapOf(w.setup, w.offered, draft, nil)
	if draft == nil {
		if set, snap, err = w.setOf(ctx, rec); err != nil {
			return nil, err
		}
	}
	a := newAnswer(rec, set)
	a.ID, a.Snap, a.Engine = id, rec.GetSnap(), rec.GetEngine()
	a.note(rehearse.Unasked(rec, snap))
	if len(a.Notes) > 0 {
		a.unasked()
	}
	for _, r := range a.Rules {
		a.Actions = append(a.Actions, r.Actions...)
	}
	if draft == nil {
		a.compare(rec)
		a.flows(rec)
		for _, n := range rec.GetCommands() {
			if e := ended[n]; e != nil {
				a.Commands = append(a.Commands, showRuleCommand(e.Command, e.GetEnd(), e.GetReason()))
			} else {
				a.Commands = append(a.Commands, ruleCommand{Number: n, Kind: "command", End: "waiting"})
			}
		}
	} else {
		a.note("other rules than those of that time are asked, about the event and the conversation as they were")
	}
	if withTest {
		a.saveTest(w, rec, set)
	}
	return a, nil
}

// compare notes where the record says something else than an evaluation now.
func (a *ruleAnswer) compare(rec *state.Record) {
	if rec.GetEngine() != core.Version {
		a.note(fmt.Sprintf("it was decided by gateway %s, this is %s", rec.GetEngine(), core.Version))
	}
	for _, v := range rec.GetVerdicts() {
		if v.GetRule() == "" {
			a.note("no rule was asked: " + v.GetError())
			continue
		}
		for _, x := range a.Rules {
			if x.Rule == v.GetRule() && x.Verdict != v.GetVerdict().Word() {
				a.note(fmt.Sprintf("the record says %s of %q, and an evaluation now says %s", v.GetVerdict().Word(), x.Rule, x.Verdict))
			}
		}
	}
}

// saveTest writes a test that plays a recorded event again, expecting what it
// leads to then.
func (a *ruleAnswer) saveTest(w *workbench, rec *state.Record, set *rules.Set) {
	name := fmt.Sprintf("%s of %s", rec.View.GetType(), a.At.Format("2006-01-02 15:04:05"))
	t, ps := rules.ParseTest("saved_test.yaml", set.TestOf(name, rec.View, nil))
	if t == nil {
		a.note("no test can be made of it: " + ps.Error())
		return
	}
	play, err := rehearse.Run(stageSnap(w.setup, w.offered, set), &t.Given, t.Events)
	if err != nil {
		a.note("no test can be made of it: " + err.Error())
		return
	}
	var acted []rules.Shown
	for _, act := range play.Acted {
		acted = append(acted, rules.Show(act))
	}
	if !sameActions(acted, a.Actions) {
		a.note("the test does not repeat the event exactly: played again it leads to other actions, which the test expects; look at it")
	}
	a.Test = set.TestOf(name, rec.View, acted)
}

func sameActions(a, b []rules.Shown) bool {
	text := func(list []rules.Shown) string {
		var lines []string
		for _, s := range list {
			lines = append(lines, fmt.Sprintf("%s %s %v", s.Rule, s.Do, s.With))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	return text(a) == text(b)
}

// record finds a record, and the ends of its commands.
func (w *workbench) record(ctx context.Context, id string) (*state.Record, map[uint64]*state.Ended, error) {
	conv, number, ok := strings.Cut(id, "/")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || n == 0 {
		return nil, nil, core.Errorf(core.Invalid, "%.80q is not an event's id; it is conversation/record, the record's number being in the conversation's history", id)
	}
	c, err := core.ParseConversationID(conv)
	if err != nil {
		return nil, nil, err
	}
	b, _, err := w.store.Reader().Document(ctx, c)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, core.Errorf(core.NotFound, "there is no conversation %s", c)
	}
	if err != nil {
		return nil, nil, err
	}
	doc, err := decode(b, &state.Document{}, "conversation "+conv)
	if err != nil {
		return nil, nil, err
	}
	var found *state.Record
	ended := map[uint64]*state.Ended{}
	err = w.history(ctx, c, func(at uint64, e *state.Entry) bool {
		if end := e.GetEnded(); end.GetCommand().GetRecord() == n {
			ended[end.Command.Number] = end
		}
		if r := e.GetRecord(); r.GetNumber() == n {
			found = r
		}
		return at > n
	})
	switch {
	case err != nil:
		return nil, nil, err
	case found != nil:
		return found, ended, nil
	case n > doc.GetRecords():
		return nil, nil, core.Errorf(core.NotFound, "conversation %s has %d records, there is no %d", c, doc.GetRecords(), n)
	}
	return nil, nil, core.Errorf(core.NotFound,
		"record %d is no event, or is past retention (%s) and gone: it cannot be explained any more", n, w.setup.Store.Retention)
}

// history calls visit for the entries of a conversation, the newest first, until
// it returns false.
func (w *workbench) history(ctx context.Context, c core.ConversationID, visit func(n uint64, e *state.Entry) bool) error {
	after := ""
	for {
		page, err := w.store.Reader().History(ctx, c, after, 200)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			e, err := decode(item.Body, &state.Entry{}, "an entry of "+c.String())
			if err != nil {
				return err
			}
			if !visit(item.N, e) {
				return nil
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// setOf compiles the rules that an event was decided with.
func (w *workbench) setOf(ctx context.Context, rec *state.Record) (*rules.Set, *conversation.Snap, error) {
	k, files, err := readSnap(ctx, w.store, rec.GetSnap())
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, core.Errorf(core.NotFound, "the rules of that time (snap %s) are not kept: it cannot be explained exactly; give other rules to explain it with", rec.GetSnap())
	}
	if err != nil {
		return nil, nil, err
	}
	set, ps := rules.Compile(w.setup.RulesDir, files, pastWorld(k))
	if err := ps.Err(); err != nil {
		return nil, nil, core.Errorf(core.Conflict, "the rules of that time do not compile in this version: %s", err)
	}
	if len(k.Without) > 0 {
		set = set.Without(k.Without...)
	}
	return set, &conversation.Snap{Engine: k.Engine, Services: k.Services, Instances: k.Instances}, nil
}

// pastWorld is what rules could name and reach when a snap was in force.
func pastWorld(k keptSnap) rules.World {
	w := rules.World{
		Past: true, Channels: map[string]rules.Channel{}, Locales: map[string]string{}, ServedBy: map[string]string{},
		Drivers: map[string]*pluginv1.Driver{},
	}
	for name, s := range k.Services {
		w.Services = append(w.Services, name)
		if s.Locale != "" {
			w.Locales[name] = s.Locale
		}
		if s.Integration != "" {
			w.ServedBy[name] = s.Integration
		}
	}
	for name, i := range k.Instances {
		if i.Channel {
			w.Channels[name] = rules.Channel{Type: i.Caps.GetChannelType(), Service: i.Service}
		} else {
			w.Integrations = append(w.Integrations, name)
		}
		if i.Caps != nil {
			w.Drivers[name] = &pluginv1.Driver{Capabilities: i.Caps, Abilities: i.Abilities}
		}
	}
	slices.Sort(w.Services)
	slices.Sort(w.Integrations)
	return w
}

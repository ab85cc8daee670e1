package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// workbench answers questions about rules: for a running gateway, or beside one
// that is stopped.
type workbench struct {
	store   archive // nil: only questions that need no records
	setup   *setup
	offered offered
	set     *rules.Set // in force; nil: none
}

// archive is what of a store keeps records and what they name.
type archive interface {
	blobs
	Reader() store.Reader
}

// ruleAnswer is what became of an event, or would.
type ruleAnswer struct {
	ID     string    `json:"id,omitempty"` // conversation/record; none: it is made up
	At     time.Time `json:"at"`
	Snap   string    `json:"snap,omitempty"` // of a recorded event
	Engine string    `json:"engine,omitempty"`
	Notes  []string  `json:"notes"`
	rules.Explanation
	Actions  []rules.Shown `json:"actions"`         // of all rules, and of flows, in order
	Commands []ruleCommand `json:"commands"`        // what they became
	Flows    []ruleFlow    `json:"flows,omitempty"` // what flows did, in order
	Then     []string      `json:"then,omitempty"`  // events that followed in the conversation
	Test     string        `json:"test,omitempty"`
}

// ruleCommand is a command that an action became.
type ruleCommand struct {
	Number   uint64 `json:"number"`
	Kind     string `json:"kind"`
	Rule     string `json:"rule,omitempty"` // "": the routing's
	Instance string `json:"instance,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Text     string `json:"text,omitempty"`
	Part     string `json:"part,omitempty"` // such as 1/3
	End      string `json:"end"`            // sent, dropped, dead; waiting; would be sent
	Reason   string `json:"reason,omitempty"`
}

// ruleFlow is what a flow did, or that it could not begin.
type ruleFlow struct {
	Flow    string `json:"flow"`
	Version string `json:"version"`
	Place   string `json:"place,omitempty"`
	Step    string `json:"step,omitempty"`
	What    string `json:"what"`
}

func (a *ruleAnswer) flows(rec *state.Record) {
	for _, f := range rec.GetFlows() {
		a.Flows = append(a.Flows, ruleFlow{f.GetFlow(), f.GetVersion(), f.GetPlace(), f.GetStep(), f.GetWhat()})
	}
}

func showRuleCommand(c *state.Command, end, reason string) ruleCommand {
	kind := c.GetKind().Word()
	if c.GetKind() == state.CommandKind_COMMAND_UNSPECIFIED { // an event that the loop guard kept from this conversation
		kind = "emit " + c.GetEventName()
	}
	out := ruleCommand{
		Number: c.GetNumber(), Kind: kind, Rule: c.GetRule(), Instance: c.GetInstance(),
		Endpoint: c.GetEndpoint(), Text: c.GetMessage().GetText(), End: end, Reason: reason,
	}
	if m := c.GetMessage(); m.GetParts() > 1 {
		out.Part = fmt.Sprintf("%d/%d", m.GetPart(), m.GetParts())
	}
	return out
}

// explain says why rules did what they did about an event, or would; try what a
// recorded event would lead to now. Both take the rules of q if it has some.
func (w *workbench) explain(ctx context.Context, q httpd.RuleQuestion, try bool) (*ruleAnswer, error) {
	draft, err := w.draft(q.Dir, q.Files)
	if err != nil {
		return nil, err
	}
	id, object, err := eventOf(q)
	if err != nil {
		return nil, err
	}
	if id == lastEvent {
		if id, err = w.lastOf(ctx, q.Rule); err != nil {
			return nil, err
		}
	}
	if object == "" {
		if draft == nil && try {
			draft = w.set
		}
		return w.past(ctx, id, draft, q.Test)
	}
	if draft == nil {
		draft = w.set
	}
	if draft == nil {
		return nil, core.Errorf(core.Conflict, "no rules are in force")
	}
	return w.madeUp(object, draft, q.Test)
}

// eventOf returns the id that a question is about, or else the made-up event.
func eventOf(q httpd.RuleQuestion) (id, object string, err error) {
	text := strings.TrimSpace(string(q.Event))
	switch {
	case strings.HasPrefix(text, "{"):
		return "", text, nil
	case strings.HasPrefix(text, `"`):
		id, err = strconv.Unquote(text)
		if err == nil {
			return id, "", nil
		}
	}
	return "", "", core.Errorf(core.Invalid, `event must be an object with a type, or the id of a recorded event, "conversation/record"`)
}

// draft compiles files; nil without any. Their tests are not run.
func (w *workbench) draft(dir string, files []httpd.RuleFile) (*rules.Set, error) {
	if files == nil {
		return nil, nil
	}
	var sources []rules.Source
	for _, f := range files {
		sources = append(sources, rules.Source{Path: f.Path, Text: f.Text})
	}
	world := rulesWorld(w.setup.Config, w.offered)
	world.Test = nil
	set, ps := rules.Compile(dir, sources, world)
	if err := ps.Err(); err != nil {
		return nil, &core.Error{Code: core.Invalid, Message: "the rules are not good: " + err.Error()}
	}
	return set, nil
}

// stageSnap is what events are rehearsed in: what is set up, with a channel type
// for channels whose plugin nobody knows yet.
func stageSnap(c *setup, o offered, set *rules.Set) *conversation.Snap {
	s := snapOf(c, o, set, nil)
	for _, i := range c.Channels {
		if in := s.Instances[i.Name]; in.Caps.GetChannelType() == "" {
			in.Caps = in.Caps.CloneVT()
			if in.Caps == nil {
				in.Caps = &pluginv1.Capabilities{}
			}
			in.Caps.ChannelType = i.Driver
		}
	}
	return s
}

// madeUp plays an event that somebody made up.
func (w *workbench) madeUp(object string, set *rules.Set, withTest bool) (*ruleAnswer, error) {
	t, ps := rules.ParseEvent("event", object)
	if err := ps.Err(); err != nil {
		return nil, core.Errorf(core.Invalid, "%s", err)
	}
	snap := stageSnap(w.setup, w.offered, set)
	t.Given.At = t.At
	play, err := rehearse.Run(snap, &t.Given, t.Events)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "%s", err)
	}
	if len(play.Records) == 0 {
		return nil, core.Errorf(core.Invalid, "the event leads to nothing")
	}
	first := play.Records[0]
	a := newAnswer(first, set)
	a.note(rehearse.Unasked(first, snap))
	if len(a.Notes) > 0 {
		a.unasked()
	}
	for _, act := range play.Acted {
		a.Actions = append(a.Actions, rules.Show(act))
	}
	a.Commands = would(play)
	for _, r := range play.Records {
		a.flows(r)
	}
	for _, r := range play.Records[1:] {
		a.Then = append(a.Then, r.View.GetType())
	}
	if withTest {
		a.Test = set.TestOf("a "+a.Event+" that was made up", first.View, a.Actions)
	}
	return a, nil
}

// would are the commands of a play, with the ends of those that ended at once.
func would(play *rehearse.Play) []ruleCommand {
	list := []ruleCommand{}
	for _, c := range play.Commands {
		list = append(list, showRuleCommand(c, "would be sent", ""))
	}
	for _, e := range play.Ended {
		list = append(list, showRuleCommand(e.Command, e.End, e.Reason))
	}
	slices.SortStableFunc(list, func(a, b ruleCommand) int { return int(a.Number) - int(b.Number) })
	return list
}

func newAnswer(r *state.Record, set *rules.Set) *ruleAnswer {
	return &ruleAnswer{
		At: time.UnixMilli(r.GetNowMs()).UTC(), Notes: []string{}, Actions: []rules.Shown{}, Commands: []ruleCommand{},
		Explanation: set.Explain(r.View),
	}
}

func (a *ruleAnswer) note(text string) {
	if text != "" {
		a.Notes = append(a.Notes, text)
	}
}

// unasked makes rules that nobody asked ones that were left out.
func (a *ruleAnswer) unasked() {
	for _, r := range a.Rules {
		a.LeftOut = append(a.LeftOut, rules.LeftOut{Rule: r.Rule, At: r.At, Why: a.Notes[0]})
	}
	a.Rules = []rules.Explained{}
}

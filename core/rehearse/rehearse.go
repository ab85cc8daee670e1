// Package rehearse plays events that somebody made up through the real
// [conversation.Decide], without effects: for the tests of rule files, and to try
// rules. What goes outside is taken as done at once.
package rehearse

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Play is what events led to.
type Play struct {
	Records  []*state.Record // of all that was decided, in order
	Acted    []*core.Action  // what rules and flows did
	Commands []*state.Command
	Ended    []*state.Ended  // commands that ended at once, such as those dropped
	Doc      *state.Document // at the end
}

// maxDecisions bounds what a few events can set off.
const maxDecisions = 1000

// stage is a conversation in a world of its own.
type stage struct {
	snap  *conversation.Snap
	doc   *state.Document
	now   time.Time
	begun time.Time
	play  *Play
	left  int
}

// Run plays events. snap holds the rules, services and instances; it is not
// changed. The services' own timers do not run, those of rules and flows do. An error
// that is a *diag.Problem is about what is given.
func Run(snap *conversation.Snap, given *rules.Given, events []rules.TestEvent) (*Play, error) {
	s, err := newStage(snap, given, events)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := s.until(s.begun.Add(e.After)); err != nil {
			return nil, err
		}
		if e.Event == nil {
			continue
		}
		if err := s.decide(conversation.Input{Mail: s.mail(e.Event)}); err != nil {
			return nil, err
		}
	}
	s.play.Doc = s.doc
	return s.play, nil
}

// until lets time pass; timers that come due ring.
func (s *stage) until(t time.Time) error {
	for s.doc.TimerMs != 0 && s.doc.TimerMs <= t.UnixMilli() {
		due := s.doc.TimerMs
		s.now = time.UnixMilli(max(due, s.now.UnixMilli()))
		if err := s.decide(conversation.Input{Mail: &state.Mail{
			AcceptedMs: s.now.UnixMilli(), Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{DueMs: due}},
		}}); err != nil {
			return err
		}
	}
	s.now = t
	return nil
}

var errEndless = errors.New("it goes on without end")

// decide decides in, then the ends of the commands that follow from it.
func (s *stage) decide(in conversation.Input) error {
	queue := []conversation.Input{in}
	for len(queue) > 0 {
		if s.left--; s.left < 0 {
			return errEndless
		}
		d := conversation.Decide(s.doc, queue[0], s.snap, s.now)
		queue = queue[1:]
		if len(d.Poison) > 0 {
			return fmt.Errorf("the event %s cannot be decided: %s", d.Poison[0].Type, d.Poison[0].Stack)
		}
		s.doc = d.Doc
		if err := s.take(d); err != nil {
			return err
		}
		for _, c := range d.Commands {
			queue = append(queue, conversation.Input{Result: sent(c)})
		}
	}
	return nil
}

// sent is the end of a command that the far side took.
func sent(c *state.Command) *conversation.Result {
	r := &conversation.Result{Command: c, End: conversation.Sent}
	switch c.Kind {
	case state.CommandKind_CHAT_OPEN_CMD:
		r.ChatRef = fmt.Sprintf("chat-%d", c.Chat)
	case state.CommandKind_DELIVER:
		r.MessageID = fmt.Sprintf("message-%d", c.Number)
	case state.CommandKind_NOTIFY:
		r.Answer = []byte("null") // as of an endpoint that answers nothing
	}
	return r
}

// take notes what a decision brought.
func (s *stage) take(d *conversation.Decision) error {
	s.play.Acted = append(s.play.Acted, d.Acted...)
	s.play.Commands = append(s.play.Commands, d.Commands...)
	for _, line := range d.Entries {
		e := &state.Entry{}
		if err := e.UnmarshalVT(line.Body); err != nil {
			return err
		}
		if r := e.GetRecord(); r != nil {
			s.play.Records = append(s.play.Records, r)
		} else if ended := e.GetEnded(); ended.GetEnd() != conversation.Sent.String() {
			s.play.Ended = append(s.play.Ended, ended)
		}
	}
	return nil
}

// mail brings an event from where such events come from.
func (s *stage) mail(ev *pluginv1.Event) *state.Mail {
	ev = ev.CloneVT()
	switch {
	case ev.Type == sdk.ChatClosed && ev.Status == "":
		ev.Status = "closed"
	case conversation.IsCall(ev.Type) && ev.CallId == "":
		ev.CallId = s.lastCall()
	}
	m := &state.Mail{AcceptedMs: s.now.UnixMilli(), Source: "integration", Body: &state.Mail_Event{Event: ev}}
	switch svc := s.snap.Services[s.doc.Service]; from(ev.Type) {
	case ofSide:
		s.fromSide(m, svc, ev.By)
	case ofChannel:
		m.Instance, m.Source = s.doc.Channel, "channel"
	case ofIntegration:
		m.Instance = svc.Integration
	case ofTimer:
		m.Source = "timer"
	}
	return m
}

// lastCall is the id of the last call that was placed, "" if none was.
func (s *stage) lastCall() string {
	for _, c := range slices.Backward(s.play.Commands) {
		if c.Kind == state.CommandKind_CALL {
			return c.Message.GetId()
		}
	}
	return ""
}

// fromSide brings a change of who has the conversation from who makes it.
func (s *stage) fromSide(m *state.Mail, svc *conversation.Service, by string) {
	switch by {
	case sdk.ToBot:
		m.Instance = svc.Bot
	case sdk.ToCCSP:
		m.Instance = svc.Integration
	default:
		m.Source = "api"
	}
}

// about is a problem of what is given.
func about(at diag.Pos, hint, format string, args ...any) error {
	p := diag.Errorf(at, format, args...)
	p.Hint = hint
	return p
}

package conversation

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxHops is how many rules may stand between an event and the outside.
const maxHops = 8

// turn is one attempt at a decision.
type turn struct {
	doc  *state.Document
	d    *Decision
	snap *Snap
	now  time.Time
	ms   int64 // now, in Unix milliseconds

	facts   []*fact
	at      int // number of the fact in hand
	stage   int // 1: the core's transition, 2: rules and what they ask for
	faults  map[int]*fault
	record  *state.Record // of the fact in hand
	indexed index
	hops    uint32
	limit   *state.CommandLimit // of the action in hand
	reply   bool                // the action in hand is a flow's, to what the customer has just written
	rang    bool                // the conversation's timer has fired
	sayings []string            // for the agent, see say
	late    bool                // an action has come after the customer could be written to
	untold  bool                // the vendor is to be told of the profile or the attributes
	handed  uint32              // number of the chat that goes to another service, 0: none

	// As they were when the turn began.
	chatBefore     uint32
	commandsBefore uint64
}

// fact is one event to be decided.
type fact struct {
	ev       *pluginv1.Event
	instance string
	chat     uint32 // number of the chat whose poll brought it, or that we end; 0: none
	source   string
	hops     uint32
	lateBy   time.Duration
	token    string // push_token: what the event says in the clear nowhere else
	note     string // why it is only recorded, "" if it is acted on
	tell     bool   // chat_closed: we end it, the vendor is to be told
	made     bool   // control_…: the document has it already
	outbound *state.OutboundRequested
	changed  *state.CustomerChanged
	replay   []*state.Command
	waited   *state.ScheduledTimer // a rule's time has come: it alone sees the event, again
	then     func()                // after the fact's own commands, in any case
}

// proposal is what stage 1 wants done, unless a rule says otherwise.
type proposal struct {
	route   state.Owner // of a customer's message; set last
	routed  bool        // there is a route
	ruled   bool        // a rule says so: nobody else gets it
	deliver bool        // an agent's message goes to the customer
	rules   bool        // rules and flows see the event
	extra   func()      // further commands of the core
}

// begin turns the input into facts.
func (t *turn) begin(in Input) {
	t.stage = 1
	t.chatBefore, t.commandsBefore = t.doc.GetChat().GetNumber(), t.doc.Commands
	if in.Result != nil {
		t.result(in.Result)
		t.speak()
		return
	}
	m := in.Mail
	add := func(ev *pluginv1.Event) *fact {
		f := &fact{ev: ev, instance: m.Instance, source: m.Source, hops: m.Hops}
		t.facts = append(t.facts, f)
		return f
	}
	switch b := m.Body.(type) {
	case *state.Mail_Event:
		add(named(b.Event))
	case *state.Mail_Polled:
		t.polled(m, b.Polled)
	case *state.Mail_Fired:
		t.fired()
	case *state.Mail_Outbound:
		f := add(&pluginv1.Event{Type: "outbound_requested", Id: b.Outbound.Id})
		f.outbound = b.Outbound
	case *state.Mail_Customer:
		add(changeEvent(b.Customer)).changed = b.Customer
	case *state.Mail_Replay:
		add(&pluginv1.Event{Type: "replay_requested"}).replay = b.Replay.Commands
	case *state.Mail_Close:
		t.closeChat(&pluginv1.Event{By: b.Close.By, Reason: b.Close.Reason}, m.Source, 0)
	case *state.Mail_Control:
		r := b.Control
		add(&pluginv1.Event{Type: controlEvents[r.Action], To: r.To, By: r.By, Reason: r.Reason, Params: r.Params})
	case *state.Mail_Joined:
		t.joined(b.Joined)
	case *state.Mail_Linked:
		t.linked(m, b.Linked.Conversation)
	default:
		panic("mail without a body") // one that could not be read
	}
}

// fact decides one fact in two stages and records it.
func (t *turn) fact(f *fact) {
	hide(f)
	broken := t.faults[t.at]
	t.stage, t.hops = 1, f.hops
	if broken != nil && broken.core {
		t.dead(f.ev.GetType(), broken)
		if OfFlow(f.ev.GetType()) {
			t.doc.Flow = nil // nobody would wake it again
		}
		t.endAnyway(f)
		if f.then != nil {
			f.then()
		}
		return
	}
	t.probe(f)
	t.doc.Records++
	t.record = &state.Record{Number: t.doc.Records, NowMs: t.ms, Snap: t.snap.Hash, Engine: t.snap.Engine, DuplicateOf: f.note}
	var p proposal
	if f.note == "" {
		p = t.transition(f)
	}
	t.record.View = t.view(f)

	var asked []core.Action
	var handled bool
	if p.rules {
		t.stage = 2
		if broken == nil {
			t.probe(f)
		}
		asked, handled = t.consult(f, broken)
		asked = t.beginFlows(asked)
	}
	t.act(f, p, asked, handled)
	t.keepRecord()
}

// probe lets a test fail the stage.
func (t *turn) probe(f *fact) {
	if t.snap.Probe != nil {
		t.snap.Probe(t.stage, f.ev.Type)
	}
}

// consult is stage 2: flows first, then rules. What a flow has taken goes no
// further.
func (t *turn) consult(f *fact, broken *fault) (asked []core.Action, handled bool) {
	if broken != nil {
		t.record.Verdicts = append(t.record.Verdicts,
			&state.RuleVerdict{Verdict: state.Verdict_ERROR, Error: "stage 2: " + broken.cause})
		t.flowBroke(f, broken.cause)
		return nil, false
	}
	if step := t.offer(f, t.record.View); step != nil {
		t.replies(step)
		asked, handled = append(asked, step.Actions...), step.Handled
	}
	if t.snap.Rules != nil && !handled && !OfFlow(f.ev.Type) {
		e := t.snap.Rules.Evaluate(t.record.View)
		t.record.Verdicts = append(t.record.Verdicts, e.Verdicts...)
		asked = append(asked, e.Actions...)
		t.wait(f, e.Waits)
		t.count(e.Counts)
	}
	return asked, handled
}

// act makes the commands: those of the proposal, with a rule's forward in
// place of its route, then those that rules and flows asked for. Who is to have
// the conversation gets the message in hand.
func (t *turn) act(f *fact, p proposal, asked []core.Action, handled bool) {
	var changes []controlled
	if p.routed && !handled {
		asked, changes = t.controlFirst(asked)
		p.route = t.whose()
	}
	for _, a := range asked {
		if a.Kind == core.Forward && a.Err == "" && p.routed {
			p.route, p.ruled = a.Owner, true
		}
	}
	switch {
	case p.routed && handled:
		t.record.Route = FlowRoute
		t.heard(f)
		t.receiptTo(t.told(f))
	case p.routed:
		t.route(f, p.route, p.ruled)
	case p.deliver:
		t.deliverAgent(f)
	}
	if p.extra != nil {
		p.extra()
	}
	for _, c := range changes {
		t.finishControl(c)
	}
	for i := range asked {
		t.do(f, &asked[i])
	}
	t.limit, t.reply = nil, false
	t.speak()
	t.update()
	if f.then != nil {
		f.then()
		t.speak()
	}
}

// keepRecord adds the record of the fact in hand to the history.
func (t *turn) keepRecord() {
	r := t.record
	t.d.Verdicts = append(t.d.Verdicts, r.Verdicts...)
	t.entry(r.Number, t.open(r.Number) != nil, &state.Entry{Body: &state.Entry_Record{Record: r}})
}

// entry adds a line of history. It is encoded here because its view shares
// parts of the document, which later facts of the turn may change.
func (t *turn) entry(n uint64, open bool, line *state.Entry) {
	body, err := line.MarshalVT()
	if err != nil {
		panic(err) // a bug: the fact is recorded as dead
	}
	t.d.Entries = append(t.d.Entries, Entry{N: n, Body: body, Open: open})
}

// dead records a fact that stage 1 could not bear.
func (t *turn) dead(typ string, f *fault) {
	t.doc.Records++
	t.record = nil
	r := &state.Record{
		Number: t.doc.Records, NowMs: t.ms, Snap: t.snap.Hash, Engine: t.snap.Engine,
		View: &state.View{Type: typ}, Dead: f.cause + "\n" + f.stack, Document: documentHash(t.doc),
	}
	t.entry(r.Number, false, &state.Entry{Body: &state.Entry_Record{Record: r}})
	t.d.Poison = append(t.d.Poison, Poison{Type: typ, Stack: r.Dead})
}

// finish returns the decision.
func (t *turn) finish() *Decision {
	t.d.Doc = t.doc
	t.d.Indexed = indexOf(t.doc) != t.indexed
	return t.d
}

// index is what a conversation is listed by.
type index struct {
	known                           bool
	state                           state.ChatState
	ref, service, channel, customer string
}

func indexOf(doc *state.Document) index {
	return index{doc.Records > 0, doc.GetChat().GetState(), doc.GetChat().GetRef(), doc.Service, doc.Channel, doc.GetCustomer().GetAddress()}
}

// emit adds a fact of the gateway's own, to be decided after those in hand.
func (t *turn) emit(ev *pluginv1.Event, source string, late time.Duration) {
	t.facts = append(t.facts, &fact{ev: ev, source: source, hops: t.hops, lateBy: late})
}

func (t *turn) service() *Service { return t.snap.service(t.doc.Service) }

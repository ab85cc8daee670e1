package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// plan is a step on its way to the store: what its inputs led to.
type plan struct {
	batch    []*input
	doc      *state.Document // after the batch; nil: there is none
	c        *store.Commit
	binds    []conversation.Bind
	now      time.Time
	added    []*item               // new commands
	ended    map[uint64]bool       // commands that end
	ready    []*item               // heads that are cleared to go once the commit is durable
	marked   []*item               // heads that were there before and whose marker rides in it
	notices  []conversation.Notice // for the customer's app
	verdicts []*state.RuleVerdict
}

// plan decides a batch, one input after the other, into one commit.
func (c *cell) plan(batch []*input) *plan {
	e := c.s.e
	p := &plan{batch: batch, doc: c.doc, now: e.Clock.Now(), ended: map[uint64]bool{}}
	p.c = &store.Commit{ID: e.commitID(), Conversation: c.id, Expect: c.rev, Retention: e.Retention}
	if p.doc == nil {
		p.doc = c.newDocument()
	}
	snap := e.Snap()
	for _, in := range batch {
		switch {
		case in.update != nil:
			// The state of a command's attempts, decided by delivery.
		case in.result != nil:
			c.decideResult(p, in, snap)
		default:
			if in.fresh && in.dedup.ID != "" {
				if in.dup = slices.Contains(p.c.Fresh, in.dedup); in.dup {
					e.m.duplicates.Inc()
					continue
				}
				p.c.Fresh = append(p.c.Fresh, in.dedup)
			}
			if in.seq != 0 {
				p.c.Consume = append(p.c.Consume, in.seq)
			}
			if in.mail == nil {
				continue // it went to the conversation it belongs to
			}
			c.apply(p, conversation.Decide(p.doc, conversation.Input{Mail: in.mail}, snap, p.now), in)
		}
	}
	c.planLanes(p)
	c.complete(p)
	return p
}

// decideResult decides the end of a command. What shares its fate is read
// here: what waits behind it, in memory, in the store, and in this very plan.
func (c *cell) decideResult(p *plan, in *input, snap *conversation.Snap) {
	r := in.result.res
	if p.ended[r.Command.Number] {
		return
	}
	if conversation.NeedsRest(r.Command, r.End) {
		r.Rest = c.restOf(p, in.result.lane, r.Command)
	}
	c.apply(p, conversation.Decide(p.doc, conversation.Input{Result: &r}, snap, p.now), in)
}

// apply adds a decision to the plan.
func (c *cell) apply(p *plan, d *conversation.Decision, in *input) {
	e := c.s.e
	p.doc = d.Doc
	for _, cmd := range d.Commands {
		it := &item{cmd: cmd, att: &state.Attempts{}}
		for _, en := range d.Entries {
			if en.N == cmd.Record {
				it.record = en.Body
			}
		}
		p.added = append(p.added, it)
	}
	for _, cmd := range d.Ended {
		p.ended[cmd.Number] = true
		p.c.OutDone = append(p.c.OutDone, store.OutRef{ID: commandID(cmd), Lane: store.Lane(cmd.Lane)})
	}
	for _, en := range d.Entries {
		entry := store.Entry{N: en.N, Body: en.Body}
		if !en.Open {
			entry.Expires = e.Retention
		}
		p.c.History = append(p.c.History, entry)
	}
	for _, cmd := range d.Keep {
		p.c.Keep = append(p.c.Keep, c.keep(cmd))
	}
	for _, n := range d.Unkeep {
		p.c.Keep = slices.DeleteFunc(p.c.Keep, func(k store.Kept) bool { return k.ID.N == n })
		p.c.Unkeep = append(p.c.Unkeep, core.CommandID{Conversation: c.id, Epoch: p.doc.Epoch, N: n})
	}
	for _, n := range d.Retire {
		c.retire(p, n, in)
	}
	p.verdicts = append(p.verdicts, d.Verdicts...)
	p.binds = append(p.binds, d.Binds...)
	p.notices = append(p.notices, d.Notices...)
	if d.Timer.Set {
		p.c.Timer = store.TimerOp(d.Timer)
	}
	if d.Indexed {
		p.c.Index = indexOf(d.Doc, p.now)
	}
	for i, letter := range d.Dead {
		letter.Id = fmt.Sprintf("%013d-%s-%d", p.now.UnixMilli(), commandID(letter.Command), i)
		p.c.Dead = append(p.c.Dead, store.Dead{ID: letter.Id, Body: encode(letter)})
		reason, _, _ := strings.Cut(letter.Reason, ":") // not what the far side said
		e.m.dead.WithLabelValues(reason).Inc()
		cmd := letter.Command
		e.Log.Warn("command is dead", "conversation", c.id, "command", cmd.Number, "kind", cmd.Kind.String(),
			"instance", cmd.Instance, "endpoint", cmd.Endpoint, "rule", cmd.Rule, "reason", letter.Reason)
	}
	for _, cmd := range d.Ghosts {
		e.Log.Warn("chat was opened by a second try after one without an answer, the vendor may have it twice",
			"conversation", c.id, "command", cmd.Number, "instance", cmd.Instance, "chat", d.Doc.GetChat().GetRef())
	}
	for i, poison := range d.Poison {
		c.quarantine(p, in, i, poison)
	}
}

// retire lets the retention of a record start. If the command that ended last
// still has the record in memory, the store need not read it.
func (c *cell) retire(p *plan, n uint64, in *input) {
	if in.result != nil && in.result.item.record != nil && in.result.item.cmd.Record == n {
		p.c.History = append(p.c.History, store.Entry{N: n, Body: in.result.item.record, Expires: c.s.e.Retention})
		return
	}
	p.c.Retire = append(p.c.Retire, n)
}

// quarantine keeps an input that stage 1 could not bear, and raises an alarm.
func (c *cell) quarantine(p *plan, in *input, i int, poison conversation.Poison) {
	q := &state.Quarantined{
		Id:   fmt.Sprintf("%013d-%s-%d-%d", p.now.UnixMilli(), c.id, p.doc.Records, i),
		AtMs: p.now.UnixMilli(), Reason: "the event could not be decided: " + poison.Stack,
		Mail: in.mail, Conversation: c.id[:],
	}
	if in.mail != nil {
		q.Instance = in.mail.Instance
	}
	p.c.Quarantine = append(p.c.Quarantine, store.Dead{ID: q.Id, Body: encode(q)})
	c.s.e.m.poison.Inc()
	c.s.e.Log.Error("event could not be decided, it is in quarantine",
		"conversation", c.id, "type", poison.Type, "quarantine", q.Id, "stack", poison.Stack)
}

// keep is a sent message that waits for its delivered receipt.
func (c *cell) keep(cmd *state.Command) store.Kept {
	var ttl time.Duration
	if inst := c.s.e.Snap().Instances[cmd.Instance]; inst != nil {
		ttl = time.Duration(inst.Caps.GetUndeliveredForMs()) * time.Millisecond
	}
	return store.Kept{ID: commandID(cmd), Body: encode(cmd.Message), For: ttl}
}

// complete fills the parts of the commit that need the whole plan.
func (c *cell) complete(p *plan) {
	p.c.OutDone = slices.DeleteFunc(p.c.OutDone, func(r store.OutRef) bool {
		return slices.ContainsFunc(p.added, func(it *item) bool { return it.cmd.Number == r.ID.N })
	})
	p.added = slices.DeleteFunc(p.added, func(it *item) bool { return p.ended[it.cmd.Number] })
	for _, it := range p.added {
		p.c.Out = append(p.c.Out, it.out())
	}
	for _, in := range p.batch {
		if in.update != nil && !p.ended[in.update.item.cmd.Number] {
			p.c.Out = append(p.c.Out, in.update.item.out())
		}
	}
	for _, it := range p.marked {
		p.c.Out = append(p.c.Out, it.out())
	}
	switch {
	case c.doc == nil && p.doc.Records == 0:
		p.doc = nil // nothing was decided here: an orphan's mail went to another conversation
	case p.doc != c.doc:
		p.c.Doc = encode(p.doc)
	}
}

// first returns the first command of a lane among items that the plan does not
// end, nil if there is none.
func (p *plan) first(items []*item, lane string) *item {
	for _, it := range items {
		if it.cmd.Lane == lane && !p.ended[it.cmd.Number] {
			return it
		}
	}
	return nil
}

// lanes returns the names of the lanes that the plan touches, in its order.
func (p *plan) lanes() (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, in := range p.batch {
		if in.result != nil {
			add(in.result.lane.name)
		} else if in.update != nil {
			add(in.update.lane.name)
		}
	}
	for _, it := range p.added {
		add(it.cmd.Lane)
	}
	return names
}

// indexOf is what a conversation is listed by.
func indexOf(doc *state.Document, now time.Time) *store.Index {
	i := &store.Index{UpdatedMS: now.UnixMilli(), Status: "none", Service: doc.Service, Channel: doc.Channel}
	i.Customer = clip(doc.GetCustomer().GetAddress())
	if c := doc.Chat; c != nil {
		i.ChatRef = clip(c.Ref)
		i.Status = "closed"
		if c.State == state.ChatState_CHAT_OPEN || c.State == state.ChatState_CHAT_OPENING {
			i.Status = "open"
		}
	}
	return i
}

// indexText is how long an indexed field may be, in bytes.
const indexText = 128

// clip cuts an indexed field.
func clip(s string) string { return s[:min(len(s), indexText)] }

// encode encodes a message of ours; what is in it came through decoding or was
// made here, so a failure is a bug.
func encode(m interface{ MarshalVT() ([]byte, error) }) []byte {
	b, err := m.MarshalVT()
	if err != nil {
		panic(err)
	}
	return b
}

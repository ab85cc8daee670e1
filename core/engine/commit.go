package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

const (
	storeRetry = time.Second          // after the store said no
	chatRefFor = 400 * 24 * time.Hour // how long a vendor's chat id stays bound
	msgRefFor  = 30 * 24 * time.Hour
	indexText  = 128 // bytes of one indexed field
)

// plan is a step on its way to the store.
type plan struct {
	batch    []*input
	doc      *state.Document
	c        *store.Commit
	binds    []conversation.Bind
	now      time.Time
	added    []*item         // new commands
	ended    map[uint64]bool // commands that end
	ready    []*item         // heads that are cleared to go once the commit is durable
	faces    []*item         // their lanes' heads whose attempts changed
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
	c.encode(p)
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
	if d.Timer.Set {
		p.c.Timer = d.Timer
	}
	if d.Indexed {
		p.c.Index = indexOf(d.Doc, p.now)
	}
	for i, letter := range d.Dead {
		letter.Id = fmt.Sprintf("%013d-%s-%d", p.now.UnixMilli(), commandID(letter.Command), i)
		p.c.Dead = append(p.c.Dead, store.Dead{ID: letter.Id, Body: encode(letter)})
		e.m.dead.WithLabelValues(reasonLabel(letter.Reason)).Inc()
		e.Log.Warn("command is dead", "conversation", c.id, "command", letter.Command.Number,
			"kind", letter.Command.Kind.String(), "instance", letter.Command.Instance, "endpoint", letter.Command.Endpoint, "reason", letter.Reason)
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

// encode fills the parts of the commit that need the whole plan.
func (c *cell) encode(p *plan) {
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
	for _, it := range p.faces {
		p.c.Out = append(p.c.Out, it.out())
	}
	switch {
	case c.doc == nil && p.doc.Records == 0:
		p.doc = nil // nothing was decided here: an orphan's mail went to another conversation
	case p.doc != c.doc:
		p.c.Doc = encode(p.doc)
	}
}

// commit makes a plan durable, then tells those who wait and acts on it.
func (c *cell) commit(p *plan) {
	e := c.s.e
	for _, b := range p.binds {
		ttl := chatRefFor
		if b.Message {
			ttl = msgRefFor
		}
		switch err := e.Store.Bind(c.s.ctx, b.Instance, b.Ref, c.id, ttl); {
		case errors.Is(err, store.ErrConflict):
			e.Log.Error("vendor gave one id to two chats", "conversation", c.id, "instance", b.Instance)
		case err != nil:
			c.undo(p)
			c.abort(p.batch, err)
			return
		default:
			e.bound(b.Instance, b.Ref)
		}
	}
	rev, err := c.s.st.Commit(c.s.ctx, p.c)
	if err == nil {
		c.committed(p, rev)
		return
	}
	c.undo(p)
	var dup *store.DuplicateError
	switch {
	case errors.As(err, &dup):
		c.again(p, dup)
	case errors.Is(err, store.ErrConflict):
		e.Log.Warn("document was changed by another writer, deciding again", "conversation", c.id)
		c.forget()
		c.requeue(p.batch)
		e.Exec.Go(c.step)
	case errors.Is(err, store.ErrTooLarge):
		c.tooLarge(p)
	default:
		c.forget()
		c.abort(p.batch, err)
	}
}

// committed tells those who wait and acts.
func (c *cell) committed(p *plan, rev store.Rev) {
	e := c.s.e
	c.mu.Lock()
	c.doc, c.rev, c.loaded, c.single = p.doc, rev, true, false
	for _, seq := range p.c.Consume {
		c.seq = max(c.seq, seq)
	}
	c.mu.Unlock()
	if p.c.Timer.Set {
		c.s.arm(c.id, p.c.Timer.Due)
	}
	for _, in := range p.batch {
		if in.mail != nil && in.result == nil {
			e.m.events.WithLabelValues(sourceLabel(in.mail.Source)).Inc()
		}
		if in.orphan != (orphanRef{}) {
			e.orphans.done(in.orphan, 1)
		}
		in.finish(nil)
	}
	if e.Verdicts != nil && len(p.verdicts) > 0 {
		e.Verdicts(p.now, p.verdicts)
	}
	c.actOn(p)
	c.syncPoll()
	c.rest()
}

// again decides a batch anew without its duplicates, which are acknowledged:
// their originals are durable.
func (c *cell) again(p *plan, dup *store.DuplicateError) {
	n := 0
	var keep []*input
	for _, in := range p.batch {
		if in.fresh && in.dedup.ID != "" && !in.dup {
			if slices.Contains(dup.Fresh, n) {
				c.s.e.m.duplicates.Inc()
				in.finish(nil)
				n++
				continue
			}
			n++
		}
		keep = append(keep, in)
	}
	c.requeue(keep)
	c.s.e.Exec.Go(c.step)
}

// requeue puts a batch back in front.
func (c *cell) requeue(batch []*input) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := slices.DeleteFunc(batch, func(in *input) bool { return in.seq != 0 }) // the store has it
	c.queue = append(keep, c.queue...)
}

// tooLarge is for a document that would outgrow its limit: of several inputs
// each is tried alone, and a single one goes to quarantine.
func (c *cell) tooLarge(p *plan) {
	e := c.s.e
	if len(p.batch) > 1 {
		c.requeue(p.batch)
		c.single = true
		e.Exec.Go(c.step)
		return
	}
	in := p.batch[0]
	q := &plan{batch: p.batch, doc: c.doc, now: p.now, ended: map[uint64]bool{}}
	q.c = &store.Commit{ID: e.commitID(), Conversation: c.id, Expect: c.rev, Consume: p.c.Consume, Fresh: p.c.Fresh}
	if q.doc == nil {
		q.doc = c.newDocument()
		q.c.Doc = encode(q.doc)
	}
	c.quarantine(q, in, 0, conversation.Poison{Type: "document", Stack: "the document would be too large"})
	if in.result != nil {
		cmd := in.result.res.Command
		q.ended[cmd.Number] = true
		q.c.OutDone = append(q.c.OutDone, store.OutRef{ID: commandID(cmd), Lane: store.Lane(cmd.Lane)})
	}
	_, err := c.s.st.Commit(c.s.ctx, q.c)
	if errors.Is(err, store.ErrDuplicate) { // its original is in quarantine
		e.m.duplicates.Inc()
		in.finish(nil)
		c.rest()
		return
	}
	if err != nil {
		c.forget()
		c.abort(q.batch, err)
		return
	}
	c.mu.Lock()
	c.loaded = false
	for _, seq := range q.c.Consume {
		c.seq = max(c.seq, seq)
	}
	c.mu.Unlock()
	in.finish(nil)
	c.actOn(q)
	c.rest()
}

func commandID(c *state.Command) core.CommandID {
	return core.CommandID{Conversation: core.ConversationID(c.Conversation), Epoch: c.Epoch, N: c.Number}
}

// encode encodes a message of ours; what is in it came through decoding or was
// made here, so a failure is a bug.
func encode(m interface{ MarshalVT() ([]byte, error) }) []byte {
	b, err := m.MarshalVT()
	if err != nil {
		panic(err)
	}
	return b
}

// indexOf is what a conversation is listed by.
func indexOf(doc *state.Document, now time.Time) *store.Index {
	i := &store.Index{UpdatedMS: now.UnixMilli(), Status: "none", Service: doc.Service, Channel: doc.Channel}
	i.Customer = head(doc.GetCustomer().GetAddress())
	if c := doc.Chat; c != nil {
		i.ChatRef = head(c.Ref)
		i.Status = "closed"
		if c.State == state.ChatState_CHAT_OPEN || c.State == state.ChatState_CHAT_OPENING {
			i.Status = "open"
		}
	}
	return i
}

func head(s string) string { return s[:min(len(s), indexText)] }

func reasonLabel(reason string) string { s, _, _ := strings.Cut(reason, ":"); return s }

func sourceLabel(s string) string {
	if s == "" {
		return "gateway"
	}
	return s
}

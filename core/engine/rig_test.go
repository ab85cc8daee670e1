package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// rig is a real engine on a store in memory, between a fake channel "chan" and
// a fake integration "desk", in a bubble of fake time. Whatever is not said
// otherwise works: calls are answered at once.
type rig struct {
	*testing.T
	opt   Options
	snap  *conversation.Snap
	rules ruleFunc
	mem   *memstore.Store
	disk  *disk // of this life of the gateway
	e     *Engine
	reg   *prometheus.Registry
	logs  logs

	stop context.CancelFunc
	ran  chan error

	mu     sync.Mutex
	calls  []*call
	opened int
	polled int

	// on takes a call, on another goroutine than the engine's: it answers it
	// now, later or never. nil: ok.
	on func(*call)
	// onPoll answers a poll, after a while; never if that is negative.
	onPoll func(*pluginv1.Poll) (a *pluginv1.PollAnswer, fate core.Fate, after time.Duration)
	posts  []string // endpoints and bodies
	refuse string   // a body that is not taken the first time
}

type ruleFunc func(*state.View) core.Evaluation

func (f ruleFunc) Evaluate(v *state.View) core.Evaluation {
	if f == nil {
		return core.Evaluation{}
	}
	return f(v)
}

// call is a call to a driver.
type call struct {
	*pluginv1.Call
	r        *rig
	instance string
	conv     core.ConversationID
	at       time.Time
	done     func(*pluginv1.Result, core.Fate)
}

func (c *call) ok() { c.done(c.r.good(c), core.Answered) }

func (c *call) outcome(o pluginv1.Outcome, after time.Duration) {
	c.done(&pluginv1.Result{Outcome: o, AfterMs: uint64(after.Milliseconds())}, core.Answered)
}

// good is the answer of a far side that works.
func (r *rig) good(c *call) *pluginv1.Result {
	res := &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
	if c.Op == pluginv1.Op_OPEN {
		r.mu.Lock()
		r.opened++
		res.ChatRef = fmt.Sprint("chat-", r.opened)
		r.mu.Unlock()
	}
	return res
}

// engine runs test with a running engine. conf may change r before the start.
func engine(t *testing.T, conf func(r *rig), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, mem: memstore.New(time.Now), snap: testSnap()}
		if conf != nil {
			conf(r)
		}
		r.boot()
		t.Cleanup(r.halt)
		test(r)
	})
}

func testSnap() *conversation.Snap {
	return &conversation.Snap{
		Hash: "test",
		Services: map[string]*conversation.Service{"shop": {
			Name: "shop", Integration: "desk", Channels: []string{"chan"}, Forward: state.Owner_OWNER_CCSP, Timezone: "UTC",
		}},
		Instances: map[string]*conversation.Instance{
			"chan": {Name: "chan", Channel: true, Service: "shop", Caps: &pluginv1.Capabilities{ChannelType: "rtm"}},
			"desk": {Name: "desk", MessageRouting: true, Caps: &pluginv1.Capabilities{}},
		},
	}
}

// boot starts an engine on what the store has.
func (r *rig) boot() {
	r.Helper()
	r.snap.Rules = r.rules
	r.disk = &disk{Store: r.mem}
	r.reg = prometheus.NewRegistry()
	opt := r.opt
	opt.Store, opt.Drivers, opt.Notifier, opt.Metrics = r.disk, r, r, r.reg
	opt.Log = slog.New(slog.NewTextHandler(io.MultiWriter(&r.logs, r.Output()), nil))
	e, ran := New(opt), make(chan error, 1)
	e.SetSnap(r.snap)
	ctx, stop := context.WithCancel(context.Background())
	r.mu.Lock()
	r.e, r.stop, r.ran = e, stop, ran
	r.mu.Unlock()
	go func() { ran <- e.Run(ctx) }()
	<-e.Started()
	synctest.Wait()
}

// halt stops the engine as a signal does.
func (r *rig) halt() {
	r.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	if err := <-r.ran; err != nil && !r.disk.isDead() {
		r.Errorf("Run = %v", err)
	}
	r.stop = nil
	synctest.Wait()
}

// crash ends the engine as kill -9 does: not one more write reaches the store,
// and no answer reaches the engine.
func (r *rig) crash() {
	r.Helper()
	r.disk.die()
	r.halt()
}

// restart is crash and boot.
func (r *rig) restart() {
	r.Helper()
	r.crash()
	r.boot()
}

// running returns the engine of this life.
func (r *rig) running() *Engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.e
}

// swap is restart while others use the engine.
func (r *rig) swap() {
	r.Helper()
	r.disk.die()
	r.stop()
	<-r.ran
	r.stop = nil
	r.boot()
}

// after lets d pass.
func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ---- the outside ----

// Call implements Drivers.
func (r *rig) Call(instance string, conv core.ConversationID, pc *pluginv1.Call, _ time.Duration, done func(*pluginv1.Result, core.Fate)) {
	c := &call{Call: pc.CloneVT(), r: r, instance: instance, conv: conv, at: time.Now(), done: done}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	on := r.on
	r.mu.Unlock()
	if on == nil {
		on = (*call).ok
	}
	go on(c)
}

// answer replaces what is done with calls from now on.
func (r *rig) answer(on func(*call)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
}

// Poll implements Drivers.
func (r *rig) Poll(_ string, _ core.ConversationID, p *pluginv1.Poll, _ time.Duration, done func(*pluginv1.PollAnswer, core.Fate)) {
	r.mu.Lock()
	r.polled++
	on := r.onPoll
	r.mu.Unlock()
	a, fate, after := &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor}, core.Answered, time.Duration(0)
	if on != nil {
		a, fate, after = on(p)
	}
	if after >= 0 {
		time.AfterFunc(after, func() { done(a, fate) })
	}
}

var good = &pluginv1.Result{Outcome: pluginv1.Outcome_OK}

// Do implements Notifier.
func (r *rig) Do(_ context.Context, endpoint, _ string, body []byte) *pluginv1.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != "" && string(body) == r.refuse {
		r.refuse = ""
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}
	}
	r.posts = append(r.posts, endpoint+" "+string(body))
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
}

// all returns the calls so far.
func (r *rig) all() []*call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// posted returns what endpoints got, in order.
func (r *rig) posted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

// texts returns what was sent to an instance, in order; a repetition has a "!".
func (r *rig) texts(instance string) (texts []string) {
	for _, c := range r.all() {
		if c.instance == instance && c.Message != nil {
			text := c.Message.Text
			if c.Resent {
				text += "!"
			}
			texts = append(texts, text)
		}
	}
	return texts
}

// want fails the test if other texts were sent to an instance.
func (r *rig) want(instance string, texts ...string) {
	r.Helper()
	if got := r.texts(instance); !slices.Equal(got, texts) {
		r.Fatalf("%s got %q, want %q", instance, got, texts)
	}
}

func ada() core.ConversationID { return core.NewConversationID("chan", "ada") }

// from is a message of a customer.
func from(address, id, text string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.CustomerMessage, Id: id, Customer: &pluginv1.Customer{Address: address}, Text: text}
}

// said is a message of an agent in a chat.
func said(ref, id, text string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.IncomingMessage, Id: id, Ref: ref, Text: text}
}

// accept has events accepted and fails the test if they are not.
func (r *rig) accept(instance string, evs ...*pluginv1.Event) {
	r.Helper()
	if err := r.tryAccept(instance, evs...); err != nil {
		r.Fatalf("Accept = %v", err)
	}
	synctest.Wait()
}

func (r *rig) tryAccept(instance string, evs ...*pluginv1.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // in fake time: never
	defer cancel()
	return r.e.Accept(ctx, instance, evs)
}

// start begins an Accept and returns its outcome.
func (r *rig) start(instance string, evs ...*pluginv1.Event) *pending {
	p := &pending{}
	go func() {
		err := r.tryAccept(instance, evs...)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.n++
		p.err = err
	}()
	synctest.Wait()
	return p
}

// pending is an Accept under way.
type pending struct {
	mu  sync.Mutex
	n   int
	err error
}

func (p *pending) outcome() (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, p.err
}

// open lets ada write and the desk open a chat for her.
func (r *rig) open() {
	r.Helper()
	r.accept("chan", from("ada", "hello", "hello"))
	if doc := r.doc(ada()); doc.GetChat().GetRef() == "" {
		r.Fatalf("no chat was opened: %v", doc)
	}
	r.forget()
}

// forget forgets the calls so far.
func (r *rig) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = nil
}

// ---- what the store has ----

func (r *rig) doc(id core.ConversationID) *state.Document {
	r.Helper()
	b, _, err := r.mem.Reader().Document(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	doc := &state.Document{}
	if err := errors.Join(err, doc.UnmarshalVT(b)); err != nil {
		r.Fatal(err)
	}
	return doc
}

// history returns the records and the ends of commands, oldest first.
func (r *rig) history(id core.ConversationID) (records []*state.Record, ends []*state.Ended) {
	r.Helper()
	page, err := r.mem.Reader().History(context.Background(), id, "", 100_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, line := range slices.Backward(page.Items) {
		e := &state.Entry{}
		if err := e.UnmarshalVT(line.Body); err != nil {
			r.Fatal(err)
		}
		if e.GetRecord() != nil {
			records = append(records, e.GetRecord())
		} else {
			ends = append(ends, e.GetEnded())
		}
	}
	return records, ends
}

// decided returns the texts of the decided events of a type, in order.
func (r *rig) decided(id core.ConversationID, typ string) (texts []string) {
	r.Helper()
	records, _ := r.history(id)
	for _, rec := range records {
		if rec.View.GetType() == typ {
			texts = append(texts, rec.View.Event.Text)
		}
	}
	return texts
}

// dead returns the dead letters, oldest first, as "text: reason".
func (r *rig) dead() (letters []string, ids []string) {
	r.Helper()
	page, err := r.mem.Reader().Dead(context.Background(), "", 10_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, d := range slices.Backward(page.Items) {
		l := &state.DeadLetter{}
		if err := l.UnmarshalVT(d.Body); err != nil {
			r.Fatal(err)
		}
		letters = append(letters, l.Command.GetMessage().GetText()+": "+l.Reason)
		ids = append(ids, d.ID)
	}
	return letters, ids
}

func (r *rig) wantDead(letters ...string) {
	r.Helper()
	if got, _ := r.dead(); !slices.Equal(got, letters) {
		r.Fatalf("dead letters = %q, want %q", got, letters)
	}
}

// stored returns a command in the outbox, nil if it has ended.
func (r *rig) stored(key string) *state.Pending {
	r.Helper()
	id, err := core.ParseCommandID(key)
	if err != nil {
		r.Fatal(err)
	}
	items, err := r.mem.Reader().Outbox(context.Background(), id.Conversation, 100_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, it := range items {
		if it.ID == id {
			return pendingOf(it.Body)
		}
	}
	return nil
}

func pendingOf(body []byte) *state.Pending {
	p := &state.Pending{}
	if err := p.UnmarshalVT(body); err != nil {
		panic(err)
	}
	return p
}

// idle fails the test unless everything is done: nothing waits in the store
// and nothing is in memory.
func (r *rig) idle() {
	r.Helper()
	synctest.Wait()
	for i := range store.Shards {
		for ref := range r.mem.Shard(i).Pending(context.Background()) {
			r.Errorf("command %s of lane %s has not ended", ref.ID, ref.Lane)
		}
	}
	if n := r.e.active(); n != 0 {
		r.Errorf("%d conversations are in memory, want none", n)
	}
	if n := r.e.waiting.Load(); n != 0 {
		r.Errorf("%d events are waiting, want none", n)
	}
	for name, i := range *r.e.instances.Load() {
		i.mu.Lock()
		if i.flying != 0 || i.parked.Len() != 0 || i.opens.Load() != 0 || i.waiting.Load() != 0 {
			r.Errorf("%s has %d calls, %d parked lanes, %d opens, %d events, want none",
				name, i.flying, i.parked.Len(), i.opens.Load(), i.waiting.Load())
		}
		i.mu.Unlock()
	}
	if n := r.e.orphans.any.Load(); n != 0 {
		r.Errorf("%d refs are waited for, want none", n)
	}
}

// metric returns the sum of a counter over all labels that include value, "" for all.
func (r *rig) metric(name, value string) float64 {
	r.Helper()
	all, err := r.reg.Gather()
	if err != nil {
		r.Fatal(err)
	}
	sum := 0.0
	for _, f := range all {
		for _, m := range f.Metric {
			match := value == ""
			for _, l := range m.Label {
				match = match || l.GetValue() == value
			}
			if f.GetName() == name && match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (r *rig) wantMetric(name, value string, want float64) {
	r.Helper()
	if got := r.metric(name, value); got != want {
		r.Errorf("%s{%s} = %v, want %v", name, value, got, want)
	}
}

// logs keeps what was logged.
type logs struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logs) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}

// storeEvent is a mail without an id.
func storeEvent(id core.ConversationID, m *state.Mail) store.Event {
	return store.Event{Conversation: id, Body: encode(m)}
}

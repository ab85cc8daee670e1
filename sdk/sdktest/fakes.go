package sdktest

import (
	"bytes"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Typing is what a driver reported with Host.CustomerTyping or ChatTyping.
type Typing struct {
	Address string
	Ref     sdk.ChatRef
	On      bool
}

// fakes are the gateway's services.
type fakes struct {
	events chan sdk.Event
	typing chan Typing

	mu          sync.Mutex
	refuse      int
	state       map[string][]byte
	secrets     map[string]string
	undelivered map[string][]sdk.Message
	ahead       time.Duration
	media       media
}

func newFakes() *fakes {
	return &fakes{
		events: make(chan sdk.Event, 4096), typing: make(chan Typing, 256),
		state: make(map[string][]byte), secrets: make(map[string]string),
		undelivered: make(map[string][]sdk.Message),
	}
}

func (f *fakes) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.ahead)
}

// inbound accepts events, unless it is told to refuse or nobody takes them.
func (f *fakes) inbound(in *pluginv1.Inbound) *pluginv1.Ack {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse > 0 || len(f.events)+len(in.Events) > cap(f.events) {
		f.refuse = max(f.refuse-1, 0)
		return &pluginv1.Ack{AfterMs: 1, Message: "not now"}
	}
	for _, e := range in.Events {
		if e.GetCustomer().GetAddress() == "" && e.Ref == "" {
			return &pluginv1.Ack{Final: true, Message: "an event needs a customer or a ref"}
		}
	}
	for _, e := range in.Events {
		f.events <- eventFrom(e)
	}
	return &pluginv1.Ack{Ok: true}
}

func (f *fakes) serve(c *pluginv1.HostCall) *pluginv1.HostReply {
	if r := f.media.serve(c); r != nil {
		return r
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op := c.Op.(type) {
	case *pluginv1.HostCall_StateGet:
		return &pluginv1.HostReply{Ok: true, Value: f.state[op.StateGet.Key]}
	case *pluginv1.HostCall_StateSet:
		key := op.StateSet.Key
		if !bytes.Equal(f.state[key], op.StateSet.Old) {
			return &pluginv1.HostReply{Conflict: true, Message: "state has changed"}
		}
		f.state[key] = op.StateSet.New
		return &pluginv1.HostReply{Ok: true}
	case *pluginv1.HostCall_SaveSecret:
		f.secrets[op.SaveSecret.Name] = string(op.SaveSecret.Value)
		return &pluginv1.HostReply{Ok: true}
	case *pluginv1.HostCall_Undelivered:
		return &pluginv1.HostReply{Ok: true, Messages: f.waiting(op.Undelivered)}
	case *pluginv1.HostCall_Typing:
		select {
		case f.typing <- Typing{op.Typing.Address, sdk.ChatRef(op.Typing.ChatRef), op.Typing.On}:
		default:
		}
		return nil
	}
	return &pluginv1.HostReply{Message: "unknown call"}
}

func (f *fakes) waiting(r *pluginv1.UndeliveredRequest) (out []*pluginv1.Message) {
	limit := int(r.Limit)
	if limit == 0 {
		limit = 100
	}
	found := r.After == ""
	for _, m := range f.undelivered[r.Address] {
		if found && len(out) < limit {
			out = append(out, messageProto(m))
		}
		found = found || m.ID == r.After
	}
	return out
}

// NextEvent returns the next event that a listener emitted. If none comes
// within a minute the test ends.
func (g *Gateway) NextEvent() sdk.Event {
	g.t.Helper()
	select {
	case e := <-g.fakes.events:
		return e
	case <-time.After(patience):
		g.t.Fatal("no event came")
		return sdk.Event{}
	}
}

// Events has the events that listeners emit, already acknowledged.
func (g *Gateway) Events() <-chan sdk.Event { return g.fakes.events }

// TypingReports has what drivers report of typing.
func (g *Gateway) TypingReports() <-chan Typing { return g.fakes.typing }

// RefuseEvents makes the gateway refuse the next n emissions, as under
// pressure: the SDK emits them again.
func (g *Gateway) RefuseEvents(n int) {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	g.fakes.refuse = n
}

// State returns the instance state under key, nil if there is none.
func (g *Gateway) State(key string) []byte {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	return g.fakes.state[key]
}

// SetState sets the instance state, as if an earlier process had.
func (g *Gateway) SetState(key string, value []byte) {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	g.fakes.state[key] = value
}

// Secret returns what the driver saved with Host.SaveSecret.
func (g *Gateway) Secret(name string) string {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	return g.fakes.secrets[name]
}

// SetUndelivered sets what Host.Undelivered returns for an address.
func (g *Gateway) SetUndelivered(address string, messages ...sdk.Message) {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	g.fakes.undelivered[address] = messages
}

// Advance moves the clock of Host.Now ahead of the real one by d more.
func (g *Gateway) Advance(d time.Duration) {
	g.fakes.mu.Lock()
	defer g.fakes.mu.Unlock()
	g.fakes.ahead += d
}

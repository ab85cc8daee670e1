package conform

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// manyCredits is what a link grants at once, as the gateway does.
const manyCredits = 256

// link is the gateway's end of Exchange. It answers what a gateway answers and
// writes down every rule that the plugin breaks.
type link struct {
	stream pluginv1.Link_ExchangeClient
	host   *fakeHost
	done   chan struct{} // closed when the stream has ended
	gate   sync.Mutex    // held: nothing is read
	pongs  chan uint64
	events chan *pluginv1.PluginFrame // Inbound, if manual

	sending sync.Mutex // guards stream.Send and the order of seq
	seq     uint64

	mu       sync.Mutex
	waiting  map[uint64]chan *pluginv1.PluginFrame
	answered map[uint64]bool
	order    []uint64 // of answers, as they came
	lastSeq  uint64   // of the plugin's frames
	credits  int
	active   bool
	manual   bool // the case acknowledges events itself
	broken   []error
}

func newLink(stream pluginv1.Link_ExchangeClient, h *fakeHost) *link {
	l := &link{
		stream: stream, host: h, done: make(chan struct{}), pongs: make(chan uint64, 64),
		events:  make(chan *pluginv1.PluginFrame, 4096),
		waiting: make(map[uint64]chan *pluginv1.PluginFrame), answered: make(map[uint64]bool),
		manual: h.manual,
	}
	go l.read()
	if !l.manual {
		l.grant(manyCredits)
	}
	return l
}

func (l *link) setActive(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = on
}

// grant lets the plugin emit n more events.
func (l *link) grant(n uint32) {
	l.mu.Lock()
	l.credits += int(n)
	l.mu.Unlock()
	l.batch(&pluginv1.HostBatch{Credits: n})
}

// batch sends b. An error shows when reading.
func (l *link) batch(b *pluginv1.HostBatch) {
	l.sending.Lock()
	defer l.sending.Unlock()
	_ = l.stream.Send(b)
}

// post sends f under a new number; the answer comes on the channel.
func (l *link) post(f *pluginv1.HostFrame) (uint64, <-chan *pluginv1.PluginFrame) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.seq++
	f.Seq = l.seq
	ch := make(chan *pluginv1.PluginFrame, 1)
	l.mu.Lock()
	l.waiting[f.Seq] = ch
	l.mu.Unlock()
	_ = l.stream.Send(&pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{f}})
	return f.Seq, ch
}

// tell sends a frame that wants no answer.
func (l *link) tell(f *pluginv1.HostFrame) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.seq++
	f.Seq = l.seq
	_ = l.stream.Send(&pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{f}})
}

func (l *link) cancel(seq uint64) {
	l.tell(&pluginv1.HostFrame{Instance: instance, Body: &pluginv1.HostFrame_Cancel{Cancel: &pluginv1.Cancel{Seq: seq}}})
}

func (l *link) ack(f *pluginv1.PluginFrame, a *pluginv1.Ack) {
	a.Seq = f.Seq
	l.tell(&pluginv1.HostFrame{Instance: f.Instance, Body: &pluginv1.HostFrame_Ack{Ack: a}})
}

func (l *link) read() {
	defer close(l.done)
	for {
		l.gate.Lock()
		l.gate.Unlock() //nolint:staticcheck // passing through is the point
		b, err := l.stream.Recv()
		if err != nil {
			return
		}
		if b.Pong != 0 {
			select {
			case l.pongs <- b.Pong:
			default:
			}
		}
		for _, f := range b.Frames {
			l.frame(f)
		}
	}
}

func (l *link) frame(f *pluginv1.PluginFrame) {
	if f.ReplyTo != 0 {
		l.answer(f)
		return
	}
	switch b := f.Body.(type) {
	case *pluginv1.PluginFrame_Inbound:
		l.number(f)
		l.inbound(b.Inbound)
		if l.manual {
			l.events <- f
			return
		}
		l.ack(f, &pluginv1.Ack{Ok: true})
		l.grant(1)
	case *pluginv1.PluginFrame_Call:
		r := l.host.serve(b.Call)
		if r == nil {
			return
		}
		l.number(f)
		r.Seq = f.Seq
		l.tell(&pluginv1.HostFrame{Instance: f.Instance, Body: &pluginv1.HostFrame_Reply{Reply: r}})
	}
}

func (l *link) answer(f *pluginv1.PluginFrame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch := l.waiting[f.ReplyTo]
	switch {
	case ch != nil:
		delete(l.waiting, f.ReplyTo)
		l.answered[f.ReplyTo] = true
		l.order = append(l.order, f.ReplyTo)
		ch <- f
	case l.answered[f.ReplyTo]:
		l.breach("frame %d was answered twice", f.ReplyTo)
	default:
		l.breach("an answer to frame %d, which was not asked", f.ReplyTo)
	}
}

// number checks the seq of a frame that the host answers.
func (l *link) number(f *pluginv1.PluginFrame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Seq <= l.lastSeq {
		l.breach("a frame that the gateway answers has seq %d after %d", f.Seq, l.lastSeq)
	}
	l.lastSeq = f.Seq
}

// inbound checks that the plugin may emit now.
func (l *link) inbound(in *pluginv1.Inbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.active {
		l.breach("events from an instance that may not receive")
	}
	if l.credits--; l.credits < 0 {
		l.breach("more Inbound frames than credits")
	}
	for _, e := range in.GetEvents() {
		if e.GetType() == "" {
			l.breach("an event without a type")
		}
		if e.GetCustomer().GetAddress() == "" && e.GetRef() == "" {
			l.breach("an event names neither a customer nor a ref")
		}
	}
}

// breach writes down a broken rule. The caller holds mu.
func (l *link) breach(format string, args ...any) {
	if len(l.broken) < 5 {
		l.broken = append(l.broken, fmt.Errorf(format, args...))
	}
}

// breaches returns the rules that were broken.
func (l *link) breaches() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// answers returns the numbers of the answered frames in their order.
func (l *link) answers() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]uint64(nil), l.order...)
}

// fakeHost keeps what a gateway keeps for an instance, also over the restarts
// of its plugin.
type fakeHost struct {
	manual bool // events are acknowledged by the case

	mu      sync.Mutex
	state   map[string][]byte
	secrets map[string][]byte
}

func newFakeHost() *fakeHost {
	return &fakeHost{state: make(map[string][]byte), secrets: make(map[string][]byte)}
}

// serve returns nil for calls that are not answered.
func (h *fakeHost) serve(c *pluginv1.HostCall) *pluginv1.HostReply {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch op := c.Op.(type) {
	case *pluginv1.HostCall_StateGet:
		return &pluginv1.HostReply{Ok: true, Value: h.state[op.StateGet.Key]}
	case *pluginv1.HostCall_StateSet:
		if !bytes.Equal(h.state[op.StateSet.Key], op.StateSet.Old) {
			return &pluginv1.HostReply{Conflict: true, Message: "state has changed"}
		}
		h.state[op.StateSet.Key] = op.StateSet.New
		return &pluginv1.HostReply{Ok: true}
	case *pluginv1.HostCall_SaveSecret:
		h.secrets[op.SaveSecret.Name] = op.SaveSecret.Value
		return &pluginv1.HostReply{Ok: true}
	case *pluginv1.HostCall_Undelivered:
		return &pluginv1.HostReply{Ok: true}
	case *pluginv1.HostCall_MediaFetch, *pluginv1.HostCall_MediaPut, *pluginv1.HostCall_MediaGet:
		return &pluginv1.HostReply{Refused: true, Message: "no files are taken here"}
	case *pluginv1.HostCall_Typing:
		return nil
	}
	return &pluginv1.HostReply{Message: "the gateway does not know this call"}
}

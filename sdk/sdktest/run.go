package sdktest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Config says what [Run] tests.
type Config struct {
	Plugin sdk.Plugin
	Driver string

	// Settings work: point them at a fake of the far side that takes every
	// message. The suite opens many instances of them, one after the other.
	Settings any

	// BadSettings are refused when an instance is opened: by the schema, by
	// the driver's own checks, or by the far side.
	BadSettings []any

	// Customer is who is written to. The zero value stands for somebody whose
	// address is "4179000001".
	Customer sdk.Customer
}

// Run is the suite that every driver must pass, whatever it does. Its calls
// may fail as errors.go has it; they may not panic, hang, or get lost. Tests
// of what a driver does are the author's own, with [Start].
func Run(t *testing.T, c Config) {
	if c.Customer.Address == "" {
		c.Customer = sdk.Customer{Address: "4179000001", Name: "Ada Lovelace"}
	}
	s := &suite{c}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Describe", s.describe},
		{"Settings", s.settings},
		{"OpenTwice", s.openTwice},
		{"Reconfigure", s.reconfigure},
		{"OrderInConversation", s.order},
		{"SameMessageTwice", s.twice},
		{"LargeMessage", s.large},
		{"Deadline", s.deadline},
		{"Cancel", s.cancel},
		{"UnknownFrames", s.unknown},
		{"Abilities", s.abilities},
		{"Drain", s.drain},
		{"SecretsStaySecret", s.secrets},
		{"CloseReleases", s.closing},
	} {
		t.Run(test.name, test.run)
	}
}

type suite struct{ Config }

func (s *suite) start(t *testing.T) *Gateway {
	t.Helper()
	return Start(t, s.Plugin, "conformance", s.Driver, s.Settings)
}

// message is a call that sends a message. A connector gets the first message
// of a chat, so that no chat must exist.
func (s *suite) message(g *Gateway, who int, id, text string) *pluginv1.HostFrame {
	to := s.Customer
	m := sdk.Message{ID: id, Text: text, Author: sdk.AuthorCustomer, At: time.Now()}
	c := withMessage(&pluginv1.Call{Op: pluginv1.Op_SEND, Customer: customerProto(to)}, m)
	if g.driver.Kind == pluginv1.DriverKind_CONNECTOR {
		c.Op, c.Chat = pluginv1.Op_OPEN, chatProto(s.chat(who))
	}
	f := callFrame(c)
	f.Conversation = fmt.Appendf(nil, "conversation%04d", who)
	return f
}

func (s *suite) chat(who int) sdk.Chat {
	return sdk.Chat{
		Conversation: fmt.Sprintf("%032x", who+1), Number: 1, Customer: s.Customer,
		Channel: "conformance", ChannelType: "sms", Service: "conformance",
	}
}

// ask sends f and wants an answer that is no panic.
func ask(t *testing.T, g *Gateway, f *pluginv1.HostFrame) *pluginv1.PluginFrame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := g.wire.ask(ctx, f)
	if err != nil {
		t.Fatalf("%v was not answered: %v", f.GetCall().GetOp(), err)
	}
	wantSane(t, f, a)
	return a
}

func wantSane(t *testing.T, f *pluginv1.HostFrame, a *pluginv1.PluginFrame) {
	t.Helper()
	r := a.GetResult()
	if p := a.GetPoll(); p != nil {
		r = p.Result
	}
	if r.GetCode() == "panic" || a.GetWebhook().GetDetail() == "panic" {
		t.Errorf("%v: the driver panicked", f.GetCall().GetOp())
	}
	if r != nil && r.Outcome == pluginv1.Outcome_OUTCOME_UNSPECIFIED {
		t.Errorf("%v: an answer without an outcome", f.GetCall().GetOp())
	}
}

func await(t *testing.T, what string, ch <-chan *pluginv1.PluginFrame) *pluginv1.PluginFrame {
	t.Helper()
	select {
	case a := <-ch:
		return a
	case <-time.After(patience):
		t.Fatalf("%s was not answered", what)
		return nil
	}
}

func (s *suite) openTwice(t *testing.T) {
	g := s.start(t)
	g.mu.Lock()
	g.revision-- // the same once more
	g.mu.Unlock()
	if err := g.Reconfigure(t.Context(), s.Settings); err != nil {
		t.Fatalf("opening the same revision again: %v", err)
	}
	ask(t, g, s.message(g, 0, "m1", "hello"))
}

func (s *suite) reconfigure(t *testing.T) {
	g := s.start(t)
	ask(t, g, s.message(g, 0, "m1", "hello"))
	if err := g.Reconfigure(t.Context(), s.Settings); err != nil {
		t.Fatalf("opening another revision: %v", err)
	}
	ask(t, g, s.message(g, 0, "m2", "hello again"))
}

func (s *suite) order(t *testing.T) {
	g := s.start(t)
	const people, each = 4, 8
	asked := make(map[uint64]int)
	var answers []<-chan *pluginv1.PluginFrame
	for i := range people * each {
		who := i % people
		seq, ch := g.wire.post(s.message(g, who, fmt.Sprintf("m%d", i), fmt.Sprintf("message %d", i)))
		asked[seq] = who
		answers = append(answers, ch)
	}
	for i, ch := range answers {
		wantSane(t, &pluginv1.HostFrame{}, await(t, fmt.Sprintf("message %d", i), ch))
	}
	last := make(map[int]uint64)
	for _, seq := range g.wire.answered() {
		who := asked[seq]
		if seq < last[who] {
			t.Errorf("conversation %d: message %d was answered after %d", who, seq, last[who])
		}
		last[who] = seq
	}
}

func (s *suite) twice(t *testing.T) {
	g := s.start(t)
	ask(t, g, s.message(g, 0, "same", "an answer was lost"))
	again := s.message(g, 0, "same", "an answer was lost")
	again.GetCall().Attempt, again.GetCall().Resent = 2, true
	ask(t, g, again)
}

func (s *suite) large(t *testing.T) {
	g := s.start(t)
	ask(t, g, s.message(g, 0, "large", strings.Repeat("é", 1<<19)))
	ask(t, g, s.message(g, 0, "after", "hello"))
}

// late is when a call of 100 ms has not ended with its ctx, also on a machine
// that is busy.
const late = 8 * time.Second

func (s *suite) deadline(t *testing.T) {
	g := s.start(t)
	f := s.message(g, 0, "hurry", "this must be fast")
	f.DeadlineMs = 100
	start := time.Now()
	_, ch := g.wire.post(f)
	wantSane(t, f, await(t, "a call with a deadline", ch))
	if d := time.Since(start); d > late {
		t.Errorf("a call with 100ms took %v: it must end with ctx", d)
	}
}

func (s *suite) cancel(t *testing.T) {
	g := s.start(t)
	f := s.message(g, 0, "cancelled", "nobody waits for this")
	seq, ch := g.wire.post(f)
	g.wire.cancel(seq)
	wantSane(t, f, await(t, "a cancelled call", ch))
	ask(t, g, s.message(g, 0, "after", "hello"))
}

func (s *suite) unknown(t *testing.T) {
	g := s.start(t)
	ask(t, g, unknownField(s.message(g, 0, "newer", "from a newer gateway")))
	g.wire.post(unknownField(&pluginv1.HostFrame{})) // a frame of a kind to come
	g.wire.batch(&pluginv1.HostBatch{Ping: 7})
	select {
	case n := <-g.wire.pongs:
		if n != 7 {
			t.Errorf("pong = %d, want 7", n)
		}
	case <-time.After(patience):
		t.Error("ping was not answered")
	}
	r := ask(t, g, callFrame(&pluginv1.Call{Op: 999, Chat: chatProto(s.chat(0))})).GetResult()
	if r.GetOutcome() != pluginv1.Outcome_UNSUPPORTED {
		t.Errorf("unknown call: %v, want UNSUPPORTED", r.GetOutcome())
	}
}

func unknownField(f *pluginv1.HostFrame) *pluginv1.HostFrame {
	f.ProtoReflect().SetUnknown([]byte{0x9a, 0x3f, 0x03, 'n', 'e', 'w'}) // field 1011
	return f
}

func (s *suite) abilities(t *testing.T) {
	g := s.start(t)
	channel := g.driver.Kind == pluginv1.DriverKind_CHANNEL
	has := make(map[string]bool)
	for _, a := range g.driver.Abilities {
		has[a] = true
	}
	for op, ability := range map[pluginv1.Op]string{
		pluginv1.Op_RECEIPT: pluginv1.AbilityReceipt, pluginv1.Op_TRANSFER: pluginv1.AbilityTransfer,
		pluginv1.Op_HOLD: pluginv1.AbilityHold, pluginv1.Op_REOPEN: pluginv1.AbilityReopen,
		pluginv1.Op_UPDATE: pluginv1.AbilityUpdate, pluginv1.Op_EVENT: pluginv1.AbilitySendEvent,
		pluginv1.Op_CALL_OUT: pluginv1.AbilityCall, pluginv1.Op_REGISTER: pluginv1.AbilityRegister,
	} {
		c := &pluginv1.Call{Op: op, Customer: customerProto(s.Customer), Chat: chatProto(s.chat(0)),
			Message: messageProto(sdk.Message{ID: "a"}), Target: "somewhere", MessageId: "m", Status: "read"}
		r := ask(t, g, callFrame(c)).GetResult()
		if !has[ability] && r.GetOutcome() != pluginv1.Outcome_UNSUPPORTED {
			t.Errorf("%v without the ability %s: %v, want UNSUPPORTED", op, ability, r.GetOutcome())
		}
	}
	if channel || has[pluginv1.AbilityTypingToChat] {
		ask(t, g, callFrame(&pluginv1.Call{Op: pluginv1.Op_TYPING, On: true,
			Customer: customerProto(s.Customer), Chat: chatProto(s.chat(0))}))
	}
	if has[pluginv1.AbilityWebhook] {
		s.garbageWebhooks(t, g)
	}
	if has[pluginv1.AbilityPollAccount] {
		ask(t, g, &pluginv1.HostFrame{Body: &pluginv1.HostFrame_Poll{Poll: &pluginv1.Poll{}}})
	}
	if has[pluginv1.AbilityPollChat] {
		ask(t, g, &pluginv1.HostFrame{Body: &pluginv1.HostFrame_Poll{Poll: &pluginv1.Poll{
			Chat: chatProto(s.chat(0)), Cursor: []byte("garbage")}}})
	}
}

// garbageWebhooks sends what strangers send. None of it may become an event.
func (s *suite) garbageWebhooks(t *testing.T, g *Gateway) {
	for _, r := range []*sdk.WebhookRequest{
		{Method: http.MethodGet},
		{Method: http.MethodPost, Path: "/", Body: nil},
		{Method: http.MethodPost, Body: []byte("{")},
		{Method: http.MethodPost, Body: []byte(`{"a":[null,{}]}`)},
		{Method: "BREW", Path: "/%zz/..", Query: "%zz&=", Body: []byte("\x00\xff\xfe")},
		{Method: http.MethodPost, Query: url.Values{"x": {"y"}}.Encode(), Body: make([]byte, 1<<20)},
	} {
		a := ask(t, g, &pluginv1.HostFrame{Body: &pluginv1.HostFrame_Webhook{Webhook: webhookProto(r)}}).GetWebhook()
		if len(a.GetEvents()) > 0 {
			t.Errorf("%s %q with %.20q became %d events", r.Method, r.Path, r.Body, len(a.Events))
		}
	}
}

func (s *suite) drain(t *testing.T) {
	g := s.start(t)
	var open []<-chan *pluginv1.PluginFrame
	for i := range 8 {
		_, ch := g.wire.post(s.message(g, i, fmt.Sprintf("m%d", i), "before the drain"))
		open = append(open, ch)
	}
	if n := g.Drain(t.Context(), patience); n != 0 {
		t.Errorf("drain left %d calls unanswered", n)
	}
	for i, ch := range open {
		await(t, fmt.Sprintf("call %d before the drain", i), ch)
	}
	r := ask(t, g, s.message(g, 0, "late", "after the drain")).GetResult()
	if r.GetOutcome() != pluginv1.Outcome_RETRY {
		t.Errorf("a call after the drain: %v, want RETRY", r.GetOutcome())
	}
	g.Activate(t.Context())
	if r := ask(t, g, s.message(g, 0, "back", "again")).GetResult(); r.GetCode() == "draining" {
		t.Error("Activate does not undo a drain")
	}
}

func (s *suite) closing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	g := Start(t, s.Plugin, "conformance", s.Driver, s.Settings)
	ask(t, g, s.message(g, 0, "m1", "hello"))
	g.Stop()
	err := goleak.Find(before)
	for end := time.Now().Add(late); err != nil && time.Now().Before(end); {
		err = goleak.Find(before) // it waits for a second itself
	}
	if err != nil {
		t.Errorf("goroutines are left after the instance was closed: %v", err)
	}
	if _, err := g.wire.ask(t.Context(), s.message(g, 0, "m2", "gone")); !errors.Is(err, errStreamEnded) {
		t.Errorf("a call after the end: %v, want %v", err, errStreamEnded)
	}
}

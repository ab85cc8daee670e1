package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// able is a world with channels for calls and pushes beside the others, all of
// whose far sides can do all, and a second service.
func able(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	s := w.snap.Services["retail"]
	s.Channels = append(s.Channels, "phone", "app")
	w.snap.Instances["phone"] = &conversation.Instance{Name: "phone", Channel: true, Service: "retail",
		Abilities: []string{pluginv1.AbilityCall},
		Caps:      &pluginv1.Capabilities{ChannelType: "voice", ToOutside: &pluginv1.TextLimit{Limit: 30}}}
	w.snap.Instances["app"] = &conversation.Instance{Name: "app", Channel: true, Service: "retail",
		Caps: &pluginv1.Capabilities{ChannelType: "push", ToOutside: &pluginv1.TextLimit{Limit: 30}}}
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityTransfer, pluginv1.AbilitySendEvent}
	w.snap.Services["sales"] = &conversation.Service{Name: "sales", Integration: "desk2", Timezone: "UTC"}
	w.snap.Instances["desk2"] = &conversation.Instance{Name: "desk2", Caps: &pluginv1.Capabilities{}}
	return w
}

// profile lets the customer's further addresses be known.
func (w *world) profile(addresses map[string]string) {
	w.t.Helper()
	rules := w.snap.Rules
	w.snap.Rules = nil
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "ada", Addresses: addresses}})
	w.snap.Rules = rules
}

// ask makes a rule ask for actions now.
func (w *world) ask(actions ...core.Action) *conversation.Decision {
	w.t.Helper()
	rules := w.snap.Rules
	w.snap.Rules = on(sdk.CustomEvent, actions...)
	d := w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "ada"}})
	w.snap.Rules = rules
	return d
}

func TestActionsThatCannotBeDone(t *testing.T) {
	long := strings.Repeat("word ", 10)
	image := []*pluginv1.Attachment{{Url: "https://x/a.png", Mime: "image/png"}}
	tests := []struct {
		name   string
		action core.Action
		chat   bool
		change func(s *conversation.Snap)
		want   string
	}{
		{"call, no number", core.Action{Kind: core.Call, Text: "x"}, false, nil, "CALL dropped no_address"},
		{"call, no voice channel", core.Action{Kind: core.Call, Text: "x", To: "+1"}, false, func(s *conversation.Snap) {
			s.Services["retail"].Channels = []string{"web"}
		}, "CALL dropped no_channel"},
		{"call on what cannot call", core.Action{Kind: core.Call, Text: "x", To: "+1", Channel: "sms"}, false, nil, "CALL dropped unsupported"},
		{"call on an integration", core.Action{Kind: core.Call, Text: "x", To: "+1", Channel: "desk"}, false, nil, "CALL dropped no_channel"},
		{"call with too much to say", core.Action{Kind: core.Call, Text: long, To: "+1"}, false, nil, "CALL dead too_long"},
		{"call with choices nobody can hear", core.Action{Kind: core.Call, Text: "x", To: "+1", QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}}},
			false, nil, "CALL dropped unsupported: quick replies"},
		{"call with more choices than digits", core.Action{Kind: core.Call, Text: "x", To: "+1", QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}, {Title: "No"}}},
			false, func(s *conversation.Snap) {
				s.Instances["phone"].Caps.QuickReplies, s.Instances["phone"].Caps.MaxQuickReplies = true, 1
			}, "CALL dropped unsupported: more than 1 quick replies"},
		{"call that plays an image", core.Action{Kind: core.Call, To: "+1", Attachments: image}, false, func(s *conversation.Snap) {
			s.Instances["phone"].Caps.MediaTypes = []string{"audio/*"}
		}, "CALL dropped unsupported: image/png"},
		{"template of a call", core.Action{Kind: core.Call, Err: "boom"}, false, nil, "CALL dropped template: boom"},
		{"push, no app", core.Action{Kind: core.Push, Text: "x"}, false, nil, "PUSH dropped no_address"},
		{"push, no channel", core.Action{Kind: core.Push, Text: "x"}, false, func(s *conversation.Snap) {
			s.Services["retail"].Channels = []string{"web"}
		}, "PUSH dropped no_channel"},
		{"transfer, no chat", core.Action{Kind: core.Transfer, To: "2"}, false, nil, "CHAT_TRANSFER dropped no_chat"},
		{"transfer, a desk that cannot", core.Action{Kind: core.Transfer, To: "2"}, true, func(s *conversation.Snap) {
			s.Instances["desk"].Abilities = nil
		}, "CHAT_TRANSFER dropped unsupported"},
		{"transfer to a service, no chat", core.Action{Kind: core.Transfer, Service: "sales"}, false, nil, "CHAT_TRANSFER dropped no_chat"},
		{"transfer to no service", core.Action{Kind: core.Transfer, Service: "fax"}, true, nil, "CHAT_TRANSFER dropped no_integration"},
		{"transfer to where it is", core.Action{Kind: core.Transfer, Service: "retail"}, true, nil, "CHAT_TRANSFER dropped same_service"},
		{"event for the vendor, no chat", core.Action{Kind: core.Emit, Key: "e", Vendor: true}, false, nil, "CHAT_EVENT dropped no_chat"},
		{"event for a vendor that takes none", core.Action{Kind: core.Emit, Key: "e", Vendor: true}, true, func(s *conversation.Snap) {
			s.Instances["desk"].Abilities = nil
		}, "CHAT_EVENT dropped unsupported"},
		{"template of an event for the vendor", core.Action{Kind: core.Emit, Vendor: true, Err: "boom"}, true, nil, "CHAT_EVENT dropped template: boom"},
		{"event for a channel that takes none", core.Action{Kind: core.Emit, Key: "e", Far: true}, true, func(s *conversation.Snap) {
			s.Instances["web"].Abilities = nil
		}, "CHAT_EVENT dropped unsupported"},
		{"template of an event for the channel", core.Action{Kind: core.Emit, Far: true, Err: "boom"}, true, nil, "CHAT_EVENT dropped template: boom"},
		{"image here", core.Action{Kind: core.Send, Attachments: image}, true, nil, "DELIVER dropped unsupported: image/png"},
		{"image elsewhere", core.Action{Kind: core.Send, Attachments: image, Channel: "sms", To: "+1"}, false, nil, "APPEND dropped unsupported: image/png"},
		{"quick replies", core.Action{Kind: core.Send, Text: "x", QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}}}, false, nil,
			"DELIVER dropped unsupported: quick replies"},
		{"sms, no number", core.Action{Kind: core.Send, Text: "x", ChannelType: "sms"}, true, nil, "APPEND dropped no_address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := able(t)
			if tt.chat {
				w.chat()
			}
			if tt.change != nil {
				tt.change(w.snap)
			}
			w.ask(tt.action)
			w.wantEnded(tt.want)
			w.want() // nothing is done, and the agent gets no copy of it
			if r := w.records()[0]; len(r.Commands) != 1 {
				t.Errorf("the record names %v", r.Commands)
			}
		})
	}
}

// An event for the channel goes in its turn among the messages to the customer, with a
// chat or without.
func TestEventForTheChannel(t *testing.T) {
	for _, chat := range []bool{false, true} {
		w := able(t)
		if chat {
			w.chat()
		}
		w.snap.Instances["web"].Abilities = []string{pluginv1.AbilitySendEvent}
		w.ask(core.Action{Kind: core.Emit, Key: "release_thread_control", Far: true, Params: map[string]string{"metadata": "m"}})
		w.want("customer CHAT_EVENT")
	}
}

// A driver that nobody knows yet is asked: its plugin may be on its way.
func TestAnUnknownDriverIsAsked(t *testing.T) {
	w := able(t)
	w.chat()
	for _, name := range []string{"desk", "phone"} {
		w.snap.Instances[name].Abilities, w.snap.Instances[name].Caps = nil, nil
	}
	w.ask(core.Action{Kind: core.Transfer, To: "2"}, core.Action{Kind: core.Emit, Key: "e", Vendor: true},
		core.Action{Kind: core.Call, Channel: "phone", To: "+1", Text: "x"})
	w.want("chat:1 CHAT_TRANSFER", "chat:1 CHAT_EVENT", "call CALL x")
}

func TestWhereACallGoes(t *testing.T) {
	tests := []struct {
		name      string
		addresses map[string]string
		action    core.Action
		want      string
	}{
		{"the profile's number", map[string]string{"voice": "+41", "sms": "+42"}, core.Action{}, "phone +41"},
		{"the profile's number for texts", map[string]string{"sms": "+42"}, core.Action{}, "phone +42"},
		{"another number", map[string]string{"sms": "+42"}, core.Action{To: "+43"}, "phone +43"},
		{"by name", map[string]string{"sms": "+42"}, core.Action{Channel: "phone"}, "phone +42"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := able(t)
			w.profile(tt.addresses)
			tt.action.Kind, tt.action.Text = core.Call, "Hello"
			w.ask(tt.action)
			c := w.one(state.CommandKind_CALL)
			if got := c.Instance + " " + c.To; got != tt.want || c.Lane != "call" || c.Message.Id == "" {
				t.Errorf("command %v, want %s", c, tt.want)
			}
		})
	}

	// Who writes by SMS is called at that number.
	w := newWorldOf(t, core.NewConversationID("sms", "+44"))
	w.snap = able(t).snap
	w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Call, Text: "Hello"})
	w.event("sms", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "+44"}})
	if c := w.one(state.CommandKind_CALL); c.To != "+44" {
		t.Errorf("command %v", c)
	}
}

// A call carries what it says, plays, offers and waits for.
func TestWhatACallCarries(t *testing.T) {
	files := []*pluginv1.Attachment{{Url: "https://x/a.wav", Mime: "audio/wav"}, {Url: "https://x/b.wav", Mime: "audio/wav"}}
	choices := []*pluginv1.QuickReply{{Title: "Yes"}, {Title: "No", Payload: "n"}}
	tests := []struct {
		name   string
		action core.Action
		want   *pluginv1.Message
	}{
		{"text", core.Action{Text: "Hi"}, &pluginv1.Message{Text: "Hi"}},
		{"digits", core.Action{Text: "Hi", Digits: "4"}, &pluginv1.Message{Text: "Hi", Extras: map[string]string{sdk.WaitDigits: "4"}}},
		{"no digits", core.Action{Text: "Hi", Digits: "0"}, &pluginv1.Message{Text: "Hi", Extras: map[string]string{sdk.WaitDigits: "0"}}},
		{"choices", core.Action{Text: "Hi", QuickReplies: choices}, &pluginv1.Message{Text: "Hi", QuickReplies: choices}},
		{"text and files", core.Action{Text: "Hi", Attachments: files}, &pluginv1.Message{Text: "Hi", Attachments: files}},
		{"files", core.Action{Attachments: files}, &pluginv1.Message{Attachments: files}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := able(t)
			w.snap.Instances["phone"].Caps.QuickReplies = true
			tt.action.Kind, tt.action.To = core.Call, "+41"
			w.ask(tt.action)
			got := w.one(state.CommandKind_CALL).Message
			tt.want.Id, tt.want.AtMs, tt.want.Author = got.Id, got.AtMs, pluginv1.AuthorKind_AUTHOR_RULE
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAgentsSeeWhatRulesDo(t *testing.T) {
	w := able(t)
	w.profile(map[string]string{"sms": "+42", "push": "token"})
	w.chat()
	for _, tt := range []struct {
		action core.Action
		want   []string
	}{
		{core.Action{Kind: core.Send, Text: "x"}, []string{"customer DELIVER x", "chat:1 CHAT_SEND [automatic] x"}},
		{core.Action{Kind: core.Send, Text: "x", ChannelType: "sms"}, []string{"APPEND", "chat:1 CHAT_SEND [automatic sms] x"}},
		{core.Action{Kind: core.Send, Text: "x", ChannelType: "sms", To: "+42"}, []string{"APPEND", "chat:1 CHAT_SEND [automatic sms] x"}},
		{core.Action{Kind: core.Send, Text: "x", ChannelType: "sms", To: "+49"}, []string{"APPEND"}}, // somebody else
		{core.Action{Kind: core.Call, Text: "Hello"}, []string{"call CALL Hello", "chat:1 CHAT_SEND [automatic call] Hello"}},
		{core.Action{Kind: core.Call, Attachments: []*pluginv1.Attachment{{Url: "https://x/a.mp3"}}},
			[]string{"call CALL", "chat:1 CHAT_SEND [automatic call] https://x/a.mp3"}},
		{core.Action{Kind: core.Call, Text: "Hello", To: "+49"}, []string{"call CALL Hello"}},
		{core.Action{Kind: core.Push, Text: "x", Title: "News"}, []string{"push PUSH x", "chat:1 CHAT_SEND [automatic push] News: x"}},
		{core.Action{Kind: core.Push, Text: "x"}, []string{"push PUSH x", "chat:1 CHAT_SEND [automatic push] x"}},
	} {
		w.ask(tt.action)
		got := w.show()
		for i, line := range got {
			if strings.HasPrefix(line, "append:") {
				got[i] = "APPEND"
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v became %q, want %q", tt.action, got, tt.want)
		}
		for _, c := range slices.Clone(w.pending) {
			if c.Chat != 0 && c.Message.Author != pluginv1.AuthorKind_AUTHOR_RULE {
				t.Errorf("a copy by %v", c.Message.Author)
			}
			w.sent(c)
		}
	}
}

func TestPush(t *testing.T) {
	w := able(t)
	w.profile(map[string]string{"push": "token"})
	data := map[string]string{"order": "7"}
	w.ask(core.Action{Kind: core.Push, Text: "On its way.", Title: "Your order", Params: data})
	c := w.one(state.CommandKind_PUSH)
	if c.Instance != "app" || c.To != "token" || c.Lane != "push" || c.Message.Text != "On its way." {
		t.Errorf("command %v", c)
	}
	if diff := cmp.Diff(map[string]string{"title": "Your order", "order": "7"}, c.Message.Extras); diff != "" {
		t.Error(diff)
	}
	if len(data) != 1 {
		t.Error("the action was changed")
	}
}

func TestWhatBecomesOfACall(t *testing.T) {
	w := able(t)
	w.ask(core.Action{Kind: core.Call, Text: "Hello", To: "+41"})
	c := w.one(state.CommandKind_CALL)
	heard := func(typ, id string) *state.View {
		t.Helper()
		w.event("phone", &pluginv1.Event{Type: typ, CallId: id, Ref: id, Customer: &pluginv1.Customer{Address: "+41", Name: "Unknown"}})
		r := w.records()[0]
		if r.DuplicateOf != "" {
			t.Fatalf("%s of %s: %s", typ, id, r.DuplicateOf)
		}
		return r.View
	}
	if v := heard(sdk.CallAnswered, c.Message.Id); v.Hops != 1 { // before the answer: by our id
		t.Errorf("hops %d, want 1", v.Hops)
	}
	d := w.end(c, conversation.Result{End: conversation.Sent, MessageID: "CA1"})
	if diff := cmp.Diff([]conversation.Bind{{Instance: "phone", Ref: "CA1", Message: true}}, d.Binds); diff != "" {
		t.Error(diff)
	}
	if v := heard(sdk.CallEnded, "CA1"); v.Hops != 1 || v.Channel != "web" || v.Instance != "phone" {
		t.Errorf("view %v", v)
	}
	if v := heard(sdk.CallEnded, "CA9"); v.Hops != 0 { // of long ago
		t.Errorf("hops %d, want 0", v.Hops)
	}
	if doc := w.doc; doc.Channel != "web" || doc.Customer.Address != "ada" || doc.Customer.Name != "" {
		t.Errorf("a call's event changed whose conversation it is: %v", doc)
	}
	foreign := core.CommandID{Conversation: core.NewConversationID("web", "bob"), Epoch: 1, N: 1}.String()
	w.event("phone", &pluginv1.Event{Type: sdk.CallEnded, CallId: foreign, Ref: foreign})
	if r := w.records()[0]; r.DuplicateOf != "unknown call" {
		t.Errorf("record %v", r)
	}
}

// A digit that stands for a quick reply of its call is one, as the press of a button is.
func TestWhatACustomerHasChosen(t *testing.T) {
	yes, no := &pluginv1.QuickReply{Title: "Yes", Payload: "y"}, &pluginv1.QuickReply{Title: "No"}
	tests := []struct {
		name   string
		event  *pluginv1.Event
		choice *pluginv1.QuickReply
	}{
		{"the first", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1", Digits: "1"}, yes},
		{"by the ref", &pluginv1.Event{Type: sdk.CallDigits, Ref: "CA1", Digits: "2"}, no},
		{"none", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1", Digits: "3"}, nil},
		{"zero", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1", Digits: "0"}, nil},
		{"a number", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1", Digits: "01"}, nil},
		{"no digits", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1"}, nil},
		{"of another call", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA2", Digits: "1"}, nil},
		{"the driver says so itself", &pluginv1.Event{Type: sdk.CallDigits, CallId: "CA1", Digits: "1", QuickReply: no}, no},
		{"the end of the call", &pluginv1.Event{Type: sdk.CallEnded, CallId: "CA1", Digits: "1"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := able(t)
			w.snap.Instances["phone"].Caps.QuickReplies = true
			w.ask(core.Action{Kind: core.Call, Text: "May we?", To: "+41", QuickReplies: []*pluginv1.QuickReply{yes, no}},
				core.Action{Kind: core.Call, Text: "Which one?", To: "+41", Digits: "1"})
			for i, c := range w.all(state.CommandKind_CALL) {
				w.end(c, conversation.Result{End: conversation.Sent, MessageID: fmt.Sprint("CA", i+1)})
			}
			w.event("phone", tt.event)
			if diff := cmp.Diff(tt.choice, w.records()[0].View.Event.QuickReply, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A message's receipt that is faster than its answer is still taken for one when
// a call was placed meanwhile.
func TestACallIsNoMessage(t *testing.T) {
	w := able(t)
	w.chat()
	w.agent("x")
	w.ask(core.Action{Kind: core.Call, Text: "Hello", To: "+41"})
	w.event("web", &pluginv1.Event{Type: sdk.MessageDelivered, MessageId: w.one(state.CommandKind_DELIVER).Message.Id,
		Customer: &pluginv1.Customer{Address: "ada"}})
	if n := len(w.doc.Sent); n != 2 || w.doc.Sent[1].Status != "delivered" {
		t.Errorf("sent %v", w.doc.Sent)
	}
}

// A rule that answers what becomes of its own messages and calls with more of
// them is stopped, however often the outside is between them.
func TestLoopsThroughTheOutside(t *testing.T) {
	for _, tt := range []struct {
		event  string
		action core.Action
		want   string
	}{
		{sdk.CallEnded, core.Action{Kind: core.Call, Text: "Hello?", To: "+41"}, "CALL dropped loop_guard"},
		{sdk.MessageFailed, core.Action{Kind: core.Send, Text: "Hello?"}, "DELIVER dropped loop_guard"},
		{sdk.MessageDelivered, core.Action{Kind: core.Send, Text: "Hello?"}, "DELIVER dropped loop_guard"},
	} {
		t.Run(tt.event, func(t *testing.T) {
			w := able(t)
			w.snap.Rules = rules(func(v *state.View) []core.Action {
				if v.Type == tt.event || v.Type == sdk.CustomEvent {
					return []core.Action{tt.action}
				}
				return nil
			})
			w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "ada"}})
			rounds := 0
			for ; len(w.pending) > 0 && rounds < 20; rounds++ {
				c := w.pending[0]
				w.sent(c)
				id := fmt.Sprint("m", c.Number)
				w.event(c.Instance, &pluginv1.Event{Type: tt.event, CallId: id, Ref: id, MessageId: id})
			}
			if rounds != 7 {
				t.Errorf("%d rounds, want 7", rounds)
			}
			w.wantEnded(tt.want)
		})
	}
}

// So is one whose receipts are faster than the answers to its messages.
func TestLoopsOfEarlyReceipts(t *testing.T) {
	w := able(t)
	w.snap.Rules = on(sdk.MessageDelivered, core.Action{Kind: core.Send, Text: "Did you get it?"})
	w.ask(core.Action{Kind: core.Send, Text: "Hello"})
	rounds := 0
	for ; len(w.pending) > 0 && rounds < 20; rounds++ {
		c := w.pending[0]
		w.event("web", &pluginv1.Event{Type: sdk.MessageDelivered, MessageId: c.Message.Id, Customer: &pluginv1.Customer{Address: "ada"}})
		w.sent(c)
	}
	if rounds != 7 {
		t.Errorf("%d rounds, want 7", rounds)
	}
	for _, m := range w.doc.Sent {
		if m.Status != "delivered" || m.MessageId == "" {
			t.Errorf("sent %v", w.doc.Sent)
		}
	}
}

func TestTransferInTheVendor(t *testing.T) {
	w := able(t)
	w.chat()
	w.ask(core.Action{Kind: core.Transfer, To: "agent:bob"}, core.Action{Kind: core.Emit, Key: "vip", Vendor: true, Params: map[string]string{"tier": "gold"}})
	w.want("chat:1 CHAT_TRANSFER", "chat:1 CHAT_EVENT")
	if c := w.pending[0]; c.To != "agent:bob" || c.Instance != "desk" || c.Chat != 1 {
		t.Errorf("command %v", c)
	}
	if c := w.pending[1]; c.EventName != "vip" || c.Params["tier"] != "gold" || c.Instance != "desk" {
		t.Errorf("command %v", c)
	}
	w.gone(w.pending[0], "chat_gone") // the vendor has closed it
	w.wantTypes(sdk.ChatClosed)
	w.want()
}

func TestTransferToAnotherService(t *testing.T) {
	w := able(t)
	w.chat()
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Transfer, Service: "sales"})
	w.customer("I want to buy")
	w.wantTypes(sdk.CustomerMessage, sdk.ChatClosed)
	w.want("chat:1 CHAT_SEND I want to buy", "chat:1 CHAT_CLOSE", "chat:1 CHAT_SEND Transferred from retail.")
	if v := w.records()[1].View; v.Chat.Reason != "transferred" || v.Hops != 1 {
		t.Errorf("view %v", v)
	}
	w.snap.Rules = nil
	w.customer("hello?")
	w.gone(w.pending[0], "chat_closed") // what the old chat has not got follows, in order
	w.sent(w.one(state.CommandKind_CHAT_CLOSE))
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD I want to buy", "chat:2 CHAT_SEND Transferred from retail.", "chat:2 CHAT_SEND hello?")
	if c := w.one(state.CommandKind_CHAT_OPEN_CMD); c.Instance != "desk2" {
		t.Errorf("command %v", c)
	}
	for len(w.pending) > 0 {
		w.sent(w.pending[0])
	}
	w.customer("still there?")
	if c := w.one(state.CommandKind_CHAT_SEND); c.Instance != "desk2" || w.doc.Service != "sales" {
		t.Errorf("command %v in service %s", c, w.doc.Service)
	}
	w.sent(w.one(state.CommandKind_CHAT_SEND))
	w.event("desk2", &pluginv1.Event{Type: sdk.ChatClosed, Ref: w.doc.Chat.Ref})
	w.customer("one more thing")
	if c := w.one(state.CommandKind_CHAT_OPEN_CMD); c.Instance != "desk" || w.doc.Service != "retail" {
		t.Errorf("command %v in service %s", c, w.doc.Service)
	}
}

// Two services that hand a chat to each other are stopped.
func TestTransfersInACircle(t *testing.T) {
	w := able(t)
	w.snap.Services["sales"].Integration = "desk"
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		to := map[string]string{"retail": "sales", "sales": "retail"}[v.Service]
		if v.Type == sdk.ChatOpened {
			return []core.Action{{Kind: core.Transfer, Service: to}}
		}
		return nil
	})
	w.customer("hello")
	rounds := 0
	for ; len(w.pending) > 0 && rounds < 100; rounds++ {
		c := w.pending[0]
		if c.Kind == state.CommandKind_CHAT_SEND && c.Chat == w.doc.Chat.Number && w.doc.Chat.State == state.ChatState_CHAT_CLOSED {
			w.gone(c, "chat_closed")
		} else {
			w.sent(c)
		}
	}
	if n := w.doc.Chat.Number; n != 8 {
		t.Errorf("%d chats, want 8", n)
	}
	w.wantEnded("CHAT_OPEN_CMD sent ", "CHAT_TRANSFER dropped loop_guard")
}

// With nothing else to say the next chat opens with who sent the customer.
func TestTransferOpensTheChat(t *testing.T) {
	w := able(t)
	w.chat()
	w.ask(core.Action{Kind: core.Transfer, Service: "sales"})
	w.want("chat:1 CHAT_CLOSE", "chat:1 CHAT_SEND Transferred from retail.")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD Transferred from retail.")
	if c := w.pending[0]; c.Instance != "desk2" || w.doc.Service != "sales" || w.doc.Chat.CustomerMessages != 0 {
		t.Errorf("command %v, document %v", c, w.doc)
	}
}

// An orphan has a chat and no customer.
func TestWhatRulesCanDoForAnOrphan(t *testing.T) {
	w := newWorldOf(t, core.OrphanID("desk", "c9"))
	w.snap = able(t).snap
	w.snap.Rules = on(sdk.ChatOpened,
		core.Action{Kind: core.Send, Text: "a"}, core.Action{Kind: core.Send, Text: "b", To: "bob"},
		core.Action{Kind: core.Send, Text: "c", ChannelType: "sms"}, core.Action{Kind: core.Call, Text: "d"},
		core.Action{Kind: core.Push, Text: "e"}, core.Action{Kind: core.Transfer, Service: "sales"},
		core.Action{Kind: core.Send, Text: "f", ChannelType: "sms", To: "+1"}, core.Action{Kind: core.Call, Text: "g", To: "+1"},
		core.Action{Kind: core.Emit, Key: "seen", Vendor: true}, core.Action{Kind: core.Transfer, To: "2"},
		core.Action{Kind: core.Close, Reason: "spam"})
	w.event("desk", &pluginv1.Event{Type: sdk.ChatOpened, Ref: "c9"})
	w.wantEnded("DELIVER dropped no_customer", "APPEND dropped no_customer", "APPEND dropped no_customer", "CALL dropped no_customer",
		"PUSH dropped no_customer", "CHAT_TRANSFER dropped no_customer")
	w.want("append:7 APPEND", "call CALL g", "chat:1 CHAT_EVENT", "chat:1 CHAT_TRANSFER", "chat:1 CHAT_CLOSE")

	// What becomes of its call does not make it a conversation of the voice channel.
	w.snap.Rules = nil
	w.sent(w.one(state.CommandKind_CALL))
	w.event("phone", &pluginv1.Event{Type: sdk.CallEnded, CallId: "m8", Ref: "m8", Customer: &pluginv1.Customer{Address: "+1"}})
	if w.doc.Channel != "" || w.doc.Customer != nil {
		t.Errorf("document %v", w.doc)
	}
}

func TestACallIsReplayedAsACall(t *testing.T) {
	w := able(t)
	w.ask(core.Action{Kind: core.Call, Text: "Hello", To: "+41"})
	d := w.dead(w.one(state.CommandKind_CALL), "ambiguous")
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{d.Dead[0].Command}}}})
	c := w.one(state.CommandKind_CALL)
	if c.To != "+41" || !c.Late || c.Number == d.Dead[0].Command.Number {
		t.Errorf("command %v", c)
	}
	w.event("phone", &pluginv1.Event{Type: sdk.CallEnded, CallId: c.Message.Id, Ref: c.Message.Id})
	if r := w.records()[0]; r.DuplicateOf != "" {
		t.Errorf("record %v", r)
	}
}

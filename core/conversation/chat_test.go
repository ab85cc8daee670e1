package conversation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestOpened(t *testing.T) {
	w := newWorld(t)
	w.customer("hi")
	if w.doc.Chat.State != state.ChatState_CHAT_OPENING || w.doc.Owner != ccsp {
		t.Fatalf("chat %v, owner %v", w.doc.Chat, w.doc.Owner)
	}
	d := w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
	w.wantTypes(sdk.ChatOpened)
	if w.doc.Chat.State != state.ChatState_CHAT_OPEN || w.doc.Chat.Ref != "chat-1" || !d.Indexed {
		t.Errorf("chat %v, indexed %v", w.doc.Chat, d.Indexed)
	}
	if want := (conversation.Bind{Instance: "desk", Ref: "chat-1"}); !slices.Contains(d.Binds, want) {
		t.Errorf("binds %v", d.Binds)
	}
	w.desk(sdk.ChatOpened)
	if r := w.records()[0]; r.DuplicateOf == "" {
		t.Error("the vendor's word of it is a second chat_opened")
	}
}

func TestOpenedAfterItWasClosed(t *testing.T) {
	w := newWorld(t)
	w.customer("hi")
	open := w.one(state.CommandKind_CHAT_OPEN_CMD)
	w.close("ops")
	w.wantTypes(sdk.ChatClosed)
	w.want("chat:1 CHAT_OPEN_CMD hi", "chat:1 CHAT_CLOSE")
	w.sent(open)
	w.wantTypes()
	if c := w.doc.Chat; c.State != state.ChatState_CHAT_CLOSED || c.Ref != "chat-1" {
		t.Errorf("chat %v: without its ref it cannot be closed at the vendor", c)
	}
	w.want("chat:1 CHAT_CLOSE")
}

func TestTooLongFirstMessageOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.customer(strings.Repeat("x", 100*20+1))
	w.want()
	w.wantEnded("CHAT_OPEN_CMD dead too_many_parts")
	if w.doc.Chat != nil {
		t.Fatalf("chat %v is never opened", w.doc.Chat)
	}
	w.customer("short")
	w.want("chat:1 CHAT_OPEN_CMD short")
}

func TestOpenCarriesTheFirstPart(t *testing.T) {
	w := newWorld(t)
	a, b, c := strings.Repeat("a", 100), strings.Repeat("b", 100), "c"
	w.event("web", &pluginv1.Event{
		Type: sdk.CustomerMessage, Text: a + b + c, Customer: &pluginv1.Customer{Address: "ada"},
		Attachments: []*pluginv1.Attachment{{Url: "u"}},
	})
	w.want("chat:1 CHAT_OPEN_CMD "+a, "chat:1 CHAT_SEND "+b, "chat:1 CHAT_SEND "+c)
	for i, p := range w.pending {
		last := i == 2
		if p.Group != 1 || int(p.Message.Part) != i+1 || p.Message.Parts != 3 || (len(p.Message.Attachments) == 1) != last {
			t.Errorf("part %d: %v", i+1, p)
		}
	}
	if w.doc.Chat.Pending != 3 {
		t.Errorf("%d commands pend", w.doc.Chat.Pending)
	}
}

func TestRejectedOpenTakesItsMessagesAlong(t *testing.T) {
	w := newWorld(t)
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Send, Text: "one moment"})
	w.customer("one")
	w.customer("two")
	d := w.dead(w.one(state.CommandKind_CHAT_OPEN_CMD), "rejected: 7")
	w.wantTypes(sdk.ChatRejected)
	w.want("customer DELIVER one moment", "customer DELIVER one moment")
	w.wantEnded("CHAT_OPEN_CMD dead rejected: 7", "CHAT_SEND dropped rejected: 7",
		"CHAT_SEND dead rejected: 7", "CHAT_SEND dropped rejected: 7")
	if len(d.Dead) != 2 || d.Dead[0].Group == 0 || d.Dead[0].Group != d.Dead[1].Group {
		t.Fatalf("dead letters %v are not one group", d.Dead)
	}
	if w.doc.Chat.Status != "rejected" || w.doc.Owner != none || w.doc.Chat.Pending != 0 {
		t.Errorf("chat %v, owner %v", w.doc.Chat, w.doc.Owner)
	}
	w.snap.Rules = nil
	letters := []*state.Command{d.Dead[0].Command, d.Dead[1].Command}
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: letters}}})
	w.want("customer DELIVER one moment", "customer DELIVER one moment", "chat:2 CHAT_OPEN_CMD one", "chat:2 CHAT_SEND two")
	if w.pending[2].Group != 0 {
		t.Error("messages became parts of one")
	}
}

func TestVendorRejects(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("one")
	w.customer("two")
	w.desk(sdk.ChatRejected)
	w.wantTypes(sdk.ChatRejected)
	if c := w.doc.Chat; c.State != state.ChatState_CHAT_CLOSED || c.Status != "rejected" {
		t.Errorf("chat %v", c)
	}
	w.now = w.now.Add(time.Second)
	w.customer("three")
	d := w.dead(w.pending[0], "chat_rejected")
	w.want("chat:2 CHAT_OPEN_CMD three")
	if len(d.Dead) != 2 || d.Dead[0].Group == 0 || d.Dead[0].Group != d.Dead[1].Group {
		t.Errorf("dead letters %v", d.Dead)
	}
}

func TestClosedOnce(t *testing.T) {
	w := newWorld(t)
	seen := 0
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		if v.Type == sdk.ChatClosed {
			seen++
		}
		return nil
	})
	w.chat()
	w.event("desk", &pluginv1.Event{Type: sdk.ChatClosed, Ref: "chat-1", Status: "closed", Reason: "agent left", By: "agent"})
	if c := w.doc.Chat; c.State != state.ChatState_CHAT_CLOSED || c.Reason != "agent left" || w.doc.Owner != none {
		t.Errorf("chat %v, owner %v", c, w.doc.Owner)
	}
	once := seen
	w.want() // the vendor knows
	w.desk(sdk.ChatClosed)
	w.desk(sdk.ChatRejected)
	if r := w.records()[0]; r.DuplicateOf != "chat already closed" || len(r.Verdicts) != 0 || seen != once {
		t.Errorf("record %v, rules saw it %d times, then %d", r, once, seen)
	}
	w.close("ops")
	w.wantTypes()
}

func TestCloseTellsTheVendor(t *testing.T) {
	tests := []struct {
		name  string
		close func(w *world)
		ev    *pluginv1.Event
	}{
		{"operator", func(w *world) { w.close("ops") }, &pluginv1.Event{By: "ops", Reason: "done"}},
		{"rule", func(w *world) {
			w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Close, Reason: "bye"})
			w.customer("bye")
			w.want("chat:1 CHAT_SEND bye", "chat:1 CHAT_CLOSE")
		}, &pluginv1.Event{By: "rule", Reason: "bye"}},
		{"time-out", func(w *world) {
			w.snap.Services["retail"].CloseAfter = time.Hour
			w.now = w.now.Add(2 * time.Hour)
			w.fire()
			if got := w.records()[0].View.LateBy; got != 3600 {
				w.t.Errorf("late by %v seconds", got)
			}
		}, &pluginv1.Event{By: "system", Reason: "timed_out", TimedOut: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.chat()
			tt.close(w)
			c := w.one(state.CommandKind_CHAT_CLOSE)
			if c.Reason != tt.ev.Reason || c.Lane != "chat:1" || c.Instance != "desk" {
				t.Errorf("command %v", c)
			}
			records := w.records()
			closed := records[len(records)-1].View.Event
			if closed.Type != sdk.ChatClosed || closed.By != tt.ev.By || closed.TimedOut != tt.ev.TimedOut || closed.Status != "closed" {
				t.Errorf("event %v", closed)
			}
			if w.doc.Chat.Reason != tt.ev.Reason {
				t.Errorf("chat %v", w.doc.Chat)
			}
		})
	}
}

func TestCloseWithoutAChatIsSaid(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Forward = none
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Close})
	w.customer("hi")
	w.wantEnded("CHAT_CLOSE dropped no_chat")
}

func TestReopened(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].CloseAfter = time.Hour
	w.chat()
	w.desk(sdk.ChatClosed)
	w.now = w.now.Add(3 * time.Hour)
	w.desk(sdk.ChatReopened)
	w.wantTypes(sdk.ChatReopened)
	if w.doc.Chat.State != state.ChatState_CHAT_OPEN || w.doc.Owner != ccsp || w.doc.Chat.Status != "" {
		t.Fatalf("chat %v, owner %v", w.doc.Chat, w.doc.Owner)
	}
	w.fire()
	w.wantTypes() // its time-out begins anew
	w.customer("more")
	w.want("chat:1 CHAT_SEND more")
}

func TestChatNews(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.event("desk", &pluginv1.Event{Type: sdk.ChatQueued, Ref: "chat-1", Queue: "vip"})
	w.event("desk", &pluginv1.Event{Type: sdk.AgentJoined, Ref: "chat-1", Agent: &pluginv1.Agent{Name: "Bob"}})
	w.desk(sdk.ChatHeld)
	if c := w.doc.Chat; c.Queue != "vip" || !c.Assigned || c.Agent.GetName() != "Bob" || !c.Held {
		t.Errorf("chat %v", c)
	}
	w.desk(sdk.ChatResumed)
	w.desk(sdk.AgentLeft)
	if c := w.doc.Chat; c.Held || c.State != state.ChatState_CHAT_OPEN {
		t.Errorf("chat %v", c)
	}
}

func TestEventsOfAnotherChat(t *testing.T) {
	life := []string{
		sdk.ChatOpened, sdk.ChatQueued, sdk.ChatAssigned, sdk.ChatTransferred, sdk.ChatHeld, sdk.ChatReopened,
		sdk.ChatRejected, sdk.ChatClosed, sdk.AgentJoined,
	}
	for _, typ := range life {
		for _, by := range []string{"ref", "poll", "ref while the next one opens"} {
			t.Run(typ+" by "+by, func(t *testing.T) {
				w := newWorld(t)
				w.snap.Rules = rules(func(v *state.View) []core.Action { return []core.Action{{Kind: core.Tag, Key: "seen"}} })
				w.chat()
				w.desk(sdk.ChatClosed)
				w.customer("again")
				if by != "ref while the next one opens" {
					w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
				}
				before := w.doc.Chat.CloneVT()
				ev := &pluginv1.Event{Type: typ, Ref: "chat-1", Queue: "q", Agent: &pluginv1.Agent{Name: "x"}}
				if by == "poll" {
					w.polled(&state.Polled{Chat: 1, Events: []*pluginv1.Event{ev}, Cursor: []byte("late")})
				} else {
					w.event("desk", ev)
				}
				if r := w.records(); len(r) != 1 || r[0].DuplicateOf != "of another chat" || len(r[0].Verdicts) != 0 {
					t.Errorf("records %v", r)
				}
				if !proto.Equal(w.doc.Chat, before) {
					t.Errorf("chat %v, was %v", w.doc.Chat, before)
				}
			})
		}
	}
}

func TestAgentsLateWordsArrive(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.desk(sdk.ChatClosed)
	w.customer("again")
	w.polled(&state.Polled{Chat: 1, Events: []*pluginv1.Event{{Type: sdk.IncomingMessage, Text: "bye"}}})
	w.want("chat:2 CHAT_OPEN_CMD again", "customer DELIVER bye")
	if w.doc.Chat.AgentMessages != 0 {
		t.Error("it counts for the new chat")
	}
}

func TestPolled(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.polled(&state.Polled{Chat: 1, Cursor: []byte("c1"), Events: []*pluginv1.Event{
		{Type: sdk.IncomingMessage, Text: "one"}, {Type: "typing_stats", Params: map[string]string{"n": "1"}},
		{Type: sdk.IncomingMessage, Text: "two"},
	}})
	w.wantTypes(sdk.IncomingMessage, sdk.CustomEvent, sdk.IncomingMessage)
	w.want("customer DELIVER one", "customer DELIVER two")
	if string(w.doc.Chat.Cursor) != "c1" {
		t.Errorf("cursor %q", w.doc.Chat.Cursor)
	}
	if ev := w.records()[1].View.Event; ev.EventName != "typing_stats" || ev.Params["n"] != "1" {
		t.Errorf("event %v", ev)
	}
	w.polled(&state.Polled{Chat: 1, Cursor: []byte("c1"), Lost: true})
	w.wantTypes(sdk.ChatClosed)
	w.want("customer DELIVER one", "customer DELIVER two")
}

func TestOrphan(t *testing.T) {
	w := newWorldOf(t, core.OrphanID("desk", "c9"))
	w.snap.Rules = rules(func(*state.View) []core.Action {
		return []core.Action{{Kind: core.Notify, Endpoint: "ops"}, {Kind: core.Send, Text: "hello"}}
	})
	w.event("desk", &pluginv1.Event{Type: sdk.ChatOpened, Ref: "c9"})
	w.wantTypes(sdk.ChatOpened)
	w.wantEnded("DELIVER dropped no_customer")
	w.want("notify:1 NOTIFY") // its agent gets no copy: nobody got it, and the chat is not ours
	w.snap.Rules = nil
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "c9", Text: "anybody?"})
	w.wantEnded("DELIVER dropped no_customer")
	if got := w.one(state.CommandKind_CHAT_SEND).Message; !strings.Contains(got.Text, "anybody?") || got.Author != pluginv1.AuthorKind_AUTHOR_SYSTEM {
		t.Errorf("the agent is told %v", got)
	}

	// An operator says whose chat it is.
	home := newWorld(t)
	home.mail(&state.Mail{Instance: "desk", Source: "api", Body: &state.Mail_Joined{Joined: &state.Joined{
		Channel: "web", Address: "ada", Integration: "desk", Ref: "c9",
	}}})
	home.wantTypes(sdk.ChatOpened)
	home.customer("here I am")
	home.want("chat:1 CHAT_SEND here I am")
	before := len(w.pending)
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Linked{Linked: &state.Linked{Conversation: home.doc.Id}}})
	if len(w.pending) != before || len(w.all(state.CommandKind_CHAT_CLOSE)) != 0 {
		t.Errorf("the vendor is told to close the chat that was just joined: %v", w.show())
	}
	if w.doc.Chat.State != state.ChatState_CHAT_CLOSED || string(w.doc.Linked) != string(home.doc.Id) || len(w.records()) != 1 {
		t.Errorf("document %v", w.doc)
	}
}

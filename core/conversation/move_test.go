package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

func TestLostChatMovesItsMessages(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("one")
	w.customer("two")
	record := w.pending[1].Record
	w.snap.Rules = on(sdk.ChatClosed, core.Action{Kind: core.Tag, Key: "lost"})
	w.gone(w.pending[0], "chat_gone")
	w.wantTypes(sdk.ChatClosed)
	w.want("chat:2 CHAT_OPEN_CMD one", "chat:2 CHAT_SEND two")
	w.wantEnded("CHAT_SEND dropped moved", "CHAT_SEND dropped moved")
	if ev := w.records()[0].View.Event; ev.Reason != "lost" || !slices.Contains(w.doc.Tags, "lost") {
		t.Errorf("event %v, tags %v", ev, w.doc.Tags)
	}
	if c := w.pending[1]; c.Moves != 1 || c.Record != record || w.doc.Chat.Number != 2 || w.doc.Chat.Pending != 2 {
		t.Errorf("command %v, chat %v", c, w.doc.Chat)
	}
	w.sent(w.pending[0])
	w.sent(w.pending[0])
	if len(w.doc.Open) != 0 || !slices.Contains(w.last.Retire, record) {
		t.Errorf("open %v, retire %v", w.doc.Open, w.last.Retire)
	}
}

func TestMovedThreeTimes(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("one")
	for n := range 3 {
		w.gone(w.pending[0], "chat_gone")
		w.want(fmt.Sprintf("chat:%d CHAT_OPEN_CMD one", n+2))
	}
	d := w.gone(w.pending[0], "chat_gone")
	w.want()
	if len(d.Dead) != 1 || d.Dead[0].Reason != "chat_gone" {
		t.Errorf("dead letters %v", d.Dead)
	}
}

func TestPartsMoveAsOneMessage(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer(strings.Repeat("a", 100) + strings.Repeat("b", 100) + "c")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_gone")
	if len(w.pending) != 2 {
		t.Fatalf("pending %v", w.show())
	}
	p, q := w.pending[0], w.pending[1]
	if p.Group != p.Number || q.Group != p.Group || p.Message.Part != 2 || q.Message.Part != 3 || q.Message.Parts != 3 {
		t.Fatalf("parts %v\n%v", p, q)
	}
	w.sent(p)
	w.want("chat:2 CHAT_SEND c")
}

// What the chat's agent was told is of no use to the next one, and no reason to
// open it.
func TestNoticesDoNotMove(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Rules = on(sdk.ChatAssigned, core.Action{Kind: core.Send, Text: "you talk to Bob"})
	w.desk(sdk.ChatAssigned)
	w.want("customer DELIVER you talk to Bob", "chat:1 CHAT_SEND [automatic] you talk to Bob")
	w.desk(sdk.ChatClosed)
	w.gone(w.one(state.CommandKind_CHAT_SEND), "chat_closed")
	w.wantEnded("CHAT_SEND dropped chat_closed")
	w.want("customer DELIVER you talk to Bob")
}

func TestOrderBetweenCloseAndMove(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("one")
	w.customer("two")
	w.desk(sdk.ChatClosed)
	w.customer("three")
	w.want("chat:1 CHAT_SEND one", "chat:1 CHAT_SEND two", "chat:1 CHAT_SEND three")
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD one", "chat:2 CHAT_SEND two", "chat:2 CHAT_SEND three")
	w.customer("four")
	w.want("chat:2 CHAT_OPEN_CMD one", "chat:2 CHAT_SEND two", "chat:2 CHAT_SEND three", "chat:2 CHAT_SEND four")
}

func TestMessagesWaitForTheCloseBeforeThem(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("one")
	w.close("ops")
	w.customer("two")
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:1 CHAT_CLOSE", "chat:1 CHAT_SEND one", "chat:1 CHAT_SEND two")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD one", "chat:2 CHAT_SEND two")
	if w.pending[0].Moves != 1 {
		t.Errorf("%d moves", w.pending[0].Moves)
	}
}

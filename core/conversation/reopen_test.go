package conversation_test

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// closed is a world whose chat an agent has closed. The desk can open it again.
func closed(t *testing.T) *world {
	t.Helper()
	w := able(t)
	w.snap.Services["retail"].ReopenWithin = time.Hour
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReopen}
	w.chat()
	w.now = w.now.Add(time.Minute)
	w.desk(sdk.ChatClosed)
	w.now = w.now.Add(time.Hour)
	return w
}

func TestReopen(t *testing.T) {
	w := closed(t)
	w.customer("one more thing")
	w.customer("please")
	w.want("chat:1 CHAT_REOPEN", "chat:1 CHAT_SEND one more thing", "chat:1 CHAT_SEND please")
	w.end(w.pending[0], conversation.Result{End: conversation.Sent, ChatRef: "chat-1"})
	w.wantTypes(sdk.ChatReopened)
	if v := w.records()[0].View; v.Event.Ref != "chat-1" || v.Source != "integration" || v.Owner != ccsp {
		t.Errorf("view %v", v)
	}
	if len(w.last.Binds) != 0 {
		t.Errorf("binds %v", w.last.Binds)
	}
	w.sentAll()
	if c := w.doc.Chat; c.Number != 1 || c.State != state.ChatState_CHAT_OPEN || c.Reopening || c.Status != "" || c.CustomerMessages != 3 || c.Pending != 0 {
		t.Errorf("chat %v", c)
	}
	w.desk(sdk.ChatClosed)
	w.wantTypes(sdk.ChatClosed)
	if r := w.records()[0]; r.DuplicateOf != "" {
		t.Errorf("its second end is %q", r.DuplicateOf)
	}
}

func TestReopenByAnotherID(t *testing.T) {
	w := closed(t)
	w.doc.Chat.Cursor = []byte("7")
	w.customer("one more thing")
	w.end(w.pending[0], conversation.Result{End: conversation.Sent, ChatRef: "new"})
	if b := w.last.Binds; len(b) != 1 || b[0].Ref != "new" || b[0].Instance != "desk" {
		t.Errorf("binds %v", b)
	}
	if c := w.doc.Chat; c.Ref != "new" || c.Cursor != nil {
		t.Errorf("chat %v", c)
	}
}

func TestReopenIsRefused(t *testing.T) {
	ends := []conversation.Result{
		{End: conversation.Dead, Reason: "rejected: 410"},
		{End: conversation.Dead, Reason: "expired"},
		{End: conversation.Dropped, Reason: "unsupported"},
		{End: conversation.Gone, Reason: "chat_gone"},
	}
	for _, end := range ends {
		t.Run(end.Reason, func(t *testing.T) {
			w := closed(t)
			w.customer("one more thing")
			w.customer("please")
			w.end(w.pending[0], end)
			w.wantTypes()
			w.wantEnded("CHAT_REOPEN dropped "+end.Reason, "CHAT_SEND dropped moved", "CHAT_SEND dropped moved")
			w.want("chat:2 CHAT_OPEN_CMD one more thing", "chat:2 CHAT_SEND please")
			if len(w.last.Dead) != 0 {
				t.Errorf("dead %v", w.last.Dead)
			}
			w.sentAll()
			if c := w.doc.Chat; c.Number != 2 || c.State != state.ChatState_CHAT_OPEN || c.Shut {
				t.Errorf("chat %v", c)
			}
		})
	}
}

func TestWhenNothingIsReopened(t *testing.T) {
	tests := map[string]func(w *world){
		"too late":            func(w *world) { w.now = w.now.Add(time.Millisecond) },
		"never":               func(w *world) { w.snap.Services["retail"].ReopenWithin = 0 },
		"the desk cannot":     func(w *world) { w.snap.Instances["desk"].Abilities = nil },
		"another integration": func(w *world) { w.snap.Services["retail"].Integration = "desk2" },
		"rejected":            func(w *world) { w.doc.Chat.Status = "rejected" },
		"lost":                func(w *world) { w.doc.Chat.Reason = "lost" },
		"refused before":      func(w *world) { w.doc.Chat.Shut = true },
		"without an id":       func(w *world) { w.doc.Chat.Ref = "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := closed(t)
			change(w)
			w.customer("one more thing")
			w.want("chat:2 CHAT_OPEN_CMD one more thing")
		})
	}
}

// What a customer has said into a chat that was just closed opens it again.
func TestReopenForWhatWaits(t *testing.T) {
	w := closed(t)
	w.customer("one")
	w.sentAll()
	w.customer("two")
	w.customer("three")
	w.desk(sdk.ChatClosed)
	w.customer("four")
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:1 CHAT_REOPEN", "chat:1 CHAT_SEND two", "chat:1 CHAT_SEND three", "chat:1 CHAT_SEND four")
}

// A chat that goes to another service of the same desk is not opened again.
func TestTransferReopensNothing(t *testing.T) {
	w := closed(t)
	w.snap.Services["sales"].Integration, w.snap.Services["sales"].ReopenWithin = "desk", time.Hour
	w.customer("one")
	w.sentAll()
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Transfer, Service: "sales"})
	w.customer("I want to buy")
	w.gone(w.pending[0], "chat_closed")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD I want to buy", "chat:2 CHAT_SEND Transferred from retail.")
}

// The end of a chat is told once, also if it was to be opened again.
func TestCloseWhileItReopens(t *testing.T) {
	w := closed(t)
	before := w.doc.Chat.ClosedMs
	w.customer("one more thing")
	w.desk(sdk.ChatClosed) // its end of before, told again
	if r := w.records()[0]; r.DuplicateOf != "chat already closed" || !w.doc.Chat.Reopening {
		t.Fatalf("record %v, chat %v", r, w.doc.Chat)
	}
	w.close("ops")
	if r := w.records(); len(r) != 1 || r[0].DuplicateOf != "chat already closed" {
		t.Errorf("records %v", r)
	}
	if c := w.doc.Chat; c.State != state.ChatState_CHAT_CLOSED || c.Reopening || c.ClosedMs != before {
		t.Errorf("chat %v", c)
	}
	if w.doc.Owner != state.Owner_OWNER_NONE {
		t.Errorf("%v has the conversation, want nobody", w.doc.Owner)
	}
	w.end(w.pending[0], conversation.Result{End: conversation.Dropped, Reason: "chat_closed"})
	w.want("chat:1 CHAT_SEND one more thing", "chat:1 CHAT_CLOSE")
	w.gone(w.pending[0], "chat_closed")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD one more thing")
}

// A vendor may tell of it before it answers.
func TestReopenIsToldFirst(t *testing.T) {
	w := closed(t)
	w.customer("one more thing")
	w.desk(sdk.ChatReopened)
	w.wantTypes(sdk.ChatReopened)
	w.end(w.pending[0], conversation.Result{End: conversation.Sent, ChatRef: "chat-1"})
	w.wantTypes()
	if c := w.doc.Chat; c.State != state.ChatState_CHAT_OPEN || c.Reopening {
		t.Errorf("chat %v", c)
	}
}

// The agent of a chat that opens again is told what the bot has talked since.
func TestReopenTellsWhatWasSaidSince(t *testing.T) {
	w := talking(t, 20)
	w.snap.Services["retail"].ReopenWithin = time.Hour
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReopen}
	w.customer("agent")
	w.sentAll()
	w.agent("bye")
	w.sentAll()
	w.desk(sdk.ChatClosed)
	w.now = w.now.Add(time.Minute)
	w.says("hm")
	w.bots("Yes?")
	w.customer("the agent again")
	w.want("chat:1 CHAT_REOPEN", "chat:1 CHAT_SEND What was said before:\nCustomer: hm\nBot Helper: Yes?", "chat:1 CHAT_SEND the agent again")
	w.dead(w.pending[0], "rejected")
	if c := w.one(state.CommandKind_CHAT_OPEN_CMD); c.Message.Text != "What was said before:\nCustomer: agent\nAgent Bob: bye\nCustomer: hm\nBot Helper: Yes?" {
		t.Errorf("open %v", c)
	}
}

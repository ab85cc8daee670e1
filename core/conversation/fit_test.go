package conversation_test

import (
	"slices"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// strict is a world of which one instance takes no text over 10 and no file over
// 1000 bytes.
func strict(t *testing.T, instance string) *world {
	t.Helper()
	w := newWorld(t)
	w.chat()
	caps := w.snap.Instances[instance].Caps
	caps.ToOutside, caps.Overflow = &pluginv1.TextLimit{Limit: 10, Unit: pluginv1.TextUnit_RUNE}, pluginv1.Overflow_REFUSE
	caps.MaxAttachmentBytes, caps.MediaTypes = 1000, []string{"*/*"}
	return w
}

func file(name string, bytes uint64) *pluginv1.Attachment {
	return &pluginv1.Attachment{Url: "https://files.example/" + name, Name: name, Mime: "image/png", Bytes: bytes}
}

// files are the names of a message's files.
func files(m *pluginv1.Message) (names []string) {
	for _, a := range m.GetAttachments() {
		names = append(names, a.Name)
	}
	return names
}

func TestRefusedTexts(t *testing.T) {
	t.Run("of an agent", func(t *testing.T) {
		w := strict(t, "web")
		w.agent("longer than ten")
		w.wantEnded("DELIVER dropped too_long")
		w.want("chat:1 CHAT_SEND Your message was not delivered (too_long): longer than ten")
		w.sent(w.pending[0])
		w.agent("just right")
		w.want("customer DELIVER just right")
	})
	t.Run("of a rule", func(t *testing.T) {
		w := strict(t, "web")
		w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Send, Text: "longer than ten"})
		w.desk(sdk.CustomEvent)
		w.wantEnded("DELIVER dropped too_long")
		w.want() // not even a copy
	})
	t.Run("of a customer", func(t *testing.T) {
		w := strict(t, "desk")
		w.customer("longer than ten")
		w.wantEnded("CHAT_SEND dropped too_long")
		// The gateway's own words are split: nobody could shorten them.
		if n := len(w.pending); n < 5 || w.pending[0].Message.Text+w.pending[1].Message.Text != "A message of the " {
			t.Errorf("the agent is told %q", w.show())
		}
	})
	t.Run("of a customer who is new", func(t *testing.T) {
		w := strict(t, "desk")
		w.desk(sdk.ChatClosed)
		w.customer("longer than ten")
		w.wantEnded("CHAT_OPEN_CMD dropped too_long")
		w.want()
		if w.doc.Chat.Number != 1 {
			t.Errorf("a chat was opened: %v", w.doc.Chat)
		}
	})
	t.Run("split where the driver splits", func(t *testing.T) {
		w := strict(t, "web")
		w.snap.Instances["web"].Caps.Overflow = pluginv1.Overflow_SPLIT
		w.agent("longer than ten")
		w.want("customer DELIVER longer", "customer DELIVER than ten")
	})
}

func TestLargeFiles(t *testing.T) {
	said := func(text string, files ...*pluginv1.Attachment) *pluginv1.Event {
		return &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "chat-1", Text: text, Attachments: files}
	}
	wrote := func(text string, files ...*pluginv1.Attachment) *pluginv1.Event {
		return &pluginv1.Event{Type: sdk.CustomerMessage, Customer: &pluginv1.Customer{Address: "ada"}, Text: text, Attachments: files}
	}
	t.Run("an agent's among others", func(t *testing.T) {
		w := strict(t, "web")
		w.event("desk", said("look", file("big.png", 1001), file("fits.png", 1000), file("unknown.png", 0)))
		w.wantEnded("DELIVER dropped too_large")
		w.want("customer DELIVER look", "chat:1 CHAT_SEND Your file was not delivered (too_large): big.png")
		if got := files(w.pending[0].Message); !slices.Equal(got, []string{"fits.png", "unknown.png"}) || !w.pending[0].Agent {
			t.Errorf("delivered %v", w.pending[0])
		}
		if got := files(w.entries()[0].GetEnded().Command.Message); !slices.Equal(got, []string{"big.png"}) {
			t.Errorf("dropped %q", got)
		}
	})
	t.Run("an agent's alone", func(t *testing.T) {
		w := strict(t, "web")
		w.event("desk", said("", file("big.png", 1001)))
		w.wantEnded("DELIVER dropped too_large")
		w.want("chat:1 CHAT_SEND Your file was not delivered (too_large): big.png")
	})
	t.Run("a customer's", func(t *testing.T) {
		w := strict(t, "desk")
		w.snap.Instances["desk"].Caps.ToOutside = nil
		w.event("web", wrote("look", file("big.png", 1001)))
		w.wantEnded("CHAT_SEND dropped too_large")
		w.want("chat:1 CHAT_SEND look", "chat:1 CHAT_SEND A file of the customer is too large to be shown here (too_large): big.png")
	})
	t.Run("a customer's first", func(t *testing.T) {
		w := strict(t, "desk")
		w.snap.Instances["desk"].Caps.ToOutside = nil
		w.desk(sdk.ChatClosed)
		w.event("web", wrote("look", file("big.png", 1001)))
		w.want("chat:2 CHAT_OPEN_CMD look", "chat:2 CHAT_SEND A file of the customer is too large to be shown here (too_large): big.png")
	})
	t.Run("one side takes it", func(t *testing.T) {
		w := strict(t, "desk")
		w.snap.Instances["desk"].Caps.ToOutside = nil
		w.snap.Rules = on(sdk.CustomerMessage, forward(both))
		w.event("web", wrote("look", file("big.png", 1001)))
		bot := w.one(state.CommandKind_BOT_SEND)
		if got := files(bot.Message); !slices.Equal(got, []string{"big.png"}) {
			t.Errorf("the bot gets %q", got)
		}
	})
	t.Run("a rule's", func(t *testing.T) {
		w := strict(t, "web")
		w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Send, Attachments: []*pluginv1.Attachment{file("big.png", 1001)}})
		w.desk(sdk.CustomEvent)
		w.wantEnded("DELIVER dropped too_large")
		w.want()
	})
}

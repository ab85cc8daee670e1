package core_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
)

func TestCommandID(t *testing.T) {
	for _, n := range []uint64{1, 9, 10, 1 << 63} {
		id := core.CommandID{Conversation: core.NewConversationID("web", "ada"), Epoch: 0xab, N: n}
		got, err := core.ParseCommandID(id.String())
		if err != nil || got != id {
			t.Errorf("%s became %v, %v", id, got, err)
		}
	}
}

func TestNoCommandID(t *testing.T) {
	good := core.CommandID{Conversation: core.NewConversationID("web", "ada"), Epoch: 0xab, N: 7}.String()
	bad := []string{
		"", "7", "..", good + "x", good + ".1", good + " ", good[1:], good[:len(good)-1], strings.Replace(good, ".", "-", 1),
		strings.ToUpper(good), good[:len(good)-1] + "+7", good[:len(good)-1] + "07", good[:33] + "00ab" + good[49:],
	}
	for _, s := range bad {
		if id, err := core.ParseCommandID(s); err == nil || core.CodeOf(err) != core.Invalid || id != (core.CommandID{}) {
			t.Errorf("%q became %v, %v", s, id, err)
		}
	}
}

// Logs and JSON show ids as people write them, not as bytes.
func TestIDsAsText(t *testing.T) {
	id := core.CommandID{Conversation: core.NewConversationID("web", "ada"), Epoch: 0xab, N: 7}
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "conversation" || a.Key == "command" {
				return a
			}
			return slog.Attr{}
		},
	}))
	log.Info("", "conversation", id.Conversation, "command", id)
	want := fmt.Sprintf(`{"conversation":%q,"command":%q}`, id.Conversation, id) + "\n"
	if b.String() != want {
		t.Errorf("got %swant %s", b.String(), want)
	}
}

func TestConversationID(t *testing.T) {
	id := core.NewConversationID("web", "ada")
	if got, err := core.ParseConversationID(id.String()); err != nil || got != id {
		t.Errorf("%s became %v, %v", id, got, err)
	}
	others := []core.ConversationID{
		core.NewConversationID("weba", "da"), core.NewConversationID("we", "bada"), core.OrphanID("web", "ada"), {},
	}
	for _, other := range others {
		if other == id {
			t.Error("two conversations have one id")
		}
	}
}

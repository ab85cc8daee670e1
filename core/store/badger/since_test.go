package badger_test

import (
	"bytes"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

// TestExportSinceAMarkIsWhole: what was deleted since a mark cannot be told
// from what never was, and a command that comes back is sent again.
func TestExportSinceAMarkIsWhole(t *testing.T) {
	e := openEngine(t, badger.Options{InMemory: true})
	t.Cleanup(func() { _ = e.Close() })
	put := func(text string) {
		t.Helper()
		id := core.NewConversationID("webshop", text)
		if _, err := e.Append(t.Context(), store.Event{Conversation: id, Body: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	export := func(since store.Mark) ([]byte, store.Mark) {
		t.Helper()
		var b bytes.Buffer
		mark, err := e.Export(t.Context(), &b, since)
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes(), mark
	}
	put("before")
	_, mark := export(0)
	put("after")
	whole, later := export(0)
	since, again := export(mark)
	if later <= mark || again != later {
		t.Errorf("marks %d, %d, %d; want the last two the same, and above the first", mark, later, again)
	}
	if !bytes.Equal(whole, since) || !bytes.Contains(since, []byte("before")) {
		t.Errorf("since the mark: %d bytes, want the whole store's %d", len(since), len(whole))
	}
}

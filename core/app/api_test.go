package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/rules"
)

// The API shows a rule once events are decided by it, not once it is read.
func TestRulesAreThoseInForce(t *testing.T) {
	dir := t.TempDir()
	const file = "rules:\n  - name: thanks\n    on: chat_closed\n    do:\n      - tag: served\n"
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	w := rules.NewWatcher(rules.WatchConfig{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err := w.Load(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{rules: w}
	if got := g.Rules(); len(got.Rules) != 0 || got.Hash != "" || got.TriedAt.IsZero() {
		t.Errorf("before it is in force: %+v, want no rules, and that files were read", got)
	}
	at := time.Now()
	g.live.Store(&liveRules{w.Set(), at})
	if got := g.Rules(); len(got.Rules) != 1 || got.Rules[0].Name != "thanks" || got.Hash != w.Set().Hash() || !got.LoadedAt.Equal(at) {
		t.Errorf("in force: %+v, want the rule thanks", got)
	}
}

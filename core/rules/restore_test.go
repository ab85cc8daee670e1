package rules_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openccsp/gateway/core/rules"
)

// TestRestore starts with files that are wrong, as a gateway does after a
// broken save and a reboot.
func TestRestore(t *testing.T) {
	dir(t, map[string]string{"a.yaml": "rules:\n  - {name: a, on: chat_idel, do: [{tag: x}]}\n"})
	var published []*rules.Set
	reg := prometheus.NewRegistry()
	w := rules.NewWatcher(rules.WatchConfig{
		Dir: "rules.d", World: world, Publish: func(s *rules.Set) { published = append(published, s) },
		Log: slog.New(slog.DiscardHandler), Metrics: reg,
	})
	problems := w.Load()
	if problems == nil || w.Set() != nil {
		t.Fatalf("%v, set %v; want problems and no set", problems, w.Set())
	}

	gone := []rules.Source{{Path: "a.yaml", Text: "rules:\n  - {name: a, on: chat_idle, channel: gone, do: [{tag: x}]}\n"}}
	if err := w.Restore(gone); err == nil || w.Set() != nil {
		t.Errorf("%v, set %v; want a problem: the channel is not there any more", err, w.Set())
	}
	good := []rules.Source{{Path: "a.yaml", Text: tagRule("a")}, {Path: "b/c.yaml", Text: tagRule("c")}}
	if err := w.Restore(good); err != nil {
		t.Fatal(err)
	}
	if len(published) != 1 || published[0] != w.Set() || w.Set().Hash() != rules.Hash(good) {
		t.Errorf("published %v, live %v", published, w.Set())
	}
	st := w.Status()
	if st.Problems.Error() != problems.Error() || st.Loaded.IsZero() || st.LastAttempt.After(st.Loaded) || st.LastAttempt.IsZero() {
		t.Errorf("status %+v, want the problems of the files on disk", st)
	}
	if d := cmp.Diff([]string{"rules.d/a.yaml", "rules.d/b/c.yaml"}, st.Files); d != "" || st.Rules != 2 || st.Hash != rules.Hash(good) {
		t.Errorf("status %+v, files (-want +got):\n%s", st, d)
	}
	if got := testutil.ToFloat64(gauge(t, reg, "gateway_rules_last_reload_successful")); got != 0 {
		t.Errorf("last reload successful: %v, want 0", got)
	}

	if err := w.Load(); err == nil || w.Set() != published[0] {
		t.Errorf("%v, set %v; want the same problems and the same set", err, w.Set())
	}
	write(t, "a.yaml", tagRule("mended"))
	if err := w.Load(); err != nil || len(published) != 2 || w.Set().Rules(nil)[0].Name != "mended" || w.Status().Problems != nil {
		t.Errorf("%v, %d sets, status %+v; want the mended file live", err, len(published), w.Status())
	}
}

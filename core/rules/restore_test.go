package rules_test

import (
	"errors"
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

// Files that vanish while the gateway is down are not meant to be gone either.
func TestFilesThatVanishBeforeTheStart(t *testing.T) {
	for before, refused := range map[int]bool{0: false, 1: false, 2: true} {
		dir(t, nil)
		w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
		w.Remember(before)
		if err := w.Load(); err != nil != refused {
			t.Errorf("%d files before: %v", before, err)
		}
		if !refused {
			continue
		}
		do(t, w.Restore([]rules.Source{{Path: "a.yaml", Text: tagRule("a")}, {Path: "b.yaml", Text: tagRule("b")}}))
		if err := w.Load(); err == nil || w.Set().Len() != 2 {
			t.Errorf("%v, %d rules; want those that were restored", err, w.Set().Len())
		}
		if err := w.Reload(true); err != nil || w.Set().Len() != 0 {
			t.Errorf("allowed: %v, %d rules", err, w.Set().Len())
		}
	}
}

// TestChangeWorld changes what rules may name, as a save of gateway.hcl does.
func TestChangeWorld(t *testing.T) {
	dir(t, map[string]string{"a.yaml": "rules:\n  - {name: a, on: chat_idle, service: demo, do: [{tag: x}]}\n"})
	var published []*rules.Set
	w := rules.NewWatcher(rules.WatchConfig{
		Dir: "rules.d", World: world, Publish: func(s *rules.Set) { published = append(published, s) }, Log: slog.New(slog.DiscardHandler),
	})
	do(t, w.Load())
	agreed := 0
	agree := func() error { agreed++; return nil }
	other := rules.World{Services: []string{"other"}}

	before := w.Set()
	err := w.ChangeWorld(other, agree)
	if err == nil || err.Error() != `rules.d/a.yaml:2:39: unknown service "demo"; known: other` || agreed != 0 || w.Set() != before || len(published) != 1 {
		t.Errorf("%v, agreed %d times, %d sets; want the rule's problem and nothing changed", err, agreed, len(published))
	}
	if st := w.Status(); len(st.Problems) != 0 {
		t.Errorf("problems %v: the rules in force have none", st.Problems)
	}

	no := errors.New("no")
	if err := w.ChangeWorld(world, func() error { return no }); !errors.Is(err, no) || w.Set() != before {
		t.Errorf("%v, want what agree said and the same set", err)
	}

	// Files saved together with the new world go live with it.
	write(t, "a.yaml", "rules:\n  - {name: b, on: chat_idle, service: other, do: [{tag: x}]}\n")
	if err := w.ChangeWorld(other, agree); err != nil || agreed != 1 || len(published) != 2 || w.Set().Rules(nil)[0].Name != "b" {
		t.Fatalf("%v, agreed %d times, %d sets; want the rule b live", err, agreed, len(published))
	}

	// With broken files those in force are taken along, and the problems stay.
	write(t, "a.yaml", "rules: 5\n")
	problems := w.Load()
	both := rules.World{Services: []string{"other", "demo"}}
	if err := w.ChangeWorld(both, agree); err != nil || agreed != 2 || len(published) != 3 || w.Set().Rules(nil)[0].Name != "b" {
		t.Fatalf("%v, agreed %d times, %d sets; want the rule b live again", err, agreed, len(published))
	}
	if got := w.Status().Problems; problems == nil || got.Error() != problems.Error() {
		t.Errorf("problems %v, want %v", got, problems)
	}
}

package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// flowsOf loads one file of rules.
func flowsOf(t *testing.T, dir, text string, w rules.World) *rules.Set {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, problems := rules.Load(dir, w)
	if problems != nil {
		t.Fatal(problems)
	}
	return set
}

// waiting is a file with a flow that takes an hour.
func waiting(tag string) string {
	return "flows:\n  - name: f\n    steps:\n      - wait: 1h\n      - tag: " + tag + "\n"
}

// started is a gateway that begins on what the store has.
func started(t *testing.T, dir string, s *badger.Store) *gateway {
	t.Helper()
	return &gateway{App: &App{config: &config.Config{RulesDir: dir}, log: slog.New(slog.DiscardHandler)}, store: s}
}

func here() rules.World { return rules.World{} }

// tagsOf are the tags of flows, which tell their versions apart.
func tagsOf(t *testing.T, defs []*core.FlowDef) (tags []string) {
	t.Helper()
	for _, d := range defs {
		tags = append(tags, d.Ops[1].Do(nil, &core.FlowScope{})[0].Key)
	}
	return tags
}

// A version that is no longer in force is kept for longer than its flows can
// take, across restarts; a file that comes back is in force again.
func TestEarlierVersionsOfFlows(t *testing.T) {
	dir, s, now := t.TempDir(), newStore(t), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	one, two := flowsOf(t, dir, waiting("one"), here()), flowsOf(t, dir, waiting("two"), here())
	g := started(t, dir, s)
	wants := func(defs []*core.FlowDef, tags ...string) {
		t.Helper()
		if diff := cmp.Diff(tags, tagsOf(t, defs)); diff != "" {
			t.Errorf("earlier versions: -want +got:\n%s", diff)
		}
	}
	wants(g.earlier(one, here, now))
	wants(g.earlier(two, here, now), "one")
	wants(g.earlier(one, here, now), "two")
	wants(g.earlier(flowsOf(t, dir, strings.Replace(waiting("x"), "wait: 1h", "tag: none", 1), here()), here, now), "one", "two") // it never waits
	wants(g.earlier(one, here, now), "two")
	wants(g.earlier(two, here, now), "one")
	g = started(t, dir, s)
	wants(g.earlier(two, here, now.Add(time.Hour)), "one")
	three := flowsOf(t, dir, waiting("three"), here())
	g = started(t, dir, s) // the file was changed while it was stopped
	wants(g.earlier(three, here, now.Add(2*time.Hour)), "one", "two")
	none := flowsOf(t, dir, "", here())
	wants(g.earlier(none, here, now.Add(27*time.Hour)), "two", "three") // one: 2 h and a day after now
	g = started(t, dir, s)
	wants(g.earlier(none, here, now.Add(1000*time.Hour)), "two", "three") // they expired while it was stopped
	wants(g.earlier(flowsOf(t, dir, "rules: []", here()), here, now.Add(1100*time.Hour)))
}

// What cannot be compiled any more does not keep the others, nor the start.
func TestEarlierVersionThatDoesNotCompile(t *testing.T) {
	dir, s, now := t.TempDir(), newStore(t), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	one := waiting("one")
	if err := s.PutBlob(t.Context(), hashOf([]byte(one)), []byte("flows: 3")); err != nil {
		t.Fatal(err)
	}
	g := started(t, dir, s)
	g.earlier(flowsOf(t, dir, one, here()), here, now)
	g.earlier(flowsOf(t, dir, waiting("two"), here()), here, now)
	three := flowsOf(t, dir, waiting("three"), here())
	if diff := cmp.Diff([]string{"two"}, tagsOf(t, started(t, dir, s).earlier(three, here, now))); diff != "" {
		t.Errorf("earlier versions: -want +got:\n%s", diff)
	}
}

// One that names an endpoint that is gone goes on without it.
func TestEarlierVersionWithoutItsEndpoint(t *testing.T) {
	dir, s, now := t.TempDir(), newStore(t), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	crm := rules.World{Endpoints: []string{"crm"}}
	g := started(t, dir, s)
	g.earlier(flowsOf(t, dir, strings.Replace(waiting("x"), "tag: x", "notify: { endpoint: crm }", 1), crm), here, now)
	got := started(t, dir, s).earlier(flowsOf(t, dir, waiting("two"), here()), here, now)
	if len(got) != 1 || got[0].Ops[1].Do(&state.View{Event: &pluginv1.Event{}}, &core.FlowScope{})[0].Endpoint != "crm" {
		t.Errorf("earlier versions: %v, want the one that notifies crm", got)
	}
}

// A store that cannot be read just now costs no version: it is read again.
func TestEarlierVersionsOfAStoreThatFails(t *testing.T) {
	dir, s, now := t.TempDir(), newStore(t), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	one, two := flowsOf(t, dir, waiting("one"), here()), flowsOf(t, dir, waiting("two"), here())
	started(t, dir, s).earlier(one, here, now)
	failing := newStore(t)
	if err := failing.Close(); err != nil {
		t.Fatal(err)
	}
	g := started(t, dir, failing)
	if got := g.earlier(two, here, now); got != nil {
		t.Errorf("of a closed store: %v", got)
	}
	g.store = s
	if got := tagsOf(t, g.earlier(two, here, now)); cmp.Diff(got, []string{"one"}) != "" {
		t.Errorf("of one that works again: %v, want one", got)
	}
}

// Versions are part of what a decision depends on.
func TestVersionsInTheSnap(t *testing.T) {
	dir := t.TempDir()
	one, two := flowsOf(t, dir, waiting("one"), here()), flowsOf(t, dir, waiting("two"), here())
	c := &setup{Config: &config.Config{}}
	alone, err := newSnap(c, offered{}, two, nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err := newSnap(c, offered{}, two, one.Flows())
	if err != nil {
		t.Fatal(err)
	}
	if alone.Hash == both.Hash || len(both.Versions) != 1 || both.Versions[0] != one.Flows()[0].Version {
		t.Errorf("versions %v, hashes %s and %s", both.Versions, alone.Hash, both.Hash)
	}
}

package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

// newStore opens a store that keeps nothing.
func newStore(t *testing.T) *badger.Store {
	t.Helper()
	s, err := badger.Open(badger.Options{InMemory: true, Memory: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// commit makes a conversation's first commit.
func commit(t *testing.T, s *badger.Store, c *store.Commit) {
	t.Helper()
	_, _ = rand.Read(c.ID[:])
	done := errors.New("done")
	err := s.Serve(t.Context(), func(ctx context.Context, sh store.Shard) error {
		if sh.ID() != store.ShardOf(c.Conversation) {
			<-ctx.Done()
			return nil
		}
		if _, err := sh.Commit(ctx, c); err != nil {
			return err
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
}

func stored(t *testing.T, m interface{ MarshalVT() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// History that is gone, and a conversation that never was, are two things.
func TestHistoryOfNobody(t *testing.T) {
	g := &gateway{store: newStore(t)}
	old, bare, nobody := core.NewConversationID("webshop", "ada"), core.NewConversationID("webshop", "bob"), core.NewConversationID("webshop", "eve")
	doc := stored(t, &state.Document{Channel: "webshop", Chat: &state.Chat{State: state.ChatState_CHAT_CLOSED}})
	entry := stored(t, &state.Entry{Body: &state.Entry_Record{Record: &state.Record{Number: 1}}})
	commit(t, g.store, &store.Commit{Conversation: old, Doc: doc, History: []store.Entry{{N: 1, Body: entry}}})
	commit(t, g.store, &store.Commit{Conversation: bare, Doc: doc})
	for _, tt := range []struct {
		name  string
		id    core.ConversationID
		items int
		err   error
	}{{"ended", old, 1, nil}, {"without history", bare, 0, nil}, {"unknown", nobody, 0, store.ErrNotFound}} {
		p, err := g.History(t.Context(), tt.id, "", 50)
		if len(p.Items) != tt.items || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d entries, %v; want %d, %v", tt.name, len(p.Items), err, tt.items, tt.err)
		}
	}
}

// A conversation is as new as its last message, although messages do not write
// the index.
func TestUpdatedIsTheLastMessage(t *testing.T) {
	g := &gateway{store: newStore(t)}
	for i, tt := range []struct{ index, customer, agent, want int64 }{
		{1000, 0, 0, 1000}, {2000, 5000, 4000, 5000}, {3000, 4000, 6000, 6000}, {9000, 4000, 6000, 9000},
	} {
		id := core.NewConversationID("webshop", fmt.Sprint("c", i))
		commit(t, g.store, &store.Commit{
			Conversation: id, Doc: stored(t, &state.Document{CustomerMs: tt.customer, AgentMs: tt.agent}),
			Index: &store.Index{UpdatedMS: tt.index, Status: "open", Customer: fmt.Sprint("c", i)},
		})
		p, err := g.Conversations(t.Context(), store.Filter{Customer: fmt.Sprint("c", i)}, "", 50)
		if err != nil || len(p.Items) != 1 || p.Items[0].ID != id || p.Items[0].Index.UpdatedMS != tt.want {
			t.Errorf("%+v: %+v, %v", tt, p, err)
		}
	}
}

// What a record of a decision calls its snap leads to the rules, by the hash
// that /v1/rules has for them.
func TestSnapOfARecord(t *testing.T) {
	dir := t.TempDir()
	const file = "rules:\n  - name: thanks\n    on: chat_closed\n    do:\n      - tag: served\n"
	for _, name := range []string{"b.yaml", "a.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(file, "thanks", name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, problems := rules.Load(dir, rules.World{})
	if problems != nil {
		t.Fatal(problems)
	}
	g := &gateway{store: newStore(t)}
	snap, err := newSnap(&setup{Config: &config.Config{}}, offered{}, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Snap(t.Context(), snap.Hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("before it is kept: %v, want %v", err, store.ErrNotFound)
	}
	if err := g.keepSnap(snap, set); err != nil {
		t.Fatal(err)
	}
	got, err := g.Snap(t.Context(), snap.Hash)
	if err != nil {
		t.Fatal(err)
	}
	want := httpd.Snap{Snap: snap.Hash, Engine: core.Version, Rules: set.Hash(), Files: []httpd.RuleFile{
		{Path: "a.yaml", Text: strings.ReplaceAll(file, "thanks", "a.yaml")}, {Path: "b.yaml", Text: strings.ReplaceAll(file, "thanks", "b.yaml")}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("snap (-want +got):\n%s", d)
	}
	if _, err := g.Snap(t.Context(), hashOf([]byte(want.Files[0].Text))); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a rule file's hash: %v, want %v", err, store.ErrNotFound)
	}
}

// A set without the rules that were too slow is another one for the records of
// its decisions, and says what it has not.
func TestSnapWithoutSlowRules(t *testing.T) {
	dir := t.TempDir()
	const file = "rules:\n  - {name: a, on: chat_closed, do: [{tag: x}]}\n  - {name: b, on: chat_closed, do: [{tag: x}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	set, problems := rules.Load(dir, rules.World{})
	if problems != nil {
		t.Fatal(problems)
	}
	g := &gateway{store: newStore(t)}
	less := set.Without("b")
	hashes := map[string]bool{}
	for _, s := range []*rules.Set{set, less} {
		snap, err := newSnap(&setup{Config: &config.Config{}}, offered{}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.keepSnap(snap, s); err != nil {
			t.Fatal(err)
		}
		got, err := g.Snap(t.Context(), snap.Hash)
		if err != nil || got.Rules != set.Hash() || !slices.Equal(got.Without, s.Out()) {
			t.Errorf("kept %+v, %v; want one without %q", got, err, s.Out())
		}
		hashes[snap.Hash] = true
	}
	if len(hashes) != 2 {
		t.Error("the two sets have one hash")
	}
	for i, want := range []string{"", "over its time budget"} {
		if got := ruleOf(less.Rules(nil)[i]).Disabled; got != want {
			t.Errorf("rule %d is disabled %q, want %q", i, got, want)
		}
	}
}

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
	g.live.Store(&liveRules{w.Set(), at, "5a"})
	if got := g.Rules(); len(got.Rules) != 1 || got.Rules[0].Name != "thanks" || got.Hash != w.Set().Hash() || got.Snap != "5a" || !got.LoadedAt.Equal(at) {
		t.Errorf("in force: %+v, want the rule thanks", got)
	}
}

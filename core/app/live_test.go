package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/engine"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, ps := config.Parse([]byte(text), "gateway.hcl")
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return c
}

const shopHCL = `
integration "enghouse" "desk" {
  message_routing = true
}
channel "rtm" "webshop" {
  settings {
    app_id = "webshop"
    secret = "${env("SHOP_SECRET")}"
    inner  = { a = [1, "x"] }
  }
  dispatch {
    max_parts = 3
  }
}
service "retail" {
  integration      = "desk"
  channels         = ["webshop"]
  timezone         = "Europe/Zurich"
  unattended_after = ["15m"]
  close_after      = "2h"
}
`

// newGateway returns one that has a store and an engine that does not run.
func newGateway(t *testing.T, log *slog.Logger) *gateway {
	t.Helper()
	st, err := badger.Open(badger.Options{InMemory: true, Memory: 128 << 20, Key: make([]byte, keyBytes)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	g := &gateway{App: &App{log: log}, store: st, kept: map[string][]byte{}, saved: map[string]map[string][]byte{}}
	g.engine = engine.New(engine.Options{Store: g.store, Log: log})
	return g
}

// What was in force is there again after a start, with all that its chats need.
func TestKnownInstancesOutliveAStart(t *testing.T) {
	t.Setenv("SHOP_SECRET", "s3cret")
	var log bytes.Buffer
	g := newGateway(t, slog.New(slog.NewTextHandler(&log, nil)))
	c := parsed(t, shopHCL)
	now := time.UnixMilli(1_800_000_000_000).UTC()
	if err := g.keepKnown(t.Context(), succeed(nil, c, now)); err != nil {
		t.Fatal(err)
	}

	again := newGateway(t, g.log)
	again.store = g.store
	all, err := again.loadKnown(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%d instances, %v; want 2", len(all), err)
	}
	s := succeed(all, parsed(t, ""), now)
	snap, err := newSnap(s, offered{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := newSnap(succeed(nil, c, now), offered{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range before.Instances {
		i.Removed = true
	}
	if d := cmp.Diff(before, snap, cmpopts.IgnoreFields(conversation.Snap{}, "Hash")); d != "" {
		t.Errorf("what decisions depend on, but for what is removed (-before +after):\n%s", d)
	}
	for _, name := range []string{"desk", "webshop"} {
		k := s.leaves(name)
		if k == nil || !k.left.Equal(now) {
			t.Fatalf("%s does not leave: %+v", name, k)
		}
		i := c.Instances()[0]
		if name == "webshop" {
			i = c.Channels[0]
		}
		if want, got := hostInstance(c, i, nil, nil), hostInstance(c, k.Instance, nil, nil); !cmp.Equal(want, got) {
			t.Errorf("the host opens %s with other settings", name)
		}
	}

	// One of them comes back; the other one is gone, and kept no more.
	s = succeed(s.known(), parsed(t, `integration "enghouse" "desk" {}`), now.Add(time.Hour))
	if s.leaves("desk") != nil || s.leaves("webshop") == nil || !s.leaves("webshop").left.Equal(now) {
		t.Errorf("leaving are %+v, want webshop alone, since %v", s.leaving, now)
	}
	if err := again.keepKnown(t.Context(), s.without(s.leaves("webshop"))); err != nil {
		t.Fatal(err)
	}
	all, err = again.loadKnown(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "desk" {
		t.Errorf("kept are %v, %v; want desk", all, err)
	}
	if b, err := g.store.Secret(t.Context(), gatewayState, keptKey("webshop")); err != nil || strings.Contains(string(b), "s3cret") {
		t.Errorf("the settings of what is gone are not erased (%v)", err)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Error("the secret is in the log")
	}
}

// An instance whose chats are open cannot get another driver: it would not know
// their ids.
func TestAnotherDriverForOpenChats(t *testing.T) {
	t.Setenv("SHOP_SECRET", "s3cret")
	g := newGateway(t, slog.New(slog.DiscardHandler))
	before := succeed(nil, parsed(t, shopHCL), time.Now()).known()
	after := parsed(t, strings.NewReplacer(`"enghouse" "desk"`, `"imichat" "desk"`, `"rtm" "webshop"`, `"web" "webshop"`).Replace(shopHCL))
	if ps, err := g.moved(t.Context(), before, after); len(ps) > 0 || err != nil {
		t.Errorf("without chats: %v, %v", ps, err)
	}
	commit(t, g.store, &store.Commit{
		Conversation: core.NewConversationID("webshop", "ada"),
		Doc:          stored(t, &state.Document{Channel: "webshop", Chat: &state.Chat{Integration: "desk", State: state.ChatState_CHAT_OPEN}}),
		Index:        &store.Index{UpdatedMS: 1, Status: "open", Channel: "webshop", Customer: "ada"},
	})
	ps, err := g.moved(t.Context(), before, after)
	want := `gateway.hcl:2:13: integration "desk" still has 1 open chat of integration "enghouse"; give the new one another name; the old one finishes its chats
gateway.hcl:5:9: channel "webshop" still has 1 open chat of channel "rtm"; give the new one another name; the old one finishes its chats`
	if err != nil || ps.Error() != want {
		t.Errorf("got\n%v, %v\nwant\n%s", ps, err, want)
	}
}

func TestSetAnew(t *testing.T) {
	names := []string{"refresh", "token"}
	for _, tt := range []struct {
		name, old, now string
		want           []string
	}{
		{"nothing", `{"token":"a","url":"x"}`, `{"token":"a","url":"y"}`, nil},
		{"another one", `{"token":"a"}`, `{"token":"b"}`, []string{"token"}},
		{"a new one", `{}`, `{"refresh":"b"}`, []string{"refresh"}},
		{"taken out", `{"token":"a"}`, `{}`, []string{"token"}},
	} {
		got := setAnew(config.NewSettings([]byte(tt.old), nil), config.NewSettings([]byte(tt.now), nil), names)
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A secret that a driver saved is used until the operator sets it anew.
func TestSavedSecretsUntilSetAnew(t *testing.T) {
	t.Setenv("SHOP_SECRET", "first")
	g := newGateway(t, slog.New(slog.DiscardHandler))
	c := parsed(t, shopHCL)
	ctx := t.Context()
	if err := g.store.SetSecret(ctx, "webshop", "secret", []byte("renewed")); err != nil {
		t.Fatal(err)
	}
	if err := g.store.SetState(ctx, "webshop", savedNames, nil, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	used := func(c *config.Config) string {
		t.Helper()
		g.saved = map[string]map[string][]byte{} // as at a start
		if err := g.loadSaved(ctx, "webshop"); err != nil {
			t.Fatal(err)
		}
		return string(hostInstance(c, c.Channels[0], nil, g.saved["webshop"]).Secrets["secret"])
	}
	if got := used(c); got != "renewed" {
		t.Errorf("%q, want what the driver saved", got)
	}
	same := parsed(t, shopHCL+"\n")
	g.renewSecrets(ctx, succeed(nil, c, time.Now()).known(), same)
	if got := used(same); got != "renewed" {
		t.Errorf("after another save: %q, want what the driver saved", got)
	}
	t.Setenv("SHOP_SECRET", "second")
	rotated := parsed(t, shopHCL)
	g.renewSecrets(ctx, succeed(nil, same, time.Now()).known(), rotated)
	if got := used(rotated); got != "second" {
		t.Errorf("after a rotation: %q, want the operator's", got)
	}
}

// Timers that were changed while the gateway was stopped are found at the start.
func TestTimersChangedWhileStopped(t *testing.T) {
	t.Setenv("SHOP_SECRET", "s3cret")
	g := newGateway(t, slog.New(slog.DiscardHandler))
	set, ps := rules.Load(t.TempDir(), rules.World{})
	if ps != nil {
		t.Fatal(ps)
	}
	now := func(from, to string) *setup {
		return succeed(nil, parsed(t, strings.Replace(shopHCL, from, to, 1)), time.Now())
	}
	changed := func(s *setup) string {
		t.Helper()
		names, err := g.changedTimers(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	if got := changed(now("", "")); got != "" {
		t.Errorf("at the first start: %q", got)
	}
	snap, err := newSnap(now("", ""), offered{}, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.keepSnap(snap, set); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"", "", ""}, {"Europe/Zurich", "UTC", ""}, {`"2h"`, `"1h"`, "retail"}, {`["15m"]`, `["15m", "20m"]`, "retail"},
		{`close_after`, "idle_after", "retail"},
	} {
		if got := changed(now(tt.from, tt.to)); got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// What rules miss is told with both places.
func TestRemovedProblems(t *testing.T) {
	t.Setenv("SHOP_SECRET", "s3cret")
	old := parsed(t, shopHCL)
	at := diag.Pos{File: "rules.d/a.yaml", Line: 3, Column: 9}
	for _, tt := range []struct{ name, summary, want string }{
		{"a channel", `unknown channel "webshop"`,
			`gateway.hcl: channel "webshop", until now at line 5, is gone and a rule names it: rules.d/a.yaml:3:9; change the rule first, or save both`},
		{"a service", `unknown service "retail"`,
			`gateway.hcl: service "retail", until now at line 15, is gone and a rule names it: rules.d/a.yaml:3:9; change the rule first, or save both`},
		{"something else", "two channels of this type", "gateway.hcl: the rules do not fit it; change the rules first, or save both"},
	} {
		got := removedProblems(old, parsed(t, ""), diag.Problems{{Pos: at, Summary: tt.summary}})
		if got.Error() != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got.Error(), tt.want)
		}
	}
}

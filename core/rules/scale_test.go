package rules_test

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/rules"
)

// tenRules is a file of ten rules as people write them, with names that begin
// with the prefix.
func tenRules(prefix string) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 10 {
		fmt.Fprintf(&b, `  - name: %s %d
    on: customer_message
    service: demo
    when: lower(event.text ?? "") contains "word%d" and (customer.attributes.tier ?? "none") in ["gold", "silver"] and chat.messages.agent > %d
    do:
      - send: Hello {{ customer.first_name ?? "there" }}, an agent will be with you in %d minutes.
      - tag: [waits, "%d"]
`, prefix, i, i, i, i, i)
	}
	return b.String()
}

func thousandFiles() map[string]string { return manyFiles(1000) }

func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("team%d/f%03d.yaml", i%10, i)] = tenRules(fmt.Sprintf("f%d", i))
	}
	return files
}

// A change of one file of many is live without the others being compiled again.
// How quick that is with 1,000 of them BenchmarkSpeed says.
func TestOneOfManyFiles(t *testing.T) {
	dir(t, manyFiles(50))
	w := watch(t)
	before := w.Set()
	if n := before.Len(); n != 500 {
		t.Fatalf("%d rules", n)
	}
	write(t, "team7/f007.yaml", strings.ReplaceAll(tenRules("changed"), "Hello", "Good day"))
	var after *rules.Set
	select {
	case after = <-w.sets:
	case <-time.After(patience):
		t.Fatal("the change is not seen")
	}
	if n := rules.Common(before, after); n != 490 {
		t.Errorf("%d rules are the same; only the file that changed is to be compiled", n)
	}
}

// What a file was compiled to is used again only where all is the same that it
// depends on.
func TestWhatIsCompiledAgain(t *testing.T) {
	files := map[string]string{
		"_shared.yaml": "let: { quiet: chat.number < 5 }\n",
		"a.yaml":       oneRule("chat_idle", "when: quiet", "do: [{tag: x}]"),
		"b.yaml":       strings.ReplaceAll(oneRule("chat_idle", "do: [{tag: x}]"), "name: r", "name: b"),
	}
	dir(t, files)
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	do(t, w.Load())
	load := func(change func()) (common int, err error) {
		before := w.Set()
		change()
		err = w.Load()
		return rules.Common(before, w.Set()), err
	}
	tests := []struct {
		name   string
		change func()
		common int
		err    string
	}{
		{"one file", func() { write(t, "a.yaml", files["a.yaml"]+"# \n") }, 1, ""},
		{"a new file", func() { write(t, "c.yaml", "rules: []\n") }, 2, ""},
		{"what is shared", func() { write(t, "_shared.yaml", "let: { quiet: chat.number < 6 }\n") }, 0, ""},
		{"the world", func() {
			other := world
			other.Endpoints = []string{"other"}
			w.SetWorld(other)
		}, 0, ""},
		{"the same name in another file", func() { write(t, "c.yaml", strings.ReplaceAll(files["b.yaml"], "idle", "held")) }, 2,
			`rules.d/c.yaml:2:11: the name "b" is taken by the rule at rules.d/b.yaml:2:11`},
		{"mended", func() { write(t, "c.yaml", "rules: []\n") }, 2, ""},
		{"broken", func() { write(t, "c.yaml", "rules: 5\n") }, 2, "rules.d/c.yaml:1:8: rules must be a list, not a number"},
		{"mended again", func() { write(t, "c.yaml", "rules: []\n# \n") }, 2, ""},
		{"a let that is gone", func() { write(t, "_shared.yaml", "let: {}\n") }, 2, `rules.d/a.yaml:4:11: unknown name "quiet"; known: event, conversation, customer, chat, service, texts, payload, now, num, str`},
	}
	for _, tt := range tests {
		common, err := load(tt.change)
		if got := fmt.Sprint(err); common != tt.common || err == nil && tt.err != "" || err != nil && got != tt.err {
			t.Errorf("%s: %d rules are the same, want %d; %v, want %q", tt.name, common, tt.common, err, tt.err)
		}
	}
}

// Two files use a shared let where it does not fit. The second is refused when
// the first one is mended: what was told of the first must not hide it.
func TestEachFileHasItsProblems(t *testing.T) {
	use := func(name string) string {
		return "rules:\n  - { name: " + name + ", on: chat_idle, when: waits, do: [{ tag: x }] }\n"
	}
	dir(t, map[string]string{"_shared.yaml": "let: { waits: event.wait_time > 5 }\n", "a.yaml": use("a"), "b.yaml": use("b")})
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	const want = "rules.d/_shared.yaml:1:15: chat_idle has no event.wait_time (used at rules.d/%s.yaml:2:37); it comes with customer_unattended"
	if got := fmt.Sprint(w.Load()); got != fmt.Sprintf(want+"\n"+want, "a", "b") {
		t.Errorf("got %s", got)
	}
	write(t, "a.yaml", strings.ReplaceAll(use("a"), "chat_idle", "customer_unattended"))
	if got := fmt.Sprint(w.Load()); got != fmt.Sprintf(want, "b") {
		t.Errorf("with one of them mended: got %s", got)
	}
	write(t, "_shared.yaml", "let: { waits: chat.nmber > 5 }\n")
	if got := fmt.Sprint(w.Load()); got != `rules.d/_shared.yaml:1:15: unknown field "chat.nmber"; did you mean "chat.number"?` {
		t.Errorf("with a let that is wrong by itself: got %s", got)
	}
}

func BenchmarkLoadThousandFiles(b *testing.B) {
	dir(b, thousandFiles())
	for b.Loop() {
		if _, problems := rules.Load("rules.d", world); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

// BenchmarkReloadOneOfAThousandFiles is what a save costs from when it is seen
// until the set is live.
func BenchmarkReloadOneOfAThousandFiles(b *testing.B) {
	dir(b, thousandFiles())
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	do(b, w.Load())
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		write(b, "team7/f007.yaml", tenRules(fmt.Sprintf("changed %d", n)))
		b.StartTimer()
		do(b, w.Load())
	}
}

// BenchmarkMemoryOfRules prints what a loaded rule takes, its text included.
func BenchmarkMemoryOfRules(b *testing.B) {
	for name, files := range map[string]map[string]string{
		"alone":         thousandFiles(),
		"with the rest": withDeclarations(thousandFiles()),
	} {
		b.Run(name, func(b *testing.B) {
			dir(b, files)
			var perRule float64
			for b.Loop() {
				before := heap()
				w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
				do(b, w.Load())
				perRule = float64(heap()-before) / float64(w.Set().Len())
				runtime.KeepAlive(w)
			}
			b.ReportMetric(perRule, "B/rule")
			if perRule > 8<<10 {
				b.Errorf("a rule takes %.0f bytes", perRule)
			}
		})
	}
}

// withDeclarations gives each file declarations of its own.
func withDeclarations(files map[string]string) map[string]string {
	out := maps.Clone(files)
	for name, text := range files {
		out[name] = "let: { gold: customer.attributes.tier == \"gold\" }\nattributes: { customer: { age: number } }\n" +
			"texts: { sorry: { en: Sorry., de: Entschuldigung. } }\n" + text
	}
	return out
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

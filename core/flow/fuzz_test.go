package flow_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rules"
)

// FuzzFlow plays whatever can be loaded: nothing panics, decisions are pure, no
// flow is left that nobody wakes, and no message is swallowed.
func FuzzFlow(f *testing.F) {
	for _, steps := range []string{
		"- send: hi\n- wait: 10m\n- ask: '{{ params.a ?? 1 }}'\n  as: x\n  retries: 1\n  accept: reply.text == 'yes'\n- set: { k: '{{ x }}' }",
		"- notify: { endpoint: crm }\n  as: said\n  else: [end]\n- when: said?.list[0] == 1\n  then: [tag: x]\n  else: [flow: f]",
		"- when: now().Hour() > 3\n  then:\n  - ask: { text: x }\n    else: [send: '{{ chat.queue }}']\n- forward: none", "- end\n- end", "- flow: { name: f, params: conversation.attributes }",
		"- send: { text: x, attachments: [{ url: 'https://x/{{ params.n ?? 1 }}.png' }] }\n- emit: { event: flow_triggered_too, params: { a: '{{ params.a ?? 1 }}' } }\n- transfer: { queue: a }\n- close:",
	} {
		f.Add(steps, "yes", `{"list":[1]}`)
	}
	f.Fuzz(func(t *testing.T, steps, text, said string) {
		dir := t.TempDir()
		file := "rules:\n  - {name: r, on: flow_triggered, do: [{flow: {name: f, params: event.flowparams}}]}\nflows:\n  - name: f\n" +
			"    params: { a?: string, n?: number }\n    steps:\n      " + strings.ReplaceAll(steps, "\n", "\n      ") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		set, problems := rules.Load(dir, world)
		if problems != nil {
			return
		}
		l := newLife(t, set)
		text = strings.ToValidUTF8(text, "") // as drivers do
		for range 3 {
			l.starts(map[string]string{"a": text, "n": "2"})
			l.says("yes")
			l.says(text)
			if len(l.asks) > 0 {
				l.answers(conversation.Sent, strings.ToValidUTF8(said, ""))
			}
			l.waits(time.Hour)
			l.says("well")
			if f := l.doc.Flow; f != nil && f.DueMs <= l.now.UnixMilli() {
				t.Fatalf("nobody will wake the flow: %v", f)
			}
		}
		taken := strings.Count(strings.Join(l.log, "\n"), "-> flow")
		kept := 0
		for _, line := range l.log {
			if strings.Contains(line, "it broke") {
				t.Errorf("%s\n%s", file, line)
			}
			if strings.Contains(line, "accepts the reply") || strings.Contains(line, "asks again") {
				kept++
			}
		}
		if taken > kept {
			t.Errorf("%s\n%d messages went to the flow, which took %d", file, taken, kept)
		}
	})
}

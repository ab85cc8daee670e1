package rehearse_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// wide is a world with a channel of each type.
func wide() rules.World {
	return rules.World{
		Services: []string{"demo", "retail"}, Integrations: []string{"desk"}, Endpoints: []string{"ops"},
		ServedBy: map[string]string{"demo": "desk", "retail": "desk"},
		Channels: map[string]rules.Channel{
			"shop": {Type: "rtm", Service: "demo"}, "short": {Type: "sms", Service: "demo"}, "page": {Type: "facebook", Service: "demo"},
			"dm": {Type: "twitter", Service: "demo"}, "oa": {Type: "wechat", Service: "demo"}, "phone": {Type: "voice", Service: "demo"},
			"app": {Type: "push", Service: "demo"},
		},
	}
}

// The tests that the language's description shows pass.
func TestDescribedTests(t *testing.T) {
	text, err := os.ReadFile("../../rules.d/README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := snap()
	s.Services["demo"].Channels = append(s.Services["demo"].Channels, "phone")
	s.Instances["phone"] = &conversation.Instance{Name: "phone", Channel: true, Service: "demo", Abilities: []string{pluginv1.AbilityCall},
		Caps: &pluginv1.Capabilities{ChannelType: "voice", QuickReplies: true}}
	ran := 0
	for _, example := range strings.Split(string(text), "```yaml\n")[1:] {
		example, _, _ = strings.Cut(example, "```")
		set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: example}}, wide())
		if len(ps) > 0 {
			continue // the test of the description itself tells what may not load
		}
		results := rehearse.Tests(s, set)
		ran += len(results)
		if ps := rehearse.Problems(results); len(ps) > 0 {
			t.Errorf("%s\n%s", ps, example)
		}
	}
	if ran < 4 {
		t.Errorf("only %d tests ran", ran)
	}
}

// Each action can be expected, as the rule has it and in the shortest form.
func TestExpectActions(t *testing.T) {
	w := wide()
	s := snap()
	s.Services["demo"].Forward = state.Owner_OWNER_CCSP
	tests := []struct {
		do      string
		expects []string
		wrong   string
	}{
		{`send: "Hi {{ customer.first_name ?? \"you\" }}"`, []string{`send: Hi Ada`, `send: { text: Hi Ada }`, `send:`}, `send: Hi`},
		{`send: { text: Hi, attachments: [{ url: "https://x/a.png" }], quick_replies: ["Yes", { title: "No", payload: n }] }`,
			[]string{`send: Hi`, `send: { attachments: [{ url: "https://x/a.png" }] }`, `send: { quick_replies: ["Yes", { title: "No" }] }`},
			`send: { quick_replies: ["Yes"] }`},
		{`send_sms: Hi`, []string{`send_sms: Hi`}, `send: Hi`},
		{`send_sms: { text: Hi, channel: short, to: "+41" }`, []string{`send_sms: Hi`, `send: { channel: short, to: "+41" }`}, `send_sms: { to: "+42" }`},
		{`send_rtm: Hi`, []string{`send_rtm: Hi`}, `send_sms: Hi`},
		{`send_twitter: Hi`, []string{`send_twitter: Hi`}, `send_twitter: Ho`},
		{`send_wechat: Hi`, []string{`send_wechat: { text: Hi }`}, `send_wechat: { to: x }`},
		{`send_facebook: Hi`, []string{`send_facebook: Hi`}, `send_twitter: Hi`},
		{`call: { say: Hi, to: "+41" }`, []string{`call: Hi`, `call: { say: Hi, to: "+41" }`}, `call: { to: "+42" }`},
		{`call: { play: "https://x/a.mp3" }`, []string{`call: { play: "https://x/a.mp3" }`}, `call: { say: Hi }`},
		{`call: { text: Hi, digits: 4 }`, []string{`call: Hi`, `call: { text: Hi }`, `call: { say: Hi, digits: 4 }`}, `call: { digits: 5 }`},
		{`call: { say: Hi, quick_replies: ["Yes", { title: "No", payload: n }] }`,
			[]string{`call: { text: Hi, quick_replies: ["Yes", { title: "No" }] }`}, `call: { quick_replies: ["Yes"] }`},
		{`call: { text: Hi, play: "https://x/a.mp3" }`,
			[]string{`call: { attachments: [{ url: "https://x/a.mp3" }] }`, `call: { say: Hi, play: "https://x/a.mp3" }`},
			`call: { attachments: [{ url: "https://x/b.mp3" }] }`},
		{`call: { attachments: [{ url: "https://x/a.mp3" }, { url: "https://x/b", mime: audio/wav }] }`,
			[]string{`call: { attachments: [{ url: "https://x/a.mp3" }, { mime: audio/wav }] }`}, `call: { play: "https://x/a.mp3" }`},
		{`push: { title: T, text: Hi, data: { page: 7 } }`, []string{`push: Hi`, `push: { title: T, data: { page: 7 } }`}, `push: { data: { page: 8 } }`},
		{`notify: { endpoint: ops, body: { n: 1 } }`, []string{`notify: ops`, `notify: { endpoint: ops, body: { n: 1 } }`}, `notify: { body: { n: 2 } }`},
		{`forward: none`, []string{`forward: none`}, `forward: ccsp`},
		{`close: { reason: spam }`, []string{`close: spam`, `close: { reason: spam }`}, `close: done`},
		{`close:`, []string{`close:`}, `close: done`},
		{`transfer: { queue: sales }`, []string{`transfer: { queue: sales }`}, `transfer: { agent: sales }`},
		{`transfer: { agent: bob }`, []string{`transfer: { agent: bob }`}, `transfer: { agent: max }`},
		{`transfer: { service: retail }`, []string{`transfer: { service: retail }`}, `transfer: { service: demo }`},
		{`set: { n: 1 }`, []string{`set: { n: 1 }`}, `set: { n: 2 }`},
		{`tag: vip`, []string{`tag: vip`, `tag: [vip]`}, `tag: vap`},
		{`emit: { event: seen, params: { n: 1 } }`, []string{`emit: seen`, `emit: { event: seen, params: { n: 1 } }`}, `emit: { to: vendor }`},
		{`emit: { event: seen, to: channel }`, []string{`emit: { event: seen, to: channel }`}, `emit: { to: vendor }`},
		{`emit: { event: seen, to: vendor }`, []string{`emit: { event: seen, to: vendor }`}, `emit: { event: sawn }`},
	}
	for _, tt := range tests {
		for i, expect := range append(tt.expects, tt.wrong) {
			text := fmt.Sprintf(`rules: [{ name: r, on: customer_message, channel: shop, do: [{ %s }] }]
tests:
  - name: t
    given: { service: demo, customer: { first_name: Ada } }
    events: [{ type: customer_message, text: hi }]
    expect: [{ rule: r, %s }]
`, tt.do, expect)
			set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: text}}, w)
			if len(ps) > 0 {
				t.Errorf("%s: %v", text, ps)
				continue
			}
			passes := len(rehearse.Problems(rehearse.Tests(s, set))) == 0
			if want := i < len(tt.expects); passes != want {
				t.Errorf("%s is expected as %s: passes %v, want %v: %v", tt.do, expect, passes, want, rehearse.Problems(rehearse.Tests(s, set)))
			}
		}
	}
}

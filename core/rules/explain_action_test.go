package rules_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
)

// Each action is shown as a rule has it, by explain, in tests and to the endpoint of
// notify_url.
func TestShow(t *testing.T) {
	tests := []struct {
		do   string
		want string // its name and what it does
		told string // to the endpoint; "": the same
	}{
		{`send: Hi`, `send "Hi"`, `{"text":"Hi"}`},
		{`send: { text: Hi, channel: short, to: "+41" }`, `send {"channel":"short","text":"Hi","to":"+41"}`, ""},
		{`send_rtm: { text: Hi, attachments: [{ url: "https://x/a.png", name: a }], quick_replies: ["Yes", { title: "No", payload: n }] }`,
			`send_rtm {"attachments":[{"mime":"image/png","name":"a","url":"https://x/a.png"}],` +
				`"quick_replies":["Yes",{"payload":"n","title":"No"}],"text":"Hi"}`, ""},
		{`send_sms: Hi`, `send_sms "Hi"`, `{"text":"Hi"}`},
		{`call: { say: Hi }`, `call {"say":"Hi"}`, ""},
		{`call: { play: "https://x/a.mp3", to: "+41", channel: phone }`, `call {"channel":"phone","play":"https://x/a.mp3","to":"+41"}`, ""},
		{`call: { text: Hi, digits: 4 }`, `call {"digits":4,"say":"Hi"}`, ""},
		{`call: { say: Hi, digits: 0 }`, `call {"digits":0,"say":"Hi"}`, ""},
		{`call: { attachments: [{ url: "https://x/a.mp3" }], quick_replies: ["Yes", { title: "No", payload: n }] }`,
			`call {"play":"https://x/a.mp3","quick_replies":["Yes",{"payload":"n","title":"No"}]}`, ""},
		{`call: { text: Hi, attachments: [{ url: "https://x/a.mp3", name: a }] }`,
			`call {"attachments":[{"mime":"audio/mpeg","name":"a","url":"https://x/a.mp3"}],"say":"Hi"}`, ""},
		{`push: { title: T, text: Hi, data: { page: 7 } }`, `push {"data":{"page":"7"},"text":"Hi","title":"T"}`, ""},
		{`notify: { endpoint: ops, body: { a: 1 } }`, `notify {"body":{"a":1},"endpoint":"ops"}`, ""},
		{`forward: bot+ccsp`, `forward "bot+ccsp"`, `{"to":"bot+ccsp"}`},
		{`close: { reason: spam }`, `close "spam"`, `{"reason":"spam"}`},
		{`close:`, `close null`, `null`},
		{`transfer: { queue: sales }`, `transfer {"queue":"sales"}`, ""},
		{`transfer: { agent: bob }`, `transfer {"agent":"bob"}`, ""},
		{`transfer: { service: retail }`, `transfer {"service":"retail"}`, ""},
		{`control: { offer: ccsp }`, `control {"offer":"ccsp"}`, ""},
		{`control: { pass: bot, reason: night, params: { n: 1 } }`, `control {"params":{"n":"1"},"pass":"bot","reason":"night"}`, ""},
		{`control: release`, `control "release"`, `{"do":"release"}`},
		{`set: { text: "" }`, `set {"text":""}`, ""},
		{`tag: vip`, `tag "vip"`, `{"name":"vip"}`},
		{`emit: { event: seen, params: { n: 1 } }`, `emit {"event":"seen","params":{"n":"1"}}`, ""},
		{`emit: { event: seen, to: vendor }`, `emit {"event":"seen","to":"vendor"}`, ""},
		{`emit: { event: seen, to: channel }`, `emit {"event":"seen","to":"channel"}`, ""},
	}
	for _, tt := range tests {
		set, problems := loadIn(t, able(), oneRule("customer_message", "service: demo", "channel: webshop", "notify_url: ops", "do: [{"+tt.do+"}]"))
		if problems != "" {
			t.Errorf("%s: %s", tt.do, problems)
			continue
		}
		actions := set.Evaluate(view(nil)).Actions
		s := rules.Show(&actions[0])
		if got := fmt.Sprintf("%s %s", s.Do, asJSON(t, s.With)); got != tt.want || s.Error != "" {
			t.Errorf("%s:\n got %s %s\nwant %s", tt.do, got, s.Error, tt.want)
		}
		told := tt.told
		if told == "" {
			told = asJSON(t, s.With)
		}
		if got, want := toldTo(t, actions[1]), fmt.Sprintf("%s %s", s.Do, told); got != want {
			t.Errorf("%s: the endpoint is told\n     %s\nwant %s", tt.do, got, want)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	do(t, err)
	return string(b)
}

// toldTo is what the endpoint of notify_url is told of the first action.
func toldTo(t *testing.T, a core.Action) string {
	t.Helper()
	var posted struct {
		Data struct {
			Actions []struct {
				Action string `json:"action"`
				With   any    `json:"with"`
			} `json:"actions"`
		} `json:"data"`
	}
	do(t, json.Unmarshal(a.Body, &posted))
	first := posted.Data.Actions[0]
	return first.Action + " " + asJSON(t, first.With)
}

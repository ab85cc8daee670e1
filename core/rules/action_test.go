package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// able is a world with a channel of each type, two of one, and two desks of
// which one can do nothing but chat. The driver of the letters is not known.
func able() rules.World {
	channel := func(caps *pluginv1.Capabilities, abilities ...string) *pluginv1.Driver {
		return &pluginv1.Driver{Capabilities: caps, Abilities: abilities}
	}
	sms := channel(&pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 160, Unit: pluginv1.TextUnit_GSM7}})
	return rules.World{
		Services: []string{"demo", "retail", "bare"},
		Channels: map[string]rules.Channel{
			"webshop": {Type: "rtm", Service: "demo"}, "short": {Type: "sms", Service: "demo"},
			"phone": {Type: "voice", Service: "demo"}, "app": {Type: "push", Service: "demo"},
			"page": {Type: "facebook", Service: "demo"}, "dm": {Type: "twitter", Service: "demo"}, "oa": {Type: "wechat", Service: "demo"},
			"sms1": {Type: "sms", Service: "retail"}, "sms2": {Type: "sms", Service: "retail"}, "post": {Type: "letter", Service: "bare"},
		},
		Integrations: []string{"desk", "plain", "unknown", "ChatEngineEnghouse"},
		Endpoints:    []string{"ops"},
		ServedBy:     map[string]string{"demo": "desk", "retail": "plain"},
		Drivers: map[string]*pluginv1.Driver{
			"webshop": channel(&pluginv1.Capabilities{MediaTypes: []string{"*/*"}, QuickReplies: true}, pluginv1.AbilitySendEvent),
			"short":   sms, "sms1": sms, "sms2": sms,
			"phone": channel(&pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 40}, MediaTypes: []string{"audio/*"},
				QuickReplies: true, MaxQuickReplies: 3}, pluginv1.AbilityCall),
			"app":  channel(&pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 40}}),
			"page": channel(&pluginv1.Capabilities{MediaTypes: []string{"image/*"}, QuickReplies: true}),
			"dm":   channel(&pluginv1.Capabilities{}), "oa": channel(&pluginv1.Capabilities{}),
			"desk":  channel(&pluginv1.Capabilities{}, pluginv1.AbilityTransfer, pluginv1.AbilitySendEvent),
			"plain": channel(&pluginv1.Capabilities{}),
		},
	}
}

// loadIn loads one file in the world.
func loadIn(t *testing.T, w rules.World, text string) (*rules.Set, string) {
	t.Helper()
	dir(t, map[string]string{"a.yaml": text})
	set, problems := rules.Load("rules.d", w)
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.TrimPrefix(p.Error(), "rules.d/a.yaml:"))
	}
	return set, strings.Join(lines, "\n")
}

func TestActionsOutside(t *testing.T) {
	tests := []struct {
		do   string
		want core.Action
	}{
		{`send_sms: 'Hello {{ customer.first_name ?? "you" }}'`, core.Action{Kind: core.Send, ChannelType: "sms", Text: "Hello Ada"}},
		{`send_rtm: x`, core.Action{Kind: core.Send, ChannelType: "rtm", Text: "x"}},
		{`send_twitter: x`, core.Action{Kind: core.Send, ChannelType: "twitter", Text: "x"}},
		{`send_wechat: x`, core.Action{Kind: core.Send, ChannelType: "wechat", Text: "x"}},
		{`send_facebook: x`, core.Action{Kind: core.Send, ChannelType: "facebook", Text: "x"}},
		{`send_sms: { text: x, to: "+{{ 41 }}", channel: short }`, core.Action{Kind: core.Send, Channel: "short", To: "+41", Text: "x"}},
		{`send: { text: x, channel: short }`, core.Action{Kind: core.Send, Channel: "short", Text: "x"}},
		{`send: { attachments: [{ url: "https://x/{{ event.message_id }}.PNG?a", name: n }, { url: http://x/y, mime: application/pdf }] }`,
			core.Action{Kind: core.Send, Attachments: []*pluginv1.Attachment{
				{Url: "https://x/m1.PNG?a", Mime: "image/png", Name: "n"}, {Url: "http://x/y", Mime: "application/pdf"}}}},
		{`send: { text: Well?, quick_replies: [Yes, { title: "No {{ 1 }}", payload: n }] }`,
			core.Action{Kind: core.Send, Text: "Well?", QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}, {Title: "No 1", Payload: "n"}}}},
		{`send: { attachments: [{ url: "{{ event.text ?? \"\" }}" }] }`,
			core.Action{Kind: core.Send, Err: "rules.d/a.yaml:2:5: the url of a file must begin with https:// or http://"}},
		{`send: { text: x, to: "{{ \" \" }}" }`, core.Action{Kind: core.Send, Err: "rules.d/a.yaml:2:5: the address to send to is blank"}},
		{`send_sms: "{{ \" \" }}"`, core.Action{Kind: core.Send, Err: "rules.d/a.yaml:2:5: the text to send is blank"}},
		{`send: { text: x, quick_replies: ["{{ \" \" }}"] }`, core.Action{Kind: core.Send, Err: "rules.d/a.yaml:2:5: a quick reply is blank"}},

		{`call: { say: "Hello {{ customer.first_name ?? \"you\" }}" }`, core.Action{Kind: core.Call, Text: "Hello Ada"}},
		{`call: { to: "+41", channel: phone, play: "https://x/a.mp3" }`, core.Action{Kind: core.Call, Channel: "phone", To: "+41",
			Attachments: []*pluginv1.Attachment{{Url: "https://x/a.mp3", Mime: "audio/mpeg"}}}},
		{`call: { say: "{{ \"\" }}" }`, core.Action{Kind: core.Call, Err: "rules.d/a.yaml:2:5: what a call says is blank"}},
		{`call: { say: x, to: "{{ \"\" }}" }`, core.Action{Kind: core.Call, Err: "rules.d/a.yaml:2:5: the number to call is blank"}},
		{`call: { play: "{{ event.text ?? \"\" }}" }`, core.Action{Kind: core.Call, Err: "rules.d/a.yaml:2:5: the url of a file must begin with https:// or http://"}},

		{`call: { text: "Your {{ \"code\" }}?", digits: 4 }`, core.Action{Kind: core.Call, Text: "Your code?", Digits: "4"}},
		{`call: { say: x, digits: 0 }`, core.Action{Kind: core.Call, Text: "x", Digits: "0"}},
		{`call: { say: x, digits: 32 }`, core.Action{Kind: core.Call, Text: "x", Digits: "32"}},
		{`call: { text: Well?, quick_replies: [Yes, { title: "No {{ 1 }}", payload: n }] }`,
			core.Action{Kind: core.Call, Text: "Well?", QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}, {Title: "No 1", Payload: "n"}}}},
		{`call: { text: x, attachments: [{ url: "https://x/{{ event.message_id }}.wav", name: n }, { url: "https://x/y", mime: audio/mpeg }], digits: 1 }`,
			core.Action{Kind: core.Call, Text: "x", Digits: "1", Attachments: []*pluginv1.Attachment{
				{Url: "https://x/m1.wav", Mime: "audio/wav", Name: "n"}, {Url: "https://x/y", Mime: "audio/mpeg"}}}},
		{`call: { say: x, play: "https://x/a.mp3" }`, core.Action{Kind: core.Call, Text: "x",
			Attachments: []*pluginv1.Attachment{{Url: "https://x/a.mp3", Mime: "audio/mpeg"}}}},
		{`call: { attachments: [{ url: "https://x/a.mp3" }], quick_replies: [Yes] }`, core.Action{Kind: core.Call,
			Attachments:  []*pluginv1.Attachment{{Url: "https://x/a.mp3", Mime: "audio/mpeg"}},
			QuickReplies: []*pluginv1.QuickReply{{Title: "Yes"}}}},
		{`call: { say: x, quick_replies: ["{{ \"\" }}"] }`, core.Action{Kind: core.Call, Err: "rules.d/a.yaml:2:5: a quick reply is blank"}},

		{`push: { text: x }`, core.Action{Kind: core.Push, Text: "x"}},
		{`push: { title: "{{ 1 }}", text: x, data: { a: "{{ event.id }}", b: 2 } }`,
			core.Action{Kind: core.Push, Title: "1", Text: "x", Params: map[string]string{"a": "e1", "b": "2"}}},
		{`push: { text: x, data: { a: "{{ num(\"x\") }}" } }`,
			core.Action{Kind: core.Push, Err: `rules.d/a.yaml:5:44: num: "x" is not a number`}},

		{`transfer: { queue: "{{ 4 }}" }`, core.Action{Kind: core.Transfer, To: "4"}},
		{`transfer: { agent: bob }`, core.Action{Kind: core.Transfer, To: "agent:bob"}},
		{`transfer: { service: retail }`, core.Action{Kind: core.Transfer, Service: "retail"}},
		{`transfer: { agent: "{{ \"\" }}" }`, core.Action{Kind: core.Transfer, Err: "rules.d/a.yaml:2:5: the agent to transfer to is blank"}},

		{`emit: { event: seen }`, core.Action{Kind: core.Emit, Key: "seen"}},
		{`emit: { event: seen, to: vendor, params: { text: "{{ event.text ?? \"\" }}" } }`,
			core.Action{Kind: core.Emit, Key: "seen", Vendor: true, Params: map[string]string{"text": "Hello"}}},
		{`emit: { event: seen, to: vendor, params: { text: "{{ num(\"x\") }}" } }`,
			core.Action{Kind: core.Emit, Key: "seen", Vendor: true, Err: `rules.d/a.yaml:5:65: num: "x" is not a number`}},
	}
	for _, tt := range tests {
		set, problems := loadIn(t, able(), oneRule("customer_message", "channel: webshop", "do: [{ "+tt.do+" }]"))
		if problems != "" {
			t.Errorf("%s:\n%s", tt.do, problems)
			continue
		}
		tt.want.Rule = "r"
		got := set.Evaluate(state.Bound(view(nil))).Actions
		if diff := cmp.Diff([]core.Action{tt.want}, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.do, diff)
		}
	}
}

// TestKeptFiles: a file that the gateway keeps has no address yet. Rules pass it on
// by its reference, as a file and in texts.
func TestKeptFiles(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	set, problems := loadIn(t, able(), oneRule("customer_message", "channel: webshop",
		`do: [{ send: { text: "{{ event.attachments[0].url }}", attachments: [{ url: "{{ event.attachments[0].url }}", name: n }] } }]`))
	if problems != "" {
		t.Fatal(problems)
	}
	v := view(nil)
	v.Event.Attachments = []*pluginv1.Attachment{{MediaId: id, Mime: "image/png"}}
	want := []core.Action{{Rule: "r", Kind: core.Send, Text: "media:" + id, Attachments: []*pluginv1.Attachment{{MediaId: id, Name: "n"}}}}
	if diff := cmp.Diff(want, set.Evaluate(state.Bound(v)).Actions, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestActionProblems(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 128)) // 639 letters: four SMS
	tests := []struct{ name, rule, want string }{
		{"unknown channel", oneRule("chat_idle", "do: [{ send_sms: { text: x, channel: shorts } }]"),
			`4:42: unknown channel "shorts"; did you mean "short"?`},
		{"channel of another type", oneRule("chat_idle", "do: [{ send_sms: { text: x, channel: webshop } }, { send_rtm: { text: x, channel: post } }]"),
			`4:42: the channel "webshop" has the type "rtm"; use send_rtm
4:87: the channel "post" has the type "letter"; use send`},
		{"unknown action", oneRule("chat_idle", "do: [{ send_smss: x }]"), `4:12: unknown action "send_smss"; did you mean "send_sms"?`},
		{"several channels", oneRule("chat_idle", "service: retail", "do: [{ send_sms: x }]"),
			`5:12: the service "retail" has several channels of type "sms": sms1, sms2; say which with channel`},
		{"several channels somewhere", oneRule("chat_idle", "do: [{ send_sms: x }]"),
			`4:12: the service "retail" has several channels of type "sms": sms1, sms2; say which with channel`},
		{"several channels, and one said", oneRule("chat_idle", "service: retail", "do: [{ send_sms: { text: x, channel: sms2 } }]"), ""},
		{"several channels, and the customer's own", oneRule("chat_idle", "service: retail", "channel_type: sms", "do: [{ send_sms: x }]"), ""},
		{"no channel", oneRule("chat_idle", "service: [demo, bare]", "do: [{ send_facebook: x }]"),
			`5:12: the service "bare" has no channel of type "facebook"; channels are configured in gateway.hcl`},
		{"no channel by the rule's channel", oneRule("chat_idle", "channel: sms1", "do: [{ send_facebook: x }]"),
			`5:12: the service "retail" has no channel of type "facebook"; channels are configured in gateway.hcl`},
		{"a channel in some service", oneRule("chat_idle", "do: [{ send_facebook: x }]"), ""},

		{"image to an sms", oneRule("chat_idle", "service: demo", `do: [{ send_sms: { text: x, attachments: [{ url: "https://x/a.png" }] } }]`),
			`5:12: the channel "short" takes no attachments`},
		{"image on the rule's own channels", oneRule("chat_idle", "service: demo", `do: [{ send: { attachments: [{ url: "https://x/a.png" }] } }]`),
			`5:12: the channel "dm" takes no attachments; limit the rule with channel or channel_type`},
		{"image on a channel that takes it", oneRule("chat_idle", "channel: [webshop, page]", `do: [{ send: { attachments: [{ url: "https://x/a.png" }] } }]`), ""},
		{"film on a channel of images", oneRule("chat_idle", "channel: [webshop, page]", `do: [{ send: { attachments: [{ url: "https://x/a.mp4" }] } }]`),
			`5:12: the channel "page" takes no video/mp4; limit the rule with channel or channel_type`},
		{"what the file is tells its mime", oneRule("chat_idle", "channel: page", `do: [{ send: { attachments: [{ url: "https://x/a.mp4", mime: image/gif }, { url: "https://x/{{ event.id }}" }] } }]`), ""},
		{"image on an unknown driver's channel", oneRule("chat_idle", "channel: post", `do: [{ send: { attachments: [{ url: "https://x/a.png" }], quick_replies: [a] } }]`), ""},
		{"quick replies", oneRule("chat_idle", "service: demo", "do: [{ send_sms: { text: x, quick_replies: [Yes] } }]"),
			`5:12: the channel "short" shows no quick replies`},
		{"attachments", oneRule("chat_idle", "channel: page", `do: [{ send: { attachments: [{ mime: image/png }, { url: "file:///x" }, { uri: x }, x] } }, { send: { attachments: [] } }]`),
			`5:34: an attachment needs a url
5:62: the url of a file must begin with https:// or http://
5:79: unknown key "uri" of an attachment; did you mean "url"?
5:77: an attachment needs a url
5:89: an attachment must be a mapping of keys to values, not a text
5:99: send needs a text`},
		{"no quick reply", oneRule("chat_idle", "channel: page", `do: [{ send: { text: x, quick_replies: ["", { payload: x }, [a]] } }]`),
			`5:45: a quick reply needs a title
5:49: a quick reply needs a title
5:65: a quick reply must be a text, not a list`},
		{"too many", oneRule("chat_idle", "channel: page", `do: [{ send: { text: x, quick_replies: [`+strings.Repeat("a, ", 21)+`] } }]`),
			`5:29: a message has at most 20 quick replies`},
		{"four sms", oneRule("chat_idle", "service: demo", "do: [{ send_sms: "+long+" }]"),
			`5:22: the text will be 4 messages on the channel "short"; shorten it`},
		{"four sms with something in them", oneRule("chat_idle", "service: demo", "do: [{ send_sms: { text: '{{ event.id }}"+long+"' } }]"),
			`5:30: the text will be 4 messages on the channel "short"; shorten it`},
		{"four sms on the rule's own channels", oneRule("chat_idle", "service: retail", "do: [{ send: "+long+" }]"),
			`5:18: the text will be 4 messages on the channel "sms1"; shorten it`},
		{"three sms", oneRule("chat_idle", "service: demo", "do: [{ send_sms: "+long[:400]+"}]"), ""},
		{"many sms", oneRule("chat_idle", "service: demo", "do: [{ send_sms: "+strings.Repeat(long, 6)+" }]"),
			`5:22: the text will be more than 20 messages on the channel "short"; shorten it`},

		{"call", oneRule("chat_idle", "service: demo", "do: [{ call: { too: x } }, { call: { say: x, text: y } }, { call: { play: x } }, { call: { say: '' } }]"),
			`5:20: unknown key "too" of call; did you mean "to"?
5:12: a call needs something to say; write say: with a text, or play: with the url of a recording
5:50: say and text are the same; write one of them
5:79: the url of a file must begin with https:// or http://
5:88: a call needs something to say; write say: with a text, or play: with the url of a recording`},
		{"recordings of a call", oneRule("chat_idle", "service: demo", `do: [{ call: { play: "https://x/a.mp3", attachments: [{ url: "https://x/a.mp3" }] } }, { call: { attachments: [] } }]`),
			`5:45: play is attachments with one file; write one of them
5:94: a call needs something to say; write say: with a text, or play: with the url of a recording`},
		{"a call that plays an image", oneRule("chat_idle", "service: demo", `do: [{ call: { say: x, attachments: [{ url: "https://x/a.png" }] } }]`),
			`5:12: the channel "phone" takes no image/png`},
		{"digits of a call", oneRule("chat_idle", "service: demo", "do: [{ call: { say: x, digits: 33 } }, { call: { say: x, digits: -1 } }, { call: { say: x, digits: four } }, { call: { say: x, digits: 1.5 } }, { call: { say: x, digits: [4] } }]"),
			`5:36: digits is a number from 0 to 32
5:70: digits is a number from 0 to 32
5:104: digits is a number from 0 to 32
5:140: digits is a number from 0 to 32
5:175: digits must be a text, not a list`},
		{"digits beside quick replies", oneRule("chat_idle", "service: demo", "do: [{ call: { say: x, digits: 1, quick_replies: [Yes] } }]"),
			`5:28: who chooses one of the quick_replies presses one digit; leave digits out`},
		{"choices and nothing said", oneRule("chat_idle", "service: demo", "do: [{ call: { quick_replies: [Yes] } }]"),
			`5:12: a call needs something to say; write say: with a text, or play: with the url of a recording`},
		{"more choices than a phone has", oneRule("chat_idle", "service: demo", "do: [{ call: { say: x, quick_replies: [a, b, c, d] } }]"),
			`5:12: the channel "phone" shows at most 3 quick replies`},
		{"call on what cannot", oneRule("chat_idle", "do: [{ call: { say: x, channel: short } }]"), `4:12: the channel "short" places no calls`},
		{"call from a service without phones", oneRule("chat_idle", "service: retail", "do: [{ call: { say: x } }]"),
			`5:12: the service "retail" has no channel of type "voice"; channels are configured in gateway.hcl`},
		{"a long call", oneRule("chat_idle", "do: [{ call: { say: "+long[:50]+" } }]"),
			`4:25: the text is longer than the channel "phone" takes at once; shorten it`},
		{"push", oneRule("chat_idle", "service: demo", "do: [{ push: { title: x } }, { push: { text: x, data: { title: y } } }, { push: x }]"),
			`5:12: push needs a text
5:61: the data of a push cannot have a "title"; it is a key of push itself
5:85: push must be a mapping of keys to values, not a text`},
		{"push without an app", oneRule("chat_idle", "service: bare", "do: [{ push: { text: x } }]"),
			`5:12: the service "bare" has no channel of type "push"; channels are configured in gateway.hcl`},
		{"a long push", oneRule("chat_idle", "do: [{ push: { text: "+long[:50]+" } }]"),
			`4:26: the text is longer than the channel "app" takes at once; shorten it`},

		{"transfer", oneRule("chat_idle", "service: demo", "do: [{ transfer: {} }, { transfer: { queue: a, agent: b } }, { transfer: { service: retial } }, { transfer: { service: bare } }]"),
			`5:12: transfer needs one of queue, agent, service
5:30: transfer needs one of queue, agent, service
5:89: unknown service "retial"; did you mean "retail"?
5:124: the service "bare" has no integration to transfer to`},
		{"transfer at a vendor that cannot", oneRule("chat_idle", "service: retail", "do: [{ transfer: { queue: a } }]"),
			`5:12: the integration "plain" cannot transfer chats`},
		{"transfer at vendors of which one cannot", oneRule("chat_idle", "do: [{ transfer: { queue: a } }]"),
			`4:12: the integration "plain" cannot transfer chats; limit the rule with service or integration`},
		{"transfer from a channel", oneRule("chat_idle", "channel: webshop", "do: [{ transfer: { queue: a } }]"), ""},
		{"transfer at a vendor nobody knows yet", oneRule("chat_idle", "integration: unknown", "do: [{ transfer: { queue: a } }]"), ""},
		{"transfer to a service needs no ability", oneRule("chat_idle", "service: retail", "do: [{ transfer: { service: demo } }]"), ""},

		{"control", oneRule("chat_idle", "do: [{ control: {} }, { control: { offer: bot, pass: ccsp } }, { control: { offer: both } }, { control: relaese }, { control: { reason: x } }]"),
			`4:12: control needs one of offer, pass, accept; or write control: release
4:29: control needs one of offer, pass, accept; or write control: release
4:88: unknown side "both"; did you mean "bot"?
4:109: unknown change of control "relaese"; did you mean "release"?
4:122: control needs one of offer, pass, accept; or write control: release`},
		{"control in a rule that is limited per customer", oneRule("chat_idle", "once: true", "per: customer", "do: [{ control: release }]"),
			"6:12: control is done at once and cannot be counted per customer; put it into a rule without per, or count per: conversation"},
		{"emit", oneRule("chat_idle", "service: demo", "do: [{ emit: {} }, { emit: { event: chat_closed } }, { emit: { event: 'a{{ 1 }}' } }, { emit: { event: a, to: vender } }]"),
			`5:12: emit needs the name of an event
5:41: "chat_closed" is an event that the gateway makes itself; emit makes a custom_event of a name; choose a name of your own
5:75: the name of an event cannot have {{ }} in it; params takes templates
5:115: unknown receiver "vender"; did you mean "vendor"?`},
		{"emit to a vendor that takes none", oneRule("chat_idle", "integration: plain", "do: [{ emit: { event: a, to: vendor } }, { emit: { event: a } }]"),
			`5:12: the integration "plain" takes no events`},
		{"emit to a channel that takes none", oneRule("chat_idle", "channel: [webshop, page]", "do: [{ emit: { event: a, to: channel } }]"),
			`5:12: the channel "page" takes no events; limit the rule with channel or channel_type`},
		{"emit to a channel that takes some", oneRule("chat_idle", "channel: webshop", "do: [{ emit: { event: a, to: channel } }]"), ""},
		{"a vendor's own name for its event", oneRule("chat_idle", "integration: desk", "do: [{ emit: { event: chat_closed, to: vendor } }]"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := loadIn(t, able(), tt.rule); got != tt.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", tt.rule, got, tt.want)
			}
		})
	}
}

// What rules of the past could reach is not asked of the present.
func TestPastRulesReachAnything(t *testing.T) {
	long := strings.Repeat("word ", 128)
	for _, text := range []string{
		oneRule("chat_idle", "do: [{ send_sms: { text: x, channel: gone } }, { send_sms: { text: x, channel: webshop } }]"),
		oneRule("chat_idle", "service: retail", "do: [{ send_sms: x }, { send_facebook: x }, { call: { say: x } }, { push: { text: x } }]"),
		oneRule("chat_idle", "service: gone", "do: [{ send_sms: x }, { transfer: { service: bare } }, { transfer: { service: gone } }]"),
		oneRule("chat_idle", "service: demo", `do: [{ send_sms: { text: x, attachments: [{ url: "https://x/a.png" }], quick_replies: [Yes] } }, { send_sms: `+long+` }]`),
		oneRule("chat_idle", "do: [{ call: { say: x, channel: short } }, { call: { say: "+long+" } }, { push: { text: "+long+" } }]"),
		oneRule("chat_idle", "do: [{ call: { say: x, quick_replies: [a, b, c, d] } }]"),
		oneRule("chat_idle", "service: retail", "do: [{ transfer: { queue: a } }, { emit: { event: a, to: vendor } }, { emit: { event: a, to: channel } }, { notify: { endpoint: gone } }]"),
		oneRule("chat_idle", "service: retail", "channel: webshop", "channel_type: sms", "integration: gone", "do: [{ tag: x }]"),
	} {
		w := able()
		w.Past = true
		if _, got := loadIn(t, w, text); got != "" {
			t.Errorf("%s\n%s", text, got)
		}
		w.Past = false
		if _, got := loadIn(t, w, text); got == "" {
			t.Errorf("nothing is wrong with it in the present:\n%s", text)
		}
	}
}

package conversation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestInWords(t *testing.T) {
	said := func(text string, replies []string, files ...string) *pluginv1.Message {
		m := &pluginv1.Message{Text: text}
		for _, r := range replies {
			m.QuickReplies = append(m.QuickReplies, &pluginv1.QuickReply{Title: r, Payload: "p"})
		}
		for _, f := range files {
			m.Attachments = append(m.Attachments, &pluginv1.Attachment{Url: f, Mime: "image/png"})
		}
		return m
	}
	kept := func(text string) *pluginv1.Message {
		return &pluginv1.Message{Text: text, Attachments: []*pluginv1.Attachment{{MediaId: "0123456789abcdef0123456789abcdef", Mime: "image/png", Name: "a.png"}}}
	}
	yes := []string{"Yes", "No"}
	for _, test := range []struct {
		name     string
		caps     *pluginv1.Capabilities
		in, want *pluginv1.Message
	}{
		{"a text", &pluginv1.Capabilities{}, said("Hello", nil), said("Hello", nil)},
		{"buttons where there are some", &pluginv1.Capabilities{QuickReplies: true}, said("Hello?", yes), said("Hello?", yes)},
		{"buttons where there are none", &pluginv1.Capabilities{}, said("Hello?", yes), said("Hello?\n- Yes\n- No", nil)},
		{"buttons alone", &pluginv1.Capabilities{}, said("", yes), said("- Yes\n- No", nil)},
		{"a file where it can go", &pluginv1.Capabilities{MediaTypes: []string{"image/*"}},
			said("Look", nil, "https://x.example/a"), said("Look", nil, "https://x.example/a")},
		{"a file where none can go", &pluginv1.Capabilities{}, said("Look", nil, "https://x.example/a"), said("Look\nhttps://x.example/a", nil)},
		{"a kept file where it can go", &pluginv1.Capabilities{MediaTypes: []string{"*/*"}}, kept("Look"), kept("Look")},
		{"a kept file where none can go", &pluginv1.Capabilities{}, kept("Look"),
			said("Look\na.png media:0123456789abcdef0123456789abcdef"+strings.Repeat("_", 58), nil)},
		{"both", &pluginv1.Capabilities{}, said("", yes, "https://x.example/a"), said("https://x.example/a\n- Yes\n- No", nil)},
	} {
		was := test.in.CloneVT()
		got := inWords(test.in, test.caps)
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(was, test.in, protocmp.Transform()); diff != "" {
			t.Errorf("%s: the message itself was changed (-was +is):\n%s", test.name, diff)
		}
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func TestAgentTexts(t *testing.T) {
	full := strings.Repeat("😀", 512)
	most := strings.Repeat("a", 1000)
	long := "https://e.com/" + strings.Repeat("b", 2000)
	one := func(s string) []string { return []string{s} }
	for _, tt := range []struct {
		name string
		m    sdk.Message
		want []string
		err  string
	}{
		{"customer", sdk.Message{Text: "Hi", Author: sdk.AuthorCustomer}, one("Hi"), "ok"},
		{"customer, whom somebody else answers", sdk.Message{Text: "Hi", Author: sdk.AuthorCustomer, Copy: true}, one("[copy] Hi"), "ok"},
		{"rule", sdk.Message{Text: "[automatic] Hi", Author: sdk.AuthorRule}, one("[automatic] Hi"), "ok"},
		{"bot", sdk.Message{Text: "Hi", Author: sdk.AuthorBot}, one("[bot] Hi"), "ok"},
		{"system", sdk.Message{Text: "Hi", Author: sdk.AuthorSystem}, one("[system] Hi"), "ok"},
		{"agent", sdk.Message{Text: "Hi", Author: sdk.AuthorAgent, Agent: sdk.Agent{Name: "Bob"}}, one("[agent Bob] Hi"), "ok"},
		{"at the limit", sdk.Message{Text: full}, one(full), "ok"},
		{"no room for a mark", sdk.Message{Text: full, Author: sdk.AuthorSystem}, one(full), "ok"},
		{"over the limit", sdk.Message{Text: full + "a"}, nil, "rejected too_long"},
		{"NUL", sdk.Message{Text: "a\x00b"}, one("ab"), "ok"},
		{"files", sdk.Message{Text: "See", Attachments: []sdk.Attachment{
			{URL: "https://e.com/a.jpg", Caption: "me"}, {MediaID: "7", Name: "b.pdf", MIME: "application/pdf"}}},
			one("See\nme\nhttps://e.com/a.jpg\n[file b.pdf application/pdf]"), "ok"},
		{"a file alone", sdk.Message{Attachments: []sdk.Attachment{{URL: "https://e.com/a"}}}, one("https://e.com/a"), "ok"},
		{"a page", sdk.Message{Text: "See", URLPush: "https://e.com/p"}, one("See\nhttps://e.com/p"), "ok"},
		{"a page that is in the text", sdk.Message{Text: "https://e.com/p", URLPush: "https://e.com/p"}, one("https://e.com/p"), "ok"},
		{"no room for an address", sdk.Message{Text: most, Author: sdk.AuthorBot, Attachments: []sdk.Attachment{
			{URL: "https://e.com/a.jpg", Caption: "me"}, {URL: "https://e.com/b.jpg"}}},
			[]string{"[bot] " + most + "\nme", "https://e.com/a.jpg\nhttps://e.com/b.jpg"}, "ok"},
		{"an address above the limit", sdk.Message{Text: "See", URLPush: long}, []string{"See", long[:1024], long[1024:]}, "ok"},
		{"nothing", sdk.Message{Author: sdk.AuthorBot}, nil, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := dial(t, &plugintest.Far{})
			got, err := c.content(t.Context(), chat, c.progress.of("C1", ""), tt.m)
			if diff := cmp.Diff(tt.want, got.texts); diff != "" || plugintest.Verdict(err) != tt.err {
				t.Errorf("%v, want %s; texts (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}

// TestTheOperatorsLimit: the limit in force is the gateway's, whatever the
// driver declares.
func TestTheOperatorsLimit(t *testing.T) {
	c, host := dial(t, &plugintest.Far{})
	for _, tt := range []struct {
		limit sdk.TextLimit
		text  string
		want  string
	}{
		{sdk.TextLimit{Limit: 8, Unit: sdk.Byte}, "é", "[bot] é"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.Byte}, "é", "é"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.Rune}, "é", "[bot] é"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.UTF16}, "😀", "😀"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.Rune}, "😀", "[bot] 😀"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.Grapheme}, "👩‍👩‍👧", "[bot] 👩‍👩‍👧"},
		{sdk.TextLimit{Limit: 9, Unit: sdk.GSM7}, "a", "[bot] a"},
		{sdk.TextLimit{Limit: 8, Unit: sdk.GSM7}, "a", "a"},
		{sdk.TextLimit{Limit: 7, Unit: sdk.GSM7}, "ж", "[bot] ж"},
		{sdk.TextLimit{}, strings.Repeat("a", 5000), "[bot] " + strings.Repeat("a", 5000)},
	} {
		host.Limit = tt.limit
		got, err := c.content(t.Context(), chat, c.progress.of("C1", ""), sdk.Message{Text: tt.text, Author: sdk.AuthorBot})
		if err != nil || got.texts[0] != tt.want {
			t.Errorf("limit %+v: %q, %v; want %q", tt.limit, got.texts, err, tt.want)
		}
	}
}

package main

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPlainText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "Hello", "Hello"},
		{"lines", "a\r\nb\rc\n\n\n\nd", "a\nb\nc\n\n\n\nd"},
		{"entities", "1 &lt; 2 &amp;&amp; 3 &gt; 2 &quot;x&quot; &#8364;&#x20ac; a&nbsp;b", `1 < 2 && 3 > 2 "x" €€ a b`},
		{"an address is no entity", "https://e.com/?a=1&copy=2&lt=3", "https://e.com/?a=1&copy=2&lt=3"},
		{"an entity twice over", "&amp;lt;b&amp;gt;", "&lt;b&gt;"},
		{"tags", "<p>Hi <b>Ada</b>,</p><p>bye</p>", "Hi Ada,\nbye"},
		{"breaks", "a<br>b<br/>c<BR />d", "a\nb\nc\nd"},
		{"blocks", "<div>a</div>\n\n\n<div>b</div>", "a\n\nb"},
		{"list", "<ul><li>a</li><li>b</li></ul>c", "- a\n- b\nc"},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"link", `see <a href="https://e.com/a?b=1&amp;c=2">the page</a>.`, "see the page (https://e.com/a?b=1&c=2)."},
		{"link that shows itself", `<a href="https://e.com">https://e.com</a>`, "https://e.com"},
		{"link without text", `<a href="https://e.com"><img src="x.png"></a>`, "https://e.com"},
		{"link without end", `<a href="https://e.com">go`, "go (https://e.com)"},
		{"link to a script", `<a href="javascript:alert(1)">go</a>`, "go"},
		{"link to a page of theirs", `<a href="/a">go</a>`, "go"},
		{"mail", `<a href="mailto:a@e.com">us</a>`, "us (a@e.com)"},
		{"image", `<img alt="cat" src="https://e.com/c.png">`, "cat https://e.com/c.png"},
		{"script", `a<script>alert("<b>")</script>b<style>p{}</style>c`, "abc"},
		{"script without end", `a<script>alert(1)`, "aalert(1)"},
		{"comment", "a<!-- b -->c", "ac"},
		{"comment without end", "a<!-- b", "a<!-- b"},
		{"a heart", "I <3 you </3 too", "I <3 you </3 too"},
		{"less than", "if x<y and y>z", "if x<y and y>z"},
		{"less than, spaces", "1 < 2", "1 < 2"},
		{"a placeholder", "type <name> here", "type <name> here"},
		{"a known tag without end", "if a <b", "if a <b"},
		{"escaped markup", "use &lt;br&gt; here", "use <br> here"},
		{"spaces stay in plain text", "a  b", "a  b"},
		{"control characters", "a\x00b\x1bc\u0085d\te", "abcd\te"},
		{"bad UTF-8", "a\xffb", "a\uFFFDb"},
		{"blanks alone", " \n<p> </p> ", ""},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := plainText(tt.in); got != tt.want {
				t.Errorf("plainText(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestLongTextStaysWhole(t *testing.T) {
	const words = 20_000
	if got := strings.Count(plainText("<p>"+strings.Repeat("<b>word</b> ", words)+"</p>"), "word"); got != words {
		t.Errorf("%d words of %d are left", got, words)
	}
}

// FuzzPlainText: no panic, good UTF-8, no control characters, and a text in
// which nothing can be markup or an entity loses no letter.
func FuzzPlainText(f *testing.F) {
	for _, s := range []string{"<p>a</p>", "a<!--", "<a href=x", "&#0;", "<script><", "\x00<", "</", "<b", "&amp;lt;", "<plaintext>a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := plainText(s)
		if !utf8.ValidString(got) {
			t.Errorf("plainText(%q) = %q is not UTF-8", s, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
			t.Errorf("plainText(%q) = %q has a control character", s, got)
		}
		if !strings.ContainsAny(s, "<&") && letters(s) != letters(got) {
			t.Errorf("plainText(%q) = %q lost letters", s, got)
		}
	})
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

package main

import (
	stdhtml "html"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// breaks are the elements that begin and end a line.
var breaks = map[atom.Atom]bool{
	atom.Address: true, atom.Article: true, atom.Aside: true, atom.Blockquote: true, atom.Body: true, atom.Center: true,
	atom.Dd: true, atom.Div: true, atom.Dl: true, atom.Dt: true, atom.Fieldset: true, atom.Footer: true, atom.Form: true,
	atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Header: true,
	atom.Hr: true, atom.Html: true, atom.Main: true, atom.Nav: true, atom.Ol: true, atom.P: true, atom.Pre: true,
	atom.Section: true, atom.Table: true, atom.Tbody: true, atom.Thead: true, atom.Tr: true, atom.Ul: true,
}

// inline are the elements whose tags vanish. A tag that is neither here nor
// among the others is text: people write "x<y" and "<name>".
var inline = map[atom.Atom]bool{
	atom.Abbr: true, atom.B: true, atom.Big: true, atom.Cite: true, atom.Code: true, atom.Del: true, atom.Em: true,
	atom.Font: true, atom.I: true, atom.Ins: true, atom.Kbd: true, atom.Label: true, atom.Link: true, atom.Mark: true,
	atom.Meta: true, atom.Q: true, atom.S: true, atom.Samp: true, atom.Small: true, atom.Span: true, atom.Strike: true,
	atom.Strong: true, atom.Sub: true, atom.Sup: true, atom.Tt: true, atom.U: true, atom.Var: true, atom.Wbr: true,
}

// hidden are the elements whose content nobody should read.
var hidden = map[atom.Atom]bool{atom.Head: true, atom.Script: true, atom.Style: true, atom.Title: true}

var (
	// Only entities with their semicolon: "?a=1&copy=2" is part of an address.
	entity  = regexp.MustCompile(`&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});`)
	newline = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n")
	blanks  = regexp.MustCompile(`[ \t]*\n[ \t]*`)
	empties = regexp.MustCompile(`\n{3,}`)
)

// plainText makes text of what an agent's desk sends: markup goes, breaks and
// the addresses of links stay, entities become characters.
//
//	<p>Hi <b>Ada</b>,</p><p>see <a href="https://e.com/a">the page</a></p>
//	Hi Ada,
//	see the page (https://e.com/a)
//
// Text without markup only loses entities and control characters.
func plainText(s string) string {
	s = newline.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	if !strings.Contains(s, "<") {
		return clean(unescape(s))
	}
	w := writer{src: s}
	w.run()
	text := clean(w.b.String())
	if w.markup {
		text = strings.TrimSpace(empties.ReplaceAllString(blanks.ReplaceAllString(text, "\n"), "\n\n"))
	}
	return text
}

func unescape(s string) string { return entity.ReplaceAllStringFunc(s, stdhtml.UnescapeString) }

// clean drops control characters and makes a space of a no-break space.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u00a0':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, s))
}

// writer writes the text of one piece of HTML.
type writer struct {
	src    string
	at     int // bytes of src that were read
	b      strings.Builder
	markup bool // there was some

	href  string // of the link that is open
	begun int    // where its text begins in b

	skip     atom.Atom // the hidden element that is open
	skipFrom int       // where its content begins in src
}

func (w *writer) run() {
	z := html.NewTokenizer(strings.NewReader(w.src))
	for {
		tt := z.Next()
		if tt == html.ErrorToken {
			break
		}
		raw := string(z.Raw())
		w.at += len(raw)
		w.token(tt, raw, z)
	}
	w.endLink()
	rest := w.src[min(w.at, len(w.src)):] // a tag without its end
	if w.skip != 0 {
		rest = w.src[w.skipFrom:] // no end of what is hidden: show it rather than lose it
	}
	w.b.WriteString(unescape(rest))
}

func (w *writer) token(tt html.TokenType, raw string, z *html.Tokenizer) {
	switch tt {
	case html.TextToken:
		if w.skip == 0 {
			w.b.WriteString(unescape(raw))
		}
	case html.CommentToken:
		if w.skip == 0 && (!strings.HasPrefix(raw, "<!--") || !strings.HasSuffix(raw, "-->")) {
			w.b.WriteString(unescape(raw)) // "</3" is no comment
		}
	case html.StartTagToken, html.SelfClosingTagToken:
		t := z.Token()
		w.start(t, raw)
	case html.EndTagToken:
		t := z.Token()
		w.end(t, raw)
	}
}

func (w *writer) start(t html.Token, raw string) {
	a := t.DataAtom
	if w.skip != 0 {
		return
	}
	if !known(a) {
		w.b.WriteString(unescape(raw))
		return
	}
	w.markup = true
	switch {
	case hidden[a]:
		if t.Type == html.StartTagToken {
			w.skip, w.skipFrom = a, w.at
		}
	case a == atom.Br:
		w.b.WriteByte('\n')
	case a == atom.Li:
		w.line()
		w.b.WriteString("- ")
	case a == atom.Td, a == atom.Th:
		w.b.WriteByte(' ')
	case a == atom.A:
		w.endLink()
		w.href, w.begun = link(attr(t, "href")), w.b.Len()
	case a == atom.Img:
		w.b.WriteString(strings.TrimSpace(attr(t, "alt") + " " + link(attr(t, "src"))))
	case breaks[a]:
		w.line()
	}
}

func (w *writer) end(t html.Token, raw string) {
	a := t.DataAtom
	if w.skip != 0 {
		if a == w.skip {
			w.skip = 0
		}
		return
	}
	switch {
	case a == atom.A:
		w.endLink()
	case breaks[a]:
		w.line()
	case !known(a):
		w.b.WriteString(unescape(raw))
	}
}

func known(a atom.Atom) bool {
	switch a {
	case atom.A, atom.Br, atom.Img, atom.Li, atom.Td, atom.Th:
		return true
	}
	return breaks[a] || inline[a] || hidden[a]
}

// line begins a new line unless one has just begun.
func (w *writer) line() {
	if s := w.b.String(); s != "" && !strings.HasSuffix(s, "\n") {
		w.b.WriteByte('\n')
	}
}

// endLink adds the address of the open link, if its text does not show it.
func (w *writer) endLink() {
	if w.href == "" {
		return
	}
	text := strings.TrimSpace(w.b.String()[w.begun:])
	switch {
	case text == "":
		w.b.WriteString(w.href)
	case !strings.Contains(text, w.href):
		w.b.WriteString(" (" + w.href + ")")
	}
	w.href = ""
}

// link returns an address that a customer can use, "" if it is none.
func link(href string) string {
	href = strings.TrimSpace(href)
	scheme, rest, ok := strings.Cut(href, ":")
	if !ok {
		return ""
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		return href
	case "mailto", "tel":
		return rest
	}
	return ""
}

func attr(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

package media

import (
	"bytes"
	"regexp"
	"strings"
)

// A file that the gateway keeps has no address when rules look at it or its words
// are written: links expire, so they are made when a command leaves. Until then a
// text that names the file holds its reference, "media:" and the id.
const (
	refScheme = "media:"
	idDigits  = 32 // hex, of a file's id
	linkRoom  = 96 // how long a link is taken to be where texts are measured
)

var refs = regexp.MustCompile(`media:[0-9a-f]{32}_*`)

// Ref is what stands for a link to the kept file of that id; "" for "".
func Ref(id string) string {
	if id == "" {
		return ""
	}
	return refScheme + id
}

// LongRef is Ref, as long as the link will be: for texts that are to be split.
func LongRef(id string) string {
	ref := Ref(id)
	return ref + strings.Repeat("_", max(linkRoom-len(ref), 0))
}

// RefID returns the id in a text that is nothing but a reference, "" if it is
// another text.
func RefID(text string) string {
	id, ok := strings.CutPrefix(strings.TrimRight(text, "_"), refScheme)
	if !ok || !IsID(id) {
		return ""
	}
	return id
}

// IsID says whether s can be the id of a kept file.
func IsID(s string) bool {
	return len(s) == idDigits && strings.Trim(s, "0123456789abcdef") == ""
}

// A Linker gives the link to a kept file, "" if there can be none; ok is false if
// there is no such file.
type Linker func(id string) (link string, ok bool)

// Linked returns text with a link in place of each reference. Somebody may have
// written what only looks like one: that stays.
func Linked(text string, link Linker) string {
	if !strings.Contains(text, refScheme) {
		return text
	}
	return refs.ReplaceAllStringFunc(text, link.replace)
}

func (l Linker) replace(ref string) string {
	link, ok := l(RefID(ref))
	if !ok && !strings.HasSuffix(ref, "_") {
		return ref
	}
	return link
}

// LinkedBytes is Linked. It returns body itself if there is nothing to replace.
func LinkedBytes(body []byte, link Linker) []byte {
	if !bytes.Contains(body, []byte(refScheme)) {
		return body
	}
	return refs.ReplaceAllFunc(body, func(ref []byte) []byte { return []byte(link.replace(string(ref))) })
}

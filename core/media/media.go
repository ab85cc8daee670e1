// Package media knows the types of files as far as messages need them.
package media

import (
	"net/url"
	"path"
	"strings"
)

// types by the file's extension: those that people send. It is a table of our
// own, since a decision must not depend on the machine.
var types = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".svg": "image/svg+xml", ".mp4": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm", ".mp3": "audio/mpeg",
	".ogg": "audio/ogg", ".wav": "audio/wav", ".pdf": "application/pdf", ".txt": "text/plain", ".vcf": "text/vcard",
}

// TypeOf returns the MIME type of the file at an address, by its name; "" if
// that says nothing.
func TypeOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return TypeOfName(u.Path)
}

// TypeOfName is TypeOf for a file's name.
func TypeOfName(name string) string { return types[strings.ToLower(path.Ext(name))] }

// Narrowed returns the types that are in both of two lists; nil stands for all, and
// an empty list for none.
func Narrowed(a, b []string) []string {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := []string{}
	for _, x := range a {
		for _, y := range b {
			switch {
			case Takes([]string{x}, y):
				both = append(both, y)
			case Takes([]string{y}, x):
				both = append(both, x)
			}
		}
	}
	return both
}

// Takes says whether who takes the given types, such as image/*, takes a file of
// type mime. One of unknown type is taken by all who take files at all.
func Takes(given []string, mime string) bool {
	mime, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(mime)), ";")
	for _, g := range given {
		g = strings.ToLower(g)
		class, all := strings.CutSuffix(g, "*")
		if mime == "" || g == "*/*" || g == mime || all && strings.HasPrefix(mime, class) {
			return true
		}
	}
	return false
}

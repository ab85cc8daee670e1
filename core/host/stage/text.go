package stage

import (
	"errors"
	"io/fs"
	"strings"
)

// plain is err without the path, which its reader knows.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// lines makes one line of an error of several.
func lines(err error) string { return printable(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// clip shortens what a file says for a message about it.
func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// printable keeps control characters out of messages.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

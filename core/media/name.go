package media

import (
	"path"
	"strings"
	"unicode"
)

const (
	maxName      = 100 // bytes of a file's name
	maxExtension = 12
)

// CleanName returns a file's name as it can be shown and saved anywhere: without
// folders, control characters, what turns the direction of writing, and what file
// systems and headers do not take; not longer than 100 bytes. It may be "".
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '\\':
			return '/'
		case unicode.Is(unicode.C, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), r == unicode.ReplacementChar, strings.ContainsRune(`"<>|:*?;%`, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Trim(path.Base(name), ". /~")
	if len(name) > maxName {
		ext := Extension(name)
		name = strings.ToValidUTF8(name[:maxName-len(ext)], "") + ext
	}
	return name
}

// Extension returns the extension of a name with its dot, in lower case; "" if it
// has none that is one.
func Extension(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if len(ext) < 2 || len(ext) > maxExtension || strings.Trim(ext[1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return ext
}

package watch

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many links a path may go through, as in Linux.
const maxLinks = 40

// Places returns every path whose change may change what the file is: each
// link on the way to it, and where they lead in the end. They are absolute and
// go through no link but in their last element.
func Places(file string) []string {
	abs, err := filepath.Abs(file)
	if err != nil { // there is no working directory
		return []string{filepath.Clean(file)}
	}
	root := filepath.VolumeName(abs) + string(filepath.Separator)
	at, rest := root, elements(abs[len(root):])
	var places []string
	for len(rest) > 0 && len(places) < maxLinks {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil { // no link, or nothing at all
			at = next
			continue
		}
		places = append(places, next)
		if filepath.IsAbs(target) {
			at = root
		}
		rest = append(elements(target), rest...)
	}
	return append(places, at)
}

func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

package stage

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/openccsp/gateway/core/diag"
)

// Manifest is the plugin.yaml that makes a folder a plugin:
//
//	command: [node, main.js]         # required
//	files: [main.js, node_modules]   # without it: all files
//
// The first word of command is a program: a name with a slash is a file of the
// folder, any other is searched for in $PATH. Other words that name files of
// the folder become absolute. files names the files and folders that are
// copied and hashed; those whose names begin with a dot are only taken if they
// are named. plugin.yaml itself is always taken.
type Manifest struct {
	Command []string
	Files   []string // relative, with slashes; nil: all
	places  []diag.Pos
	command diag.Pos
}

var manifestKeys = []string{"command", "files"}

// ParseManifest reads the text of a plugin.yaml; file is its name for
// problems. It returns [diag.Problems].
func ParseManifest(file string, text []byte) (Manifest, error) {
	d := &document{file: file}
	var m Manifest
	settings := d.read(text, manifestKeys)
	if s, ok := settings["command"]; ok {
		m.command = s.pos
		for _, w := range d.list("command", s) {
			m.Command = append(m.Command, w.text)
		}
	} else if len(d.problems) == 0 {
		d.problem(diag.Pos{File: file, Line: 1, Column: 1}, "write command: [node, main.js]", "there is no command")
	}
	if len(m.Command) > 0 && filepath.IsAbs(m.Command[0]) {
		d.problem(m.command, "name it without a path, then it is searched for in $PATH", "the command is an absolute path")
	}
	if s, ok := settings["files"]; ok {
		for _, w := range d.list("files", s) {
			name := path.Clean(w.text)
			if !filepath.IsLocal(name) || strings.ContainsAny(w.text, "\\\r\n") {
				d.problem(w.pos, "name files and folders relative to plugin.yaml", "%q is not a name inside the folder", clip(w.text))
				continue
			}
			m.Files = append(m.Files, name)
			m.places = append(m.places, w.pos)
		}
	}
	if err := d.problems.Err(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

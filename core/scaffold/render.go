package scaffold

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// templates hold a project in layers: what depends on the language, on the
// kind, and on both. A file's name ends in .tmpl, so that Go, npm and editors
// leave it alone here.
//
//go:embed all:templates
var templates embed.FS

// file is one file of a project, by its slash-separated name.
type file struct {
	name string
	data []byte
}

// render returns the project's files, sorted by name.
func (p *Project) render() ([]file, error) {
	var files []file
	for _, layer := range []string{p.Lang, p.Kind, p.Lang + "-" + p.Kind} {
		root := "templates/" + layer
		err := fs.WalkDir(templates, root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := p.execute(path)
			name := strings.TrimSuffix(strings.TrimPrefix(path, root+"/"), ".tmpl")
			files = append(files, file{name, data})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("template: %w", err)
		}
	}
	if len(p.sums) > 0 {
		files = append(files, file{"go.sum", p.sums})
	}
	if p.Lang == "node" {
		files = append(files, file{"plugin.proto", []byte(pluginv1.Proto)})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// execute fills in one template. Its marks are [[ ]], because {{ }} stands in
// the rule files of a project.
func (p *Project) execute(path string) ([]byte, error) {
	src, err := fs.ReadFile(templates, path)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path).Delims("[[", "]]").Parse(string(src))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, p)
	return out.Bytes(), err
}

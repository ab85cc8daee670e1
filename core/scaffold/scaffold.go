// Package scaffold has what the author of a plugin works with: [Project]
// writes a small plugin that builds, passes its tests and chats as it is, and
// [Dev] builds it again whenever a file is saved.
package scaffold

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Options say what to write.
type Options struct {
	Name string // of the project, such as acme
	Kind string // channel or connector
	Lang string // go or node; default go
	ID   string // of the plugin; default org.example.<name>
	Dir  string // to write to, absent or empty; default <name>

	// SDK is the gateway's source tree, which a plugin in Go is built against;
	// default [Source]. Without any it is Version as a module.
	SDK     string
	Version string // of the gateway, such as v1.2.0
}

// Project is a plugin to be written. Its fields are what templates see.
type Project struct {
	Name, Kind, Lang, ID, Dir string

	Driver     string   // the first label in gateway.hcl
	Module     string   // of a plugin in Go
	Env        string   // beginning of names of environment variables
	SDK        string   // path of the SDK's source as go.mod writes it, "" for a released module
	SDKVersion string   // of that module
	Requires   []string // modules and versions that the SDK needs

	sums []byte // go.sum
}

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]*([-_][a-z0-9]+)*$`)
	pluginID    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
)

// maxName is the longest name of a driver.
const maxName = 32

// New checks o and looks for the SDK. It writes nothing.
func New(o Options) (*Project, error) {
	p := &Project{Name: o.Name, Kind: o.Kind, Lang: cmp.Or(o.Lang, "go"), Dir: cmp.Or(o.Dir, o.Name)}
	p.ID = cmp.Or(o.ID, "org.example."+strings.ReplaceAll(o.Name, "_", "-"))
	switch {
	case !projectName.MatchString(o.Name) || len(o.Name) > maxName:
		return nil, fmt.Errorf("name %q: want a lower-case word of at most %d characters, such as acme or acme-chat",
			o.Name, maxName)
	case p.Kind != "channel" && p.Kind != "connector":
		return nil, fmt.Errorf("kind %q: want channel (where customers write) or connector (where agents answer)", o.Kind)
	case p.Lang != "go" && p.Lang != "node":
		return nil, fmt.Errorf("lang %q: want go or node; for others see sdk/README.md", o.Lang)
	case !pluginID.MatchString(p.ID) || len(p.ID) > 128:
		return nil, fmt.Errorf("id %q: want reverse DNS, such as com.example.%s", p.ID, o.Name)
	}
	p.Driver = strings.ReplaceAll(o.Name, "-", "_")
	p.Env = strings.ToUpper(p.Driver)
	p.Module = moduleOf(p.ID)
	if err := vacant(p.Dir); err != nil {
		return nil, err
	}
	if p.Lang == "go" {
		return p, p.useSDK(o.SDK, o.Version)
	}
	return p, nil
}

// moduleOf makes a Go module's path of a plugin's id: org.example.acme is
// example.org/acme.
func moduleOf(id string) string {
	labels := strings.Split(id, ".")
	domain := labels[:2]
	slices.Reverse(domain)
	return strings.Join(append([]string{strings.Join(domain, ".")}, labels[2:]...), "/")
}

// vacant checks that nothing would be overwritten.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty, it has %s; nothing was written", dir, entries[0].Name())
	}
	return nil
}

// Write writes the project and returns its files. It overwrites nothing.
func (p *Project) Write() ([]string, error) {
	files, err := p.render()
	if err != nil {
		return nil, err
	}
	if err := vacant(p.Dir); err != nil {
		return nil, err
	}
	var written []string
	for _, f := range files {
		path := filepath.Join(p.Dir, filepath.FromSlash(f.name))
		if err := writeNew(path, f.data); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}

func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

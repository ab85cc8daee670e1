package stage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/diag"
)

const (
	maxMembers = 20_000 // files in a plugin's folder
	maxNested  = 32     // folders in it
)

// examineFolder reads the manifest of s and finds its files.
func (v *view) examineFolder(s *sighting, root *os.Root) error {
	sub, err := root.OpenRoot(s.rel)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	name := filepath.Join(s.path, manifestName)
	text, info, err := readSmall(sub, manifestName)
	if err != nil {
		return err
	}
	s.members = []member{{manifestName, info}} // so that its changes are seen
	s.modTime = info.ModTime()
	if s.manifest, err = ParseManifest(name, text); err != nil {
		return err
	}
	c := &collection{sub: sub, base: filepath.Join(s.root, s.rel), seen: map[string]bool{manifestName: true}, limit: v.maxSize}
	c.members = s.members
	err = c.collect(name, s.manifest)
	slices.SortFunc(c.members, func(a, b member) int { return strings.Compare(a.rel, b.rel) })
	s.members, s.size = c.members, c.size
	s.guarded = append(s.guarded, c.dirs...)
	for _, m := range s.members {
		s.guarded = append(s.guarded, guarded{filepath.Join(c.base, m.rel), m.info})
		if m.info.ModTime().After(s.modTime) {
			s.modTime = m.info.ModTime()
		}
	}
	if err != nil {
		return err
	}
	return c.hasCommand(s.manifest)
}

// collection gathers the files of a folder.
type collection struct {
	sub     *os.Root // the folder; links out of it cannot be opened
	base    string   // its path
	seen    map[string]bool
	members []member
	dirs    []guarded
	size    int64
	limit   int64
}

func (c *collection) collect(file string, m Manifest) error {
	if m.Files == nil {
		return c.dir(".", 0)
	}
	for i, rel := range m.Files {
		err := c.add(rel, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", errUnfinished, diag.Errorf(m.places[i], "files: there is no %q", rel))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) dir(rel string, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("%s is nested too deep", rel)
	}
	info, err := c.sub.Stat(rel)
	if err != nil {
		return err
	}
	c.dirs = append(c.dirs, guarded{filepath.Join(c.base, rel), info})
	f, err := c.sub.Open(rel)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(maxMembers + 1)
	_ = f.Close() // it was only read
	if len(entries) > maxMembers {
		return tooMany(rel)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		err := c.add(path.Join(rel, e.Name()), depth+1)
		if errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0 {
			continue // it went meanwhile, which changes the print
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func tooMany(rel string) error {
	return fmt.Errorf("%s has more than %d files; name those that are needed with files in %s", rel, maxMembers, manifestName)
}

func (c *collection) add(rel string, depth int) error {
	if c.seen[rel] {
		return nil
	}
	c.seen[rel] = true
	if len(c.seen) > maxMembers {
		return tooMany("it")
	}
	if strings.ContainsAny(rel, "\r\n") {
		return fmt.Errorf("the name %q has a line end in it", rel)
	}
	link, err := c.sub.Lstat(rel)
	if err != nil {
		return err
	}
	info, err := c.sub.Stat(rel) // fails on a link that leaves the folder
	switch {
	case err != nil:
		return fmt.Errorf("%s: the link cannot be followed inside the folder: %w; leave it out with files in %s",
			rel, plain(err), manifestName)
	case info.IsDir() && link.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a link to a folder; leave it out with files in %s", rel, manifestName)
	case info.IsDir():
		return c.dir(rel, depth)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file; leave it out with files in %s", rel, manifestName)
	}
	c.members = append(c.members, member{rel, info})
	if c.size += info.Size(); c.size > c.limit {
		return fmt.Errorf("it is larger than %d bytes", c.limit)
	}
	return nil
}

// hasCommand says whether the program of the manifest is there, if it is a
// file of the folder.
func (c *collection) hasCommand(m Manifest) error {
	if !strings.Contains(m.Command[0], "/") {
		return nil
	}
	i := slices.IndexFunc(c.members, func(f member) bool { return f.rel == path.Clean(m.Command[0]) })
	if i < 0 {
		return fmt.Errorf("%w: %w", errUnfinished, &diag.Problem{Pos: m.command, Hint: "is it named in files?",
			Summary: fmt.Sprintf("command: %q is not a file of the folder", clip(m.Command[0]))})
	}
	if !isProgram(c.members[i].info) {
		return &diag.Problem{Pos: m.command, Hint: "chmod +x", Summary: fmt.Sprintf("command: %q is not executable", clip(m.Command[0]))}
	}
	return nil
}

package stage

import (
	"crypto/ed25519"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// view is what a look at the directories goes by. It does not change.
type view struct {
	mode    Mode
	maxSize int64
	roots   []string // the plugin directories without links in their paths
	lock    *Lock    // of mode pinned; never nil
	lockRev string   // changes with the lock
	keys    []ed25519.PublicKey
}

// sighting is what one look found at a path, without reading the content of
// programs.
type sighting struct {
	path     string
	root     string   // the plugin directory it really lies in
	rel      string   // its name there, without links
	folder   bool     // with a plugin.yaml
	manifest Manifest // of a folder
	members  []member // what is copied: one program, or files of the folder
	sidecar  beneath
	sig      beneath
	guarded  []guarded // what decides who can change it
	print    string    // two equal ones: nothing has changed
	changed  time.Time // the last change of an inode
	modTime  time.Time
	size     int64
	err      error // why it cannot be taken as it is
	gone     bool  // a removal, once it lasts: a link that leads nowhere, a program that may not be executed
}

// member is a file that is copied into the store.
type member struct {
	rel  string // in the folder; of a program: in the plugin directory
	info fs.FileInfo
}

// guarded is a file or directory whose mode and owner matter.
type guarded struct {
	path string
	info fs.FileInfo
}

// sight looks at the name in dir. It returns nil if no plugin is there.
func (v *view) sight(dir, name string) *sighting {
	s := &sighting{path: filepath.Join(dir, name)}
	link, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return s.fail(err)
	case lacksRight(s.path, link):
		s.gone = true
		return s.fail(fmt.Errorf("it is a program without the right to be executed; chmod +x %s", s.path))
	case link.Mode()&fs.ModeSymlink == 0 && !link.IsDir() && !isProgram(link):
		return nil
	}
	real, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		if link.Mode()&fs.ModeSymlink == 0 {
			return nil // it went meanwhile
		}
		s.gone = errors.Is(err, fs.ErrNotExist)
		target, _ := os.Readlink(s.path)
		return s.fail(fmt.Errorf("the link to %s leads nowhere: %w", target, plain(err)))
	}
	info, err := os.Stat(real)
	if err != nil || !info.IsDir() && !isProgram(info) {
		return nil
	}
	if s.folder = info.IsDir(); s.folder {
		if m, err := os.Lstat(filepath.Join(real, manifestName)); err != nil || !m.Mode().IsRegular() {
			return nil // such as source code
		}
	}
	if s.root, s.rel = v.locate(real); s.root == "" {
		return s.fail(fmt.Errorf("the link leads to %s, which is not in a plugin directory; "+
			"copy it here, or add its directory to plugin_dirs", real))
	}
	return v.examine(s, dir, info)
}

// locate returns the plugin directory that real lies in.
func (v *view) locate(real string) (root, rel string) {
	for _, r := range v.roots {
		if rel, err := filepath.Rel(r, real); err == nil && rel != "." && filepath.IsLocal(rel) {
			return r, rel
		}
	}
	return "", ""
}

// examine fills in s, of which the place is known.
func (v *view) examine(s *sighting, dir string, info fs.FileInfo) *sighting {
	s.modTime = info.ModTime()
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return s.fail(err)
	}
	defer func() { _ = root.Close() }()
	if err := s.guard(root); err != nil {
		return s.fail(err)
	}
	s.err = v.lookBeside(s, dir)
	s.members, s.size = []member{{s.rel, info}}, info.Size()
	if s.folder {
		if err := v.examineFolder(s, root); s.err == nil {
			s.err = err
		}
	}
	if s.err == nil && s.size > v.maxSize {
		s.err = fmt.Errorf("it is larger than %d bytes", v.maxSize)
	}
	s.seal(v)
	return s
}

// lookBeside finds the sidecar, which belongs to the name, and the signature,
// which may also lie beside what a link leads to.
func (v *view) lookBeside(s *sighting, dir string) (err error) {
	if s.sidecar, err = v.beside(dir, filepath.Base(s.path)+sidecarSuffix); err != nil || v.mode != Signed {
		return err
	}
	if s.sig, err = v.beside(dir, filepath.Base(s.path)+sigSuffix); err != nil || s.sig.rel != "" {
		return err
	}
	s.sig, err = v.beside(filepath.Join(s.root, filepath.Dir(s.rel)), filepath.Base(s.rel)+sigSuffix)
	return err
}

// guard notes the directories from the plugin directory down to the file, and
// the file.
func (s *sighting) guard(root *os.Root) error {
	for rel := s.rel; ; rel = filepath.Dir(rel) {
		info, err := root.Stat(rel)
		if err != nil {
			return err
		}
		s.guarded = append(s.guarded, guarded{filepath.Join(s.root, rel), info})
		if rel == "." {
			return nil
		}
	}
}

// fail makes s a sighting of nothing but a mistake.
func (s *sighting) fail(err error) *sighting {
	s.err = err
	sum := sha256.Sum256([]byte(err.Error()))
	s.print = "error " + hex.EncodeToString(sum[:])
	return s
}

// seal takes the print of all that the verdict depends on.
func (s *sighting) seal(v *view) {
	h := sha256.New()
	field(h, string(v.mode)+v.lockRev+s.root)
	if s.err != nil {
		field(h, s.err.Error())
	}
	for _, g := range s.guarded {
		if !g.info.IsDir() {
			s.stamp(h, g.path, g.info)
			continue
		}
		// What else happens in the directory is of no interest.
		field(h, fmt.Sprintf("%s %o %d", g.path, g.info.Mode(), owner(g.info)))
	}
	for _, m := range s.members {
		s.stamp(h, m.rel, m.info)
	}
	for _, b := range []beneath{s.sidecar, s.sig} {
		if b.rel == "" {
			field(h, "")
			continue
		}
		path := filepath.Join(b.root, b.rel)
		if info, err := os.Lstat(path); err == nil {
			field(h, path+" "+stampOf(info))
		}
	}
	s.print = hex.EncodeToString(h.Sum(nil))
}

func (s *sighting) stamp(h hash.Hash, name string, info fs.FileInfo) {
	field(h, name)
	field(h, stampOf(info))
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if t := changeTime(st); t.After(s.changed) {
			s.changed = t
		}
	}
	if t := info.ModTime(); t.After(s.changed) {
		s.changed = t
	}
}

func field(h hash.Hash, s string) { _, _ = fmt.Fprintf(h, "%d:%s", len(s), s) }

// stampOf is what changes with a file.
func stampOf(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("%o %d %d", info.Mode(), info.Size(), info.ModTime().UnixNano())
	}
	return fmt.Sprintf("%d %d %o %d %d %d %d", st.Dev, st.Ino, info.Mode(), st.Uid, info.Size(),
		info.ModTime().UnixNano(), changeTime(st).UnixNano())
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return os.Geteuid()
}

func isProgram(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// lacksRight reports whether the file is a program that nobody may execute, as
// downloads and copies by mail or web are.
func lacksRight(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() || isProgram(info) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && (string(magic[:]) == elf.ELFMAG || isMachO(magic))
}

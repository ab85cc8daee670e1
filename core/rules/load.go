package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core/diag"
)

const (
	maxFiles = 10_000
	maxTree  = 16 // nested directories
)

// Load reads all rule files under dir, in the order of their paths, and checks
// them as a whole. It returns either a set or all problems of all files. An
// empty directory is an empty set, a missing one is a problem.
func Load(dir string, w World) (*Set, diag.Problems) {
	files, err := readTree(dir)
	if err != nil {
		return nil, diag.Problems{unreadable(dir, err)}
	}
	return compileFiles(files, w)
}

func unreadable(dir string, err error) *diag.Problem {
	if errors.Is(err, fs.ErrNotExist) {
		return &diag.Problem{Pos: diag.Pos{File: dir}, Summary: "there is no such directory", Hint: "create it, or set rules_dir"}
	}
	return diag.Errorf(diag.Pos{File: dir}, "cannot be read: %s", err)
}

// ruleFile is a file as it was read.
type ruleFile struct {
	name string // as shown: the directory as the user gave it, and the path in it
	rel  string
	text string
}

// filesOf are the files of an earlier reading of dir.
func filesOf(dir string, sources []Source) []ruleFile {
	var files []ruleFile
	for _, s := range sources {
		files = append(files, ruleFile{name: path.Join(dir, s.Path), rel: s.Path, text: s.Text})
	}
	return files
}

// readTree reads the rule files under dir, sorted by path.
func readTree(dir string) ([]ruleFile, error) {
	fsys := os.DirFS(dir)
	var files []ruleFile
	err := walk(fsys, ".", 0, func(rel string) error {
		if len(files) == maxFiles {
			return errors.New("there are more than 10,000 rule files")
		}
		text, err := readFile(fsys, rel)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while the directory was read, or its link leads nowhere
		}
		if err != nil {
			return err
		}
		files = append(files, ruleFile{name: path.Join(dir, rel), rel: rel, text: text})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b ruleFile) int { return strings.Compare(a.rel, b.rel) })
	return files, nil
}

func readFile(fsys fs.FS, name string) (string, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // reading a pipe could hang
		return "", errors.New(name + " is not a file: rules are read from plain files and links to such")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return string(text), err
}

// walk calls visit for each rule file. Links are followed.
func walk(fsys fs.FS, dir string, depth int, visit func(rel string) error) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		if depth > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, entry := range entries {
		rel := path.Join(dir, entry.Name())
		if ignored(entry.Name()) {
			continue
		}
		isDir := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := fs.Stat(fsys, rel)
			if err != nil {
				continue // the link leads nowhere
			}
			isDir = info.IsDir()
		}
		switch {
		case isDir && depth == maxTree:
			return errors.New(rel + ": directories are nested too deep, or a link leads back")
		case isDir:
			if err := walk(fsys, rel, depth+1, visit); err != nil {
				return err
			}
		case strings.HasSuffix(rel, ".yaml"), strings.HasSuffix(rel, ".yml"):
			if err := visit(rel); err != nil {
				return err
			}
		}
	}
	return nil
}

// ignored reports whether name is hidden or an editor's temporary file.
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") ||
		strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, "#")
}

// topKeys are the keys of a file.
var topKeys = []string{"rules", "flows", "tests", "let", "events", "attributes", "texts"}

// fileLoader reads the rules and flows of a file; its declarations have been
// read.
type fileLoader struct {
	src   *source
	world *World
	comp  *compilation
	flows flowTable // nil: an earlier version of flows is read, and nothing else
}

func (l *fileLoader) load(pairs []pair, made *compiled) {
	earlier := l.flows == nil
	for _, p := range pairs {
		switch {
		case isTestFile(l.src.name) && p.key != "tests":
			l.src.problem(p.pos, "put it into another file", "a file of tests has the key tests only, not %q", p.key)
		case p.key == "flows":
			l.each(p, func(n ast.Node) {
				if f := l.flow(n, made.begins); f != nil {
					made.flows = append(made.flows, f)
				}
			})
		case earlier, slices.Contains(declarationKeys, p.key):
		case p.key == "tests":
			l.src.readTests(p.value)
		case p.key == "rules":
			l.each(p, func(n ast.Node) {
				rl := &ruleLoader{src: l.src, world: l.world, comp: l.comp, flows: l.flows, begins: made.begins}
				if r := rl.load(n); r != nil {
					made.rules = append(made.rules, r)
				}
			})
		default:
			l.src.problem(p.pos, diag.DidYouMean(p.key, topKeys), "unknown key %q of a rule file", p.key)
		}
	}
}

// each reads a list, as long as more problems would help somebody.
func (l *fileLoader) each(p pair, read func(ast.Node)) {
	nodes, _ := l.src.sequence(p.value, p.key)
	for _, n := range nodes {
		if l.src.hopeless() {
			break
		}
		read(n)
	}
}

// hashFiles names the content of files and their order.
func hashFiles(files []ruleFile) string {
	h := sha256.New()
	var n [8]byte
	add := func(s string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	add("rules 1")
	for _, f := range files {
		add(f.rel)
		add(f.text)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

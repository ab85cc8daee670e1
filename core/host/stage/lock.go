package stage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/durable"
)

// Approval is one line of the lock file.
type Approval struct {
	ID       string // plugin id
	Version  string
	Platform string // such as linux/amd64; AnyPlatform for folders
	Digest   string // see [Digest]
}

// AnyPlatform is the platform of plugins that are not compiled for one.
const AnyPlatform = "any"

// Platform is the platform of compiled plugins here.
const Platform = runtime.GOOS + "/" + runtime.GOARCH

// maxLock is how many bytes a lock file may have.
const maxLock = 4 << 20

// Lock is the content of a lock file, plugins.lock: the plugins that may run
// in mode pinned. It is text; a line is a plugin id, its version, its platform
// and the digest of its content, with blanks between them, sorted. Lines that
// begin with # are comments and stay with the line below them.
//
//	# tried on 3 March
//	org.example.acme 1.2.0 linux/amd64 sha256:9f86d081884c7d659a2feaa0c55ad015…
//
// A plugin id, version and platform stands there once.
type Lock struct {
	lines []lockLine
	tail  []string // comments at the end
}

type lockLine struct {
	comments []string
	Approval
}

// Approvals returns all lines, sorted.
func (l *Lock) Approvals() []Approval {
	var all []Approval
	for _, line := range l.lines {
		all = append(all, line.Approval)
	}
	return all
}

// Find returns the approval of a digest for this platform.
func (l *Lock) Find(digest string) (Approval, bool) {
	for _, line := range l.lines {
		if line.Digest == digest && (line.Platform == Platform || line.Platform == AnyPlatform) {
			return line.Approval, true
		}
	}
	return Approval{}, false
}

// Add puts a into the lock; it replaces the digest of the same plugin id,
// version and platform. replaced is that digest, or "".
func (l *Lock) Add(a Approval) (replaced string, err error) {
	if err := a.check(); err != nil {
		return "", fmt.Errorf("lock: %w", err)
	}
	i, found := slices.BinarySearchFunc(l.lines, a, func(line lockLine, a Approval) int { return compareKeys(line.Approval, a) })
	if found {
		replaced = l.lines[i].Digest
		l.lines[i].Approval = a
		return replaced, nil
	}
	l.lines = slices.Insert(l.lines, i, lockLine{Approval: a})
	return "", nil
}

// String returns the text of the lock file.
func (l *Lock) String() string {
	var b strings.Builder
	for _, line := range l.lines {
		for _, c := range line.comments {
			b.WriteString(c + "\n")
		}
		fmt.Fprintf(&b, "%s %s %s sha256:%s\n", line.ID, line.Version, line.Platform, line.Digest)
	}
	for _, c := range l.tail {
		b.WriteString(c + "\n")
	}
	return b.String()
}

func compareKeys(a, b Approval) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Platform, b.Platform))
}

func (a Approval) check() error {
	if err := (Claim{a.ID, a.Version}).check(); err != nil {
		return err
	}
	goos, goarch, ok := strings.Cut(a.Platform, "/")
	if a.Platform != AnyPlatform && (!ok || !isWord(goos) || !isWord(goarch)) {
		return fmt.Errorf("platform %q is neither \"any\" nor one such as \"linux/amd64\"", clip(a.Platform))
	}
	if !isDigest(a.Digest) {
		return fmt.Errorf("digest %q is not a SHA-256 in lower-case hex", clip(a.Digest))
	}
	return nil
}

func isWord(s string) bool {
	return s != "" && len(s) < 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// ParseLock reads the text of a lock file; file is its name for problems. It
// returns [diag.Problems]. Lines need not be sorted.
func ParseLock(file string, text []byte) (*Lock, error) {
	if len(text) > maxLock {
		return nil, diag.Problems{diag.Errorf(diag.Pos{File: file}, "the file is larger than %d bytes", maxLock)}.Err()
	}
	l := &Lock{}
	var problems diag.Problems
	var comments []string
	seen := make(map[Approval]int)
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			comments = append(comments, line)
			continue
		}
		pos := diag.Pos{File: file, Line: n, Column: 1}
		a, err := parseApproval(line)
		if err != nil {
			problems = append(problems, &diag.Problem{Pos: pos, Summary: printable(err.Error()),
				Hint: "a line is: plugin version platform sha256:digest"})
			continue
		}
		key := Approval{ID: a.ID, Version: a.Version, Platform: a.Platform}
		if first := seen[key]; first > 0 {
			problems = append(problems, diag.Errorf(pos, "%s %s for %s stands in line %d already", a.ID, a.Version, a.Platform, first))
			continue
		}
		seen[key] = n
		l.lines = append(l.lines, lockLine{comments, a})
		comments = nil
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	l.tail = comments
	slices.SortStableFunc(l.lines, func(a, b lockLine) int { return compareKeys(a.Approval, b.Approval) })
	return l, nil
}

func parseApproval(line string) (Approval, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return Approval{}, fmt.Errorf("the line has %d fields, want 4", len(fields))
	}
	digest, ok := strings.CutPrefix(fields[3], "sha256:")
	if !ok {
		return Approval{}, fmt.Errorf("digest %q does not begin with \"sha256:\"", clip(fields[3]))
	}
	a := Approval{fields[0], fields[1], fields[2], digest}
	return a, a.check()
}

// LoadLock reads a lock file. It returns an error that is fs.ErrNotExist if
// there is none.
func LoadLock(path string) (*Lock, error) {
	text, _, err := readLock(path)
	if err != nil {
		return nil, err
	}
	return ParseLock(path, text)
}

func readLock(path string) ([]byte, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("lock file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxLock+1))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock file %s: %w", path, err)
	}
	return text, info, nil
}

// Approve adds a to the lock file at path, which it makes if there is none.
// Several processes may do so at once. See [Lock.Add].
func Approve(path string, a Approval) (replaced string, err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("lock file: %w", err)
	}
	defer func() { _ = dir.Close() }() // ends the lock
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock file %s: wait for other writers: %w", path, err)
	}
	l, err := LoadLock(path)
	if errors.Is(err, fs.ErrNotExist) {
		l, err = &Lock{}, nil
	}
	if err != nil {
		return "", err
	}
	if replaced, err = l.Add(a); err != nil {
		return "", err
	}
	if err := durable.Replace(path, []byte(l.String()), 0o644); err != nil {
		return "", fmt.Errorf("lock file %s: %w", path, err)
	}
	return replaced, nil
}

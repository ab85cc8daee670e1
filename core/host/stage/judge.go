package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

var (
	// errUnfinished marks content of which a part is missing; it may yet come.
	errUnfinished = errors.New("unfinished")
	// errChanged means that it changed while it was looked at.
	errChanged = errors.New("it is being changed")
	// errDisabled is the operator's word.
	errDisabled = errors.New("disabled")
)

// laterError is trouble that may pass without a change of the file.
type laterError struct {
	err   error
	after time.Duration // when to try again; 0: soon
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// judge says whether what s found may run, and puts a copy of it into the
// store. The returned file is as far as it came. Whatever the verdict, it is
// errChanged if something else is there in the end.
func (v *view) judge(ctx context.Context, s *sighting, st *store, rescan time.Duration) (File, error) {
	f, err := v.judgeContent(ctx, s, st, rescan)
	if again := v.sight(filepath.Dir(s.path), filepath.Base(s.path)); again == nil || again.print != s.print {
		return f, errChanged
	}
	return f, err
}

func (v *view) judgeContent(ctx context.Context, s *sighting, st *store, rescan time.Duration) (File, error) {
	f := File{Path: s.path, ModTime: s.modTime, Sidecar: Sidecar{Enabled: true}}
	if s.err != nil {
		return f, s.err
	}
	var err error
	if f.Warnings, err = v.checkGuarded(s.guarded); err != nil {
		return f, err
	}
	if err := v.readSidecar(s, &f); err != nil {
		return f, err
	}
	root, err := s.open()
	if err != nil {
		return f, err
	}
	defer func() { _ = root.Close() }()
	sums, err := s.sum(ctx, root)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = &laterError{fmt.Errorf("%s cannot be read: %w", s.path, e.Err), rescan}
	}
	if err != nil {
		return f, err
	}
	digest := digestOf(s.folder, sums)
	if f.Sidecar.SHA256 != "" && f.Sidecar.SHA256 != digest {
		return f, fmt.Errorf("its sha256 is %s, and not the one in %s", digest, filepath.Base(s.path)+sidecarSuffix)
	}
	if f.Claim, err = v.vouch(s, digest); err != nil {
		return f, err
	}
	command, err := s.command(st.dir(digest, s.folder))
	if err != nil {
		return f, &laterError{err, rescan}
	}
	if err := st.put(ctx, digest, s.folder, sums, root); err != nil {
		if !errors.Is(err, errChanged) {
			err = &laterError{err, rescan}
		}
		return f, err
	}
	f.Digest, f.Command, f.Dir = digest, command, st.dir(digest, s.folder)
	return f, nil
}

// open returns the folder that the members' names are relative to.
func (s *sighting) open() (*os.Root, error) {
	root, err := os.OpenRoot(s.root)
	if err != nil || !s.folder {
		return root, err
	}
	defer func() { _ = root.Close() }()
	return root.OpenRoot(s.rel)
}

// sum is a member and the digest of its content.
type sum struct {
	member
	digest string
	exec   bool
}

// sum reads all members. It returns errChanged if they are not those that
// were seen.
func (s *sighting) sum(ctx context.Context, root *os.Root) ([]sum, error) {
	sums := make([]sum, 0, len(s.members))
	for _, m := range s.members {
		digest, err := s.sumMember(ctx, root, m)
		if errors.Is(err, fs.ErrNotExist) {
			err = errChanged
		}
		if err != nil {
			return nil, err
		}
		sums = append(sums, sum{m, digest, m.info.Mode().Perm()&0o111 != 0})
	}
	return sums, nil
}

func (s *sighting) sumMember(ctx context.Context, root *os.Root, m member) (string, error) {
	f, info, err := openRegular(root, m.rel)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	if stampOf(info) != stampOf(m.info) {
		return "", errChanged
	}
	if beingWritten(f) {
		return "", &laterError{err: errors.New("somebody has it open for writing")}
	}
	if !s.folder {
		err = inspectHere(f, info.Size())
	} else if m.rel == path.Clean(s.manifest.Command[0]) {
		if err = inspectHere(f, info.Size()); err != nil {
			err = fmt.Errorf("%s: %w", m.rel, err)
		}
	}
	if err != nil {
		return "", err
	}
	return hashFile(ctx, f, info.Size())
}

// hashFile returns the digest of the size bytes of r.
func hashFile(ctx context.Context, r io.Reader, size int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, &reader{ctx, io.LimitReader(r, size+1)})
	if err != nil {
		return "", err
	}
	if n != size {
		return "", errChanged
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// digestOf returns the digest of a plugin from those of its files.
func digestOf(folder bool, sums []sum) string {
	if !folder {
		return sums[0].digest
	}
	h := sha256.New()
	for _, s := range sums {
		x := "-"
		if s.exec {
			x = "x"
		}
		_, _ = fmt.Fprintf(h, "%s %s %s\n", s.digest, x, s.rel)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// command returns what to run when the copy is in dir.
func (s *sighting) command(dir string) ([]string, error) {
	if !s.folder {
		return []string{filepath.Join(dir, programName)}, nil
	}
	has := make(map[string]bool, len(s.members))
	for _, m := range s.members {
		has[m.rel] = true
	}
	words := append([]string(nil), s.manifest.Command...)
	for i, w := range words {
		if rel := path.Clean(w); has[rel] && (i > 0 || strings.Contains(w, "/")) {
			words[i] = filepath.Join(dir, rel)
		}
	}
	if filepath.IsAbs(words[0]) {
		return words, nil
	}
	program, err := exec.LookPath(words[0])
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the program %q of command is not in $PATH; install it", s.manifest.command, clip(words[0]))
	}
	words[0] = program
	return words, nil
}

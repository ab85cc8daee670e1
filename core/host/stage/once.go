package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Stage judges one plugin at once, as it lies there, and copies it into the
// store, which must not be that of a running gateway. It does not wait for a
// file to become quiet; c.Dirs is not used: a link must lead to a place in the
// directory of path. The error says why it is not ready; the file is as far as
// it came.
func Stage(ctx context.Context, c Config, path string) (File, error) {
	c, err := c.check()
	if err != nil {
		return File{}, err
	}
	v, s, err := look(c, path)
	if err != nil {
		return File{}, err
	}
	if v.mode == Pinned {
		v.lock, err = LoadLock(c.Trust.LockFile)
		if errors.Is(err, fs.ErrNotExist) {
			v.lock, err = &Lock{}, nil // nothing was ever approved
		}
		if err != nil {
			return File{}, err
		}
	}
	st := newStore(c.Store)
	if err := st.open(); err != nil {
		return File{}, err
	}
	f, err := v.judge(ctx, s, st, c.Rescan)
	if err != nil {
		return f, fmt.Errorf("plugin %s: %w", path, err)
	}
	f.State = Ready
	return f, nil
}

// Digest returns the digest of the plugin at path as it lies there: of a
// program its SHA-256, of a folder the SHA-256 of one line per file, in the
// order of their names, each ended by a line feed:
//
//	<SHA-256 of its content> <x if it is executable, else -> <name with slashes>
//
// It is an error if the plugin is incomplete.
func Digest(ctx context.Context, path string) (string, error) {
	c, err := Config{Store: "unused"}.check()
	if err != nil {
		return "", err
	}
	_, s, err := look(c, path)
	if err != nil {
		return "", err
	}
	if s.err != nil {
		return "", fmt.Errorf("plugin %s: %w", path, s.err)
	}
	root, err := s.open()
	if err != nil {
		return "", fmt.Errorf("plugin %s: %w", path, err)
	}
	defer func() { _ = root.Close() }()
	sums, err := s.sum(ctx, root)
	if err != nil {
		return "", fmt.Errorf("plugin %s: %w", path, err)
	}
	return digestOf(s.folder, sums), nil
}

// IsFolder reports whether path is a folder with a plugin.yaml: its approval
// is for AnyPlatform.
func IsFolder(path string) bool {
	c, err := Config{Store: "unused"}.check()
	if err != nil {
		return false
	}
	_, s, err := look(c, path)
	return err == nil && s.folder
}

// look sights one path by itself.
func look(c Config, path string) (*view, *sighting, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("plugin: %w", err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("plugin: %w", err)
	}
	v := &view{mode: c.Trust.Mode, maxSize: c.MaxSize, roots: []string{dir}, lock: &Lock{}, keys: slices.Clone(c.Trust.Keys)}
	s := v.sight(filepath.Dir(path), filepath.Base(path))
	if s == nil {
		return nil, nil, fmt.Errorf("plugin %s: it is neither an executable file nor a folder with %s", path, manifestName)
	}
	return v, s, nil
}

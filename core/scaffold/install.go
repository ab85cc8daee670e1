package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Install puts a plugin, a program or a folder, into the plugin directory dir
// under its own name, in the place of an older one. It is copied under a
// hidden name first, so that the gateway never sees half of it.
func Install(ctx context.Context, dir, built string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Base(built)
	part, target := filepath.Join(dir, "."+name+".part"), filepath.Join(dir, name)
	if err := os.RemoveAll(part); err != nil { // of one that was interrupted
		return err
	}
	info, err := os.Stat(built)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		err = copyTree(ctx, part, built, dir)
	default:
		err = copyFile(part, built, 0o755)
	}
	if err == nil {
		err = replace(target, part)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("install %s: %w", name, err), os.RemoveAll(part))
	}
	return nil
}

// replace renames part to target. A folder in its place is moved away first:
// only a file can be replaced in one step.
func replace(target, part string) error {
	info, err := os.Lstat(target)
	if err != nil || !info.IsDir() {
		return os.Rename(part, target)
	}
	old := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".old")
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(target, old); err != nil {
		return err
	}
	if err := os.Rename(part, target); err != nil {
		return errors.Join(err, os.Rename(old, target))
	}
	return os.RemoveAll(old)
}

// copyTree copies from but for what is hidden and the folder except, into
// which it may be copied.
func copyTree(ctx context.Context, to, from, except string) error {
	except, err := filepath.Abs(except)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		hidden := rel != "." && strings.HasPrefix(e.Name(), ".")
		switch {
		case e.IsDir() && (hidden || path == except):
			return filepath.SkipDir
		case e.IsDir():
			return os.Mkdir(filepath.Join(to, rel), 0o755)
		case hidden:
			return nil
		}
		info, err := os.Stat(path) // a link becomes what it names
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		return copyFile(filepath.Join(to, rel), path, info.Mode().Perm()&0o755)
	})
}

func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// init writes the default gateway.hcl and rules.d into dir. If one of the files
// is there already, it writes nothing at all.
func (c *command) init(dir string) error {
	var files []string
	err := fs.WalkDir(c.defaults, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("default configuration: %w", err)
	}
	for _, f := range files {
		target := filepath.Join(dir, f)
		if _, err := os.Lstat(target); err == nil {
			return fmt.Errorf("%s is already there; nothing was written", target)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range files {
		if err := c.write(dir, f); err != nil {
			return err
		}
	}
	config := filepath.Join(dir, "gateway.hcl")
	_, err = fmt.Fprintf(c.out, "next: edit %s, then run\n  gateway check --config %s\n  gateway run --config %s\n", config, config, config)
	return err
}

// write copies one default file. O_EXCL: it overwrites nothing, even if the
// file has appeared just now.
func (c *command) write(dir, file string) error {
	b, err := fs.ReadFile(c.defaults, file)
	if err != nil {
		return fmt.Errorf("default configuration: %w", err)
	}
	target := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, "wrote", target)
	return err
}

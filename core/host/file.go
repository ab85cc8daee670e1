package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is an executable in a plugin folder.
type file struct {
	path    string
	modTime time.Time
}

// ignored are the endings of names that are never plugins: what editors, copy
// tools and compilers leave for a moment, and what lies beside a plugin.
var ignored = []string{
	"~", ".tmp", ".part", ".swp", ".bak", ".old", "-go-tmp-umask",
	".sig", ".sha256", ".plugin.yaml",
}

// scan lists the executable files of dirs in the order of dirs and names. A
// folder that is not there is reported in missing; one that cannot be read is
// an error.
func scan(dirs []string) (files []file, missing []string, err error) {
	seen := make(map[string]bool)
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, dir)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("plugin folder: %w", err)
		}
		for _, e := range entries {
			f, ok := candidate(dir, e.Name())
			if ok && !seen[f.path] {
				seen[f.path] = true
				files = append(files, f)
			}
		}
	}
	return files, missing, nil
}

func candidate(dir, name string) (file, bool) {
	if strings.HasPrefix(name, ".") || slices.ContainsFunc(ignored, func(end string) bool {
		return strings.HasSuffix(name, end)
	}) {
		return file{}, false
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return file{}, false
	}
	info, err := os.Stat(path) // follows links
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return file{}, false
	}
	return file{path: path, modTime: info.ModTime()}, true
}

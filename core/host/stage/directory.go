package stage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// maxEntries is how many names a plugin directory may have.
const maxEntries = 20_000

// directory is a plugin directory while it is followed.
type directory struct {
	path     string
	optional bool     // it need not be there, as long as it never was
	real     string   // without links; as last seen
	id       string   // device and inode; as last seen
	alarm    error    // it cannot be read
	folders  []string // in it, that are no plugins yet
}

// names returns the names in d that may be plugins, sorted. had says whether
// there were plugins in it.
func (d *directory) names(mode Mode, had bool) ([]string, error) {
	link, err := os.Lstat(d.path)
	if d.optional && d.real == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	if link.Mode()&fs.ModeSymlink != 0 && mode != Open {
		return nil, fmt.Errorf("plugin directory %s is a link, which mode %s does not allow; name the directory itself", d.path, mode)
	}
	real, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	all, err := f.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	if len(all) > maxEntries {
		return nil, fmt.Errorf("plugin directory %s has more than %d entries; clear it up", d.path, maxEntries)
	}
	names := slices.DeleteFunc(all, ignored)
	id := idOf(info)
	if had && len(names) == 0 && (d.alarm != nil || d.id != id) {
		// Such as a volume that is not mounted.
		return nil, fmt.Errorf("plugin directory %s was replaced by an empty one; "+
			"put a plugin there, or restart the gateway if that is meant", d.path)
	}
	d.real, d.id = real, id
	slices.Sort(names)
	return names, nil
}

func idOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d %d", st.Dev, st.Ino)
	}
	return ""
}

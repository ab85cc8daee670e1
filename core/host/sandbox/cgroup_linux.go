package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is the part of the cgroup v2 tree that was delegated to the gateway:
// by systemd (Delegate=yes), by a container that has it writable, or by the
// owner of its folder. What merely happens to be writable for root belongs to
// somebody else.
type Cgroup struct{ dir string }

// Leaf is the cgroup of one plugin process and all that it starts.
type Leaf struct{ dir string }

// OpenCgroup finds it and gives its children ceilings on memory and, if that
// can be had, on processes. The gateway moves into a child of it, if it is
// not in one: only leaves can hold processes. An error says why there is
// none; Watch is the way then.
func OpenCgroup() (*Cgroup, error) {
	mount, err := cgroupMount("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	for line := range strings.Lines(string(self)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return openCgroup(mount, path, delegated)
		}
	}
	return nil, errors.New("cgroup: not in a version 2 tree")
}

// cgroupMount returns where the version 2 tree is.
func cgroupMount(mountinfo string) (string, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		return "", fmt.Errorf("cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		mount, fs, _ := strings.Cut(line, " - ")
		if f := strings.Fields(mount); len(f) > 4 && strings.HasPrefix(fs, "cgroup2 ") {
			return f[4], nil
		}
	}
	return "", errors.New("cgroup: version 2 is not mounted")
}

func openCgroup(mount, path string, delegated func(dir string, root bool) bool) (*Cgroup, error) {
	own := filepath.Join(mount, path)
	base := own
	if !delegated(own, path == "/") {
		base = filepath.Dir(own)
		if path == "/" || !delegated(base, filepath.Dir(path) == "/") {
			return nil, fmt.Errorf("cgroup %s: not delegated to the gateway", path)
		}
	}
	controllers, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	have := strings.Fields(string(controllers))
	if !slices.Contains(have, "memory") {
		return nil, fmt.Errorf("cgroup %s: no memory controller", path)
	}
	if base == own {
		if err := stepDown(own); err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	for _, c := range []string{"memory", "pids"} {
		if slices.Contains(have, c) {
			err = errors.Join(err, write(base, "cgroup.subtree_control", "+"+c))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return &Cgroup{dir: base}, nil
}

func stepDown(own string) error {
	dir := filepath.Join(own, "gateway")
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return write(dir, "cgroup.procs", strconv.Itoa(os.Getpid()))
}

// delegated says whether dir was given to the gateway; root is the top of what
// this process can see.
func delegated(dir string, root bool) bool {
	mark := make([]byte, 8)
	for _, attr := range []string{"trusted.delegate", "user.delegate"} { // systemd's
		if n, err := unix.Getxattr(dir, attr, mark); err == nil && string(mark[:n]) == "1" {
			return true
		}
	}
	if unix.Access(filepath.Join(dir, "cgroup.subtree_control"), unix.W_OK) != nil {
		return false
	}
	if root { // of a container: the system's own has no type
		_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
		return err == nil
	}
	return os.Getuid() != 0
}

// Leaf makes the cgroup for one process: name is a file name, memory is in
// bytes, procs may be 0 for no limit. One that was left over is used again.
func (c *Cgroup) Leaf(name string, memory int64, procs uint64) (*Leaf, error) {
	l := &Leaf{dir: filepath.Join(c.dir, "plugin-"+name)}
	if err := os.Mkdir(l.dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	err := write(l.dir, "memory.max", strconv.FormatInt(memory, 10))
	if err != nil {
		_ = os.Remove(l.dir)
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	_ = write(l.dir, "memory.swap.max", "0")  // no swap, no file
	_ = write(l.dir, "memory.oom.group", "1") // since Linux 4.19
	if procs > 0 {
		_ = write(l.dir, "pids.max", strconv.FormatUint(procs, 10)) // the shim reports what it finds
	}
	return l, nil
}

// Dir is what Spec.Cgroup takes.
func (l *Leaf) Dir() string { return l.dir }

// OutOfMemory says whether the kernel killed a process there for the ceiling
// on memory.
func (l *Leaf) OutOfMemory() bool {
	text, err := os.ReadFile(filepath.Join(l.dir, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strings.TrimSpace(n) != "0"
		}
	}
	return false
}

// Close kills what is left there, also what has left the process group, and
// removes the cgroup, within a second.
func (l *Leaf) Close() error {
	_ = write(l.dir, "cgroup.kill", "1") // since Linux 5.14
	for n := 0; ; n++ {
		err := unix.Rmdir(l.dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if n == 100 || !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("cgroup %s: %w", l.dir, err)
		}
		time.Sleep(10 * time.Millisecond) // the dead are still on their way
	}
}

// ceiling returns a limit that is in force, 0 for none.
func ceiling(dir, file string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max"
	return n
}

func write(dir, file, text string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)
}

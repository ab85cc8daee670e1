package sandbox

import "golang.org/x/sys/unix"

// ShimName is the first argument of a shim.
const ShimName = shimName

// LandlockABI is the kernel's version of Landlock, 0 for none.
func LandlockABI() int {
	v, _ := landlockABI()
	return v
}

// WithoutLandlock has this thread see a kernel without Landlock.
func WithoutLandlock() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return filter([]refusal{{call: unix.SYS_LANDLOCK_CREATE_RULESET, errno: unix.ENOSYS}})
}

// OpenCgroupAt is OpenCgroup in a tree of files.
func OpenCgroupAt(mount, path string, delegated func(dir string, root bool) bool) (*Cgroup, error) {
	return openCgroup(mount, path, delegated)
}

// NewWatchAt is a Watch that reads another /proc.
var NewWatchAt = func(proc string) *Watch {
	w := NewWatch(0)
	w.proc = proc
	return w
}

// Look looks once.
func (w *Watch) Look() { w.look() }

// ParseReport and ParseStat read foreign bytes.
var ParseReport = parseReport

// ParseStat returns the fields.
func ParseStat(line string) (parent, group, threads int, err error) {
	s, err := parseStat(line)
	return s.parent, s.group, s.threads, err
}

// ForgetMain undoes a call of Main until the returned function is called.
func ForgetMain() (undo func()) {
	mainCalled.Store(false)
	return func() { mainCalled.Store(true) }
}

package sandbox

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// joinCgroup moves this process into the plugin's cgroup. It returns the
// ceilings there: on memory, and on processes, 0 for none.
func joinCgroup(s *Spec) (memory Restriction, pids int64) {
	memory = Restriction{Name: Memory, Detail: "no limit"}
	if s.Memory > 0 {
		memory.Detail = fmt.Sprintf("GOMEMLIMIT only, for a limit of %d MiB", s.Memory>>20)
	}
	if s.Cgroup == "" {
		return memory, 0
	}
	if err := os.WriteFile(s.Cgroup+"/cgroup.procs", []byte("0"), 0); err != nil {
		memory.Detail = "cgroup: " + err.Error()
		return memory, 0
	}
	if n := ceiling(s.Cgroup, "memory.max"); n > 0 {
		memory.On, memory.Detail = true, fmt.Sprintf("cgroup, %d MiB", n>>20)
	}
	return memory, ceiling(s.Cgroup, "pids.max")
}

// setLimits comes last of all: the shim itself needs threads and descriptors.
func setLimits(s *Spec, pids int64) (files, procs Restriction) {
	files = Restriction{Name: Files, On: true}
	details := []string{"descriptors above 2 closed", "no core files"}
	set := func(what string, resource int, n uint64) error {
		err := lower(resource, n)
		if err != nil {
			details = append(details, what+": "+err.Error())
		} else if resource != unix.RLIMIT_CORE {
			details = append(details, fmt.Sprintf("%s %d", what, n))
		}
		return err
	}
	ok := set("core files", unix.RLIMIT_CORE, 0) == nil
	if s.MaxFileSize > 0 {
		ok = set("file size", unix.RLIMIT_FSIZE, s.MaxFileSize) == nil && ok
	}
	if s.MaxFiles > 0 {
		ok = set("open files", unix.RLIMIT_NOFILE, s.MaxFiles) == nil && ok
	}
	files.On, files.Detail = ok, strings.Join(details, ", ")
	return files, limitProcs(s, pids)
}

func limitProcs(s *Spec, pids int64) Restriction {
	r := Restriction{Name: Processes}
	switch {
	case pids > 0:
		r.On, r.Detail = true, fmt.Sprintf("cgroup, %d", pids)
		return r
	case s.MaxProcs == 0:
		r.Detail = "no limit"
		return r
	}
	if err := lower(unix.RLIMIT_NPROC, s.MaxProcs); err != nil {
		r.Detail = err.Error()
		return r
	}
	r.On, r.Detail = true, fmt.Sprintf("%d, together with all of user %d", s.MaxProcs, os.Getuid())
	if os.Getuid() == 0 {
		r.On, r.Detail = false, "rlimits do not bind root"
	}
	return r
}

// lower sets both limits to n, or less if the hard one is less.
func lower(resource int, n uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(resource, &l); err != nil {
		return err
	}
	l.Max = min(l.Max, n)
	l.Cur = l.Max
	return syscall.Setrlimit(resource, &l) // the syscall package must know of it: exec would undo it
}

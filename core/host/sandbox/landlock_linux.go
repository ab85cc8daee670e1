package sandbox

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's calls are used as they are. The library for them restricts all
// threads, for which it needs a module with assembly of its own, and where a
// kernel cannot do all, it does not say what is left.

const (
	ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT

	accessRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	accessExec  = accessRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	accessWrite = accessRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REFER
	// accessFile is what can be given for a file that is no folder.
	accessFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// ruleset is a Landlock domain before it is in force.
type ruleset struct {
	fd     int
	abi    int
	attr   unix.LandlockRulesetAttr
	reason string // why there is none
}

// newRuleset opens all that s and the program at path need. An error is about
// a path of s.
func newRuleset(s *Spec, path string) (*ruleset, error) {
	r := &ruleset{fd: -1}
	if r.abi, r.reason = landlockABI(); r.reason != "" {
		return r, nil
	}
	r.attr = handled(r.abi, s)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&r.attr)), unsafe.Sizeof(r.attr), 0)
	if errno != 0 {
		r.reason = "landlock: " + errno.Error()
		return r, nil
	}
	r.fd = int(fd)
	if err := r.allowPaths(s, path); err != nil {
		r.close()
		return nil, err
	}
	return r, r.allowPorts(s)
}

// landlockABI returns the kernel's version of Landlock, or why there is none.
func landlockABI() (version int, reason string) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errors.Is(errno, unix.ENOSYS):
		return 0, "the kernel has no Landlock"
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, "Landlock is not among the kernel's security modules (lsm=)"
	case errno != 0:
		return 0, "landlock: " + errno.Error()
	}
	return int(v), ""
}

// handled is all that the kernel can restrict, as far as s wants it.
func handled(abi int, s *Spec) (a unix.LandlockRulesetAttr) {
	bits := 13 // ABI 1
	for _, since := range []int{2, 3, 5, 9} {
		if abi >= since {
			bits++
		}
	}
	a.Handled_access_fs = 1<<bits - 1
	if abi >= 4 && s.Connect != nil {
		a.Handled_access_net |= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 4 && s.Listen != nil {
		a.Handled_access_net |= unix.LANDLOCK_ACCESS_NET_BIND_TCP
	}
	if abi >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

func (r *ruleset) allowPaths(s *Spec, path string) error {
	for _, p := range systemPaths {
		if err := r.allow(p.path, p.access, 0); err != nil && !errors.Is(err, unix.ENOENT) &&
			!errors.Is(err, unix.EACCES) {
			return err
		}
	}
	for _, p := range append([]string{path}, s.ReadDirs...) {
		if err := r.allow(p, accessExec, 0); err != nil {
			return err
		}
	}
	writable := s.DataDirs
	if s.SocketDir != "" {
		writable = append(writable[:len(writable):len(writable)], s.SocketDir)
	}
	for _, p := range writable {
		if err := r.allow(p, accessWrite, unix.O_NOFOLLOW|unix.O_DIRECTORY); err != nil {
			return err
		}
	}
	return nil
}

// allow gives access to path and what is below.
func (r *ruleset) allow(path string, access uint64, flags int) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return fmt.Errorf("sandbox path %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("sandbox path %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= accessFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access & r.attr.Handled_access_fs, Parent_fd: int32(fd)}
	if err := r.add(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule)); err != nil {
		return fmt.Errorf("sandbox path %s: %w", path, err)
	}
	return nil
}

func (r *ruleset) allowPorts(s *Spec) error {
	for access, ports := range map[uint64][]uint16{
		unix.LANDLOCK_ACCESS_NET_CONNECT_TCP: s.Connect,
		unix.LANDLOCK_ACCESS_NET_BIND_TCP:    s.Listen,
	} {
		if access&r.attr.Handled_access_net == 0 {
			continue
		}
		for _, port := range ports {
			rule := struct{ access, port uint64 }{access, uint64(port)}
			if err := r.add(ruleNetPort, unsafe.Pointer(&rule)); err != nil {
				return fmt.Errorf("sandbox port %d: %w", port, err)
			}
		}
	}
	return nil
}

func (r *ruleset) add(kind uintptr, rule unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), kind, uintptr(rule), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (r *ruleset) close() {
	if r.fd >= 0 {
		_ = unix.Close(r.fd)
		r.fd = -1
	}
}

// enforce puts the rules into force for this thread. There is no way back.
func (r *ruleset) enforce(s *Spec) (fs, tcp, scope, sockets Restriction) {
	if r.reason == "" {
		if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
			r.reason = "landlock: " + errno.Error()
		}
	}
	entry := func(name string, since int, detail string) Restriction {
		switch {
		case r.reason != "":
			return Restriction{Name: name, Detail: r.reason}
		case r.abi < since:
			return Restriction{Name: name, Detail: fmt.Sprintf("needs Landlock ABI %d, the kernel has %d", since, r.abi)}
		}
		return Restriction{Name: name, On: true, Detail: detail}
	}
	// The kernel does not look at chmod, chown and utime: what the user owns
	// can be made unreadable, for others readable, but not read or changed.
	fs = entry(LandlockFS, 1, fmt.Sprintf("ABI %d; but for mode, owner and times of files", r.abi))
	scope = entry(Scope, 6, "no signals, no abstract sockets to processes outside")
	sockets = entry(UnixSockets, 9, "only in its own folders")
	if s.Connect == nil && s.Listen == nil {
		return fs, Restriction{Name: LandlockTCP, Detail: "all ports are allowed"}, scope, sockets
	}
	tcp = entry(LandlockTCP, 4, portsText(s))
	if tcp.On {
		if err := filterDetours(); err != nil {
			tcp.Detail += "; but not for Multipath TCP and TCP Fast Open: " + err.Error()
		}
	}
	return fs, tcp, scope, sockets
}

func portsText(s *Spec) string {
	list := func(verb string, ports []uint16) string {
		switch {
		case ports == nil:
			return verb + " any"
		case len(ports) == 0:
			return verb + " none"
		}
		return verb + " " + strings.Join(strings.Fields(strings.Trim(fmt.Sprint(ports), "[]")), ",")
	}
	return list("connect", s.Connect) + ", " + list("listen", s.Listen)
}

package sandbox

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	seccompSetFilter = 1
	seccompErrno     = 0x00050000
	seccompAllow     = 0x7fff0000
	x32Bit           = 0x40000000
)

// refusal is a system call that a filter answers with errno: always if mask is
// 0, else when that argument, masked, is value.
type refusal struct {
	call, arg   uint32
	mask, value uint32
	errno       unix.Errno
}

// detours are ways to a TCP port that Landlock does not see: it looks at
// connect and bind of plain TCP sockets. Go falls back to plain TCP by itself.
// A ring would make the same calls unseen by this filter.
var detours = []refusal{
	{unix.SYS_SOCKET, 2, ^uint32(0), unix.IPPROTO_MPTCP, unix.EPROTONOSUPPORT},
	{unix.SYS_SOCKET, 2, ^uint32(0), unix.IPPROTO_SMC, unix.EPROTONOSUPPORT},
	{unix.SYS_SOCKET, 0, ^uint32(0), unix.AF_SMC, unix.EAFNOSUPPORT},
	{unix.SYS_SENDTO, 3, unix.MSG_FASTOPEN, unix.MSG_FASTOPEN, unix.EOPNOTSUPP},
	{unix.SYS_SENDMSG, 2, unix.MSG_FASTOPEN, unix.MSG_FASTOPEN, unix.EOPNOTSUPP},
	{unix.SYS_SENDMMSG, 3, unix.MSG_FASTOPEN, unix.MSG_FASTOPEN, unix.EOPNOTSUPP},
	{unix.SYS_IO_URING_SETUP, 0, 0, 0, unix.ENOSYS},
}

// filterDetours closes them for this thread, and what it starts.
func filterDetours() error { return filter(detours) }

func filter(refusals []refusal) error {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return errors.New("no system call filter for " + runtime.GOARCH)
	}
	code := program(arch, refusals)
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, seccompSetFilter, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// program compiles refusals. Calls of another architecture have other numbers:
// a 32 bit program is refused all of them.
func program(arch uint32, refusals []refusal) []unix.SockFilter {
	const (
		load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		same = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		more = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		and  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K
	)
	no := unix.SockFilter{Code: ret, K: seccompErrno | uint32(unix.ENOSYS)}
	code := []unix.SockFilter{
		{Code: load, K: 4}, {Code: same, K: arch, Jt: 1}, no,
		{Code: load, K: 0}, {Code: more, K: x32Bit, Jf: 1}, no,
	}
	for _, r := range refusals {
		code = append(code,
			unix.SockFilter{Code: load, K: 0},
			unix.SockFilter{Code: same, K: r.call, Jf: 4},
			unix.SockFilter{Code: load, K: 16 + 8*r.arg}, // the lower half
			unix.SockFilter{Code: and, K: r.mask},
			unix.SockFilter{Code: same, K: r.value, Jf: 1},
			unix.SockFilter{Code: ret, K: seccompErrno | uint32(r.errno)},
		)
	}
	return append(code, unix.SockFilter{Code: ret, K: seccompAllow})
}

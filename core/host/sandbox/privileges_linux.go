package sandbox

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// dropCapabilities gives up root's privileges, so that a plugin of a gateway
// that runs as root, as in most containers, can neither load a module nor
// trace the network. Two are kept, if there: reading and writing what root
// may by rank alone, since folders may belong to another user and Landlock
// says which they are; and low ports, if s allows any.
func dropCapabilities(s *Spec) Restriction {
	r := Restriction{Name: Capabilities}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		r.Detail = err.Error()
		return r
	}
	permitted := uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted)
	keep := keptCapabilities(s) & permitted
	if os.Geteuid() == 0 {
		if err := bound(keep); err != nil {
			r.Detail = err.Error()
			return r
		}
	}
	low, high := uint32(keep), uint32(keep>>32)
	data[0] = unix.CapUserData{Effective: low, Permitted: low, Inheritable: low}
	data[1] = unix.CapUserData{Effective: high, Permitted: high, Inheritable: high}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		r.Detail = err.Error()
		return r
	}
	r.On, r.Detail = true, raise(keep)
	return r
}

func keptCapabilities(s *Spec) uint64 {
	keep := uint64(1) << unix.CAP_DAC_OVERRIDE
	low := func(port uint16) bool { return port > 0 && port < 1024 }
	if s.Listen == nil || slices.ContainsFunc(s.Listen, low) {
		keep |= 1 << unix.CAP_NET_BIND_SERVICE
	}
	return keep
}

// bound sees to it that root does not get more than keep by executing
// something. Others get nothing that way: see noNewPrivs.
func bound(keep uint64) error {
	for c := range 64 {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil {
			return nil // there are no more
		}
		if held == 0 || keep&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// raise has keep survive the coming exec, and says what it is.
func raise(keep uint64) string {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	var names []string
	for c, name := range map[int]string{
		unix.CAP_DAC_OVERRIDE: "dac_override", unix.CAP_NET_BIND_SERVICE: "net_bind_service",
	} {
		if keep&(1<<c) == 0 {
			continue
		}
		if unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0) == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

//go:build unix && !linux

package host

import (
	"net"
	"syscall"
)

// childAttr puts a plugin into a process group of its own. Here only the end
// of its standard input tells a plugin that the gateway died.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// checkPeer trusts the 0700 folder the socket lies in.
func checkPeer(*net.UnixConn, int) error { return nil }

// awaitExit does nothing: the caller's own wait follows.
func awaitExit(int) {}

// resident is not known here.
func resident(int) int64 { return 0 }

//go:build !linux

package app

import (
	"net"
	"os"
)

// peerOf trusts the mode of the socket and of its folder, which only their
// owner can enter.
func peerOf(net.Conn) (uid, pid int, err error) { return os.Geteuid(), 0, nil }

//go:build !linux

package app

import (
	"net"
	"os"
)

// peerUID trusts the mode of the socket and of its folder, which only their
// owner can enter.
func peerUID(net.Conn) (int, error) { return os.Geteuid(), nil }

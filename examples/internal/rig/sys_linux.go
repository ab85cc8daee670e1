package rig

import "syscall"

// childAttr ends the children with this process, and keeps a terminal's Ctrl-C
// from them.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

package main

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the children, so that they stop in
// order, and ends them when this process is killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

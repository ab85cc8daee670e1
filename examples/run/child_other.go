//go:build !linux

package main

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the children, so that they stop in
// order.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

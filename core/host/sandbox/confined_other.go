//go:build !linux

package sandbox

// Confined returns false: there is no sandbox.
func Confined(int) bool { return false }

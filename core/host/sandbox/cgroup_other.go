//go:build !linux

package sandbox

import "errors"

// Cgroup is there on Linux only.
type Cgroup struct{}

// Leaf is there on Linux only.
type Leaf struct{}

// OpenCgroup returns an error.
func OpenCgroup() (*Cgroup, error) { return nil, errors.ErrUnsupported }

// Leaf returns an error.
func (*Cgroup) Leaf(string, int64, uint64) (*Leaf, error) { return nil, errors.ErrUnsupported }

// Dir returns "".
func (*Leaf) Dir() string { return "" }

// OutOfMemory returns false.
func (*Leaf) OutOfMemory() bool { return false }

// Close does nothing.
func (*Leaf) Close() error { return nil }

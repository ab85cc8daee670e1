//go:build !linux

package main

import "errors"

// fill is for the rows that mount a small disk, which only Linux can.
func fill(string, int64) error { return errors.New("a disk is filled on Linux only") }

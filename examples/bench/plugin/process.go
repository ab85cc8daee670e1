package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/openccsp/gateway/examples/internal/variant"
)

// process is what this process is.
type process struct {
	variant.Variant
	by string // plugin, version and process for the far side; "" unless it is a variant
}

// self says what this process is. One with a fault does not come back.
func self() (process, error) {
	file, err := os.Executable()
	if err != nil {
		return process{}, err
	}
	v, ok, err := variant.Read(file)
	if err != nil || !ok {
		return process{Variant: variant.Variant{ID: "org.openccsp.bench", Version: "1.0.0"}}, err
	}
	switch v.Fault {
	case variant.Exit:
		os.Exit(3)
	case variant.Garbage:
		_, _ = os.Stdout.Write(bytes.Repeat([]byte("no\x00handshake\xff\n"), 1<<12))
		time.Sleep(time.Hour) // somebody has to end it
	}
	return process{v, fmt.Sprintf("%s %s %d", v.ID, v.Version, os.Getpid())}, nil
}

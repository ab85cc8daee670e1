package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Build builds the gateway and plugins, which are packages such as plugins/sms, of the
// repository at root into a folder, as a test does that plays against the real thing.
// The folder has a place for rules; who calls writes gateway.hcl.
func Build(ctx context.Context, dir, root string, plugins ...string) (*Home, error) {
	h := &Home{Dir: dir}
	for _, port := range []*string{&h.Listen, &h.Admin} {
		addr, err := FreeAddress()
		if err != nil {
			return nil, err
		}
		*port = addr
	}
	of := make([]string, len(plugins))
	for i, p := range plugins {
		of[i] = root + "/" + p
	}
	// With -trimpath, as in the Makefile, the packages that it has compiled are taken; what
	// only a debugger reads is left out, which halves the time to link.
	for out, from := range map[string][]string{h.Dir + "/": {root}, h.Path("plugins") + "/": of} {
		args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, from...)
		if text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", from, err, text)
		}
	}
	return h, os.Mkdir(h.Path("rules.d"), 0o700)
}

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
	of := map[string]string{"gateway": root}
	for _, p := range plugins {
		of[p] = root + "/" + p
	}
	for out, pkg := range of {
		if text, err := exec.CommandContext(ctx, "go", "build", "-o", h.Path(out), pkg).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
		}
	}
	return h, os.Mkdir(h.Path("rules.d"), 0o700)
}

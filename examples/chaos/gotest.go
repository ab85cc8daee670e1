package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// tests runs tests of a package at their full dose: what is shown best beside
// a fake clock, or below the gateway. It needs the repository around it.
func tests(dose, pkg, pattern string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		r.dosed = dose
		if _, err := os.Stat("go.mod"); err != nil {
			return fmt.Errorf("%w: not in the repository", errSkipped)
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=30m", "-run=^("+pattern+")", pkg)
		cmd.Env = append(cmd.Environ(), "GATEWAY_CHAOS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		if strings.Contains(string(out), "no tests to run") {
			return fmt.Errorf("%s has no test %s", pkg, pattern)
		}
		r.note("%s", strings.TrimSpace(string(out)))
		return nil
	}
}

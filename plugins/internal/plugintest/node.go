package plugintest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Node returns a command that runs a script with Node, which ends with the test;
// dir is the folder of the repository as the test sees it, such as "../..". The
// script is CommonJS, and may require the packages of examples/peers: programs
// that others wrote. Where these are not installed the test is skipped.
func Node(t testing.TB, dir, script string, args ...string) *exec.Cmd {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("not run: node is not installed (Debian: nodejs)")
	}
	modules, err := filepath.Abs(filepath.Join(dir, "bin/.peers/node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Skip("not run: `make test` installs packages of npm first")
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{script}, args...)...)
	cmd.Env = append(cmd.Environ(), "NODE_PATH="+modules)
	return cmd
}

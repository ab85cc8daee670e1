package scaffold

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// manifest is the file that makes a folder a plugin.
const manifest = "plugin.yaml"

// builder makes of a plugin's source what can be dropped.
type builder struct {
	dir    string // of the program, absolute
	root   string // of all of its source: the Go module's
	name   string // of what is built
	out    string // where; "" if the folder itself is the plugin
	digest []byte // of the last result
}

func newBuilder(dir string) (b builder, err error) {
	if b.dir, err = filepath.Abs(dir); err != nil {
		return b, err
	}
	b.root, b.name = b.dir, filepath.Base(b.dir)
	if exists(filepath.Join(b.dir, manifest)) {
		return b, nil
	}
	for !exists(filepath.Join(b.root, "go.mod")) {
		up := filepath.Dir(b.root)
		if up == b.root {
			return b, fmt.Errorf("%s: want a folder with a Go program (go.mod) or with a %s", dir, manifest)
		}
		b.root = up
	}
	b.out, err = os.MkdirTemp("", "gateway-plugin-dev-")
	return b, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// close removes what was built.
func (b *builder) close() error {
	if b.out == "" {
		return nil
	}
	return os.RemoveAll(b.out)
}

// forget has the next result count as changed.
func (b *builder) forget() { b.digest = nil }

// run builds, and returns what was built, and whether it is another than the
// last time. The error has what the compiler said.
func (b *builder) run(ctx context.Context) (built string, changed bool, err error) {
	if b.out == "" {
		return b.dir, true, nil
	}
	built = filepath.Join(b.out, b.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, ".")
	cmd.Dir = b.dir
	cmd.WaitDelay = 5 * time.Second
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", false, fmt.Errorf("%sgo build: %w", text, err)
	}
	digest, err := digestOf(built)
	if err != nil {
		return "", false, err
	}
	changed = !bytes.Equal(digest, b.digest)
	b.digest = digest
	return built, changed, nil
}

func digestOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), errors.Join(err, f.Close())
}

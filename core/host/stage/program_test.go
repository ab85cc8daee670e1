package stage_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/host/stage"
)

// foreignPrograms are real programs of other systems, from Go's own tests.
func foreignPrograms(t testing.TB) map[string][]byte {
	t.Helper()
	debug := filepath.Join(runtime.GOROOT(), "src", "debug") //nolint:staticcheck // only for its test data
	out := make(map[string][]byte)
	for name, file := range map[string]string{
		"windows": "pe/testdata/gcc-amd64-mingw-exec", "darwin": "macho/testdata/gcc-amd64-darwin-exec.base64",
		"darwin fat": "macho/testdata/fat-gcc-386-amd64-darwin-exec.base64",
	} {
		b, err := os.ReadFile(filepath.Join(debug, filepath.FromSlash(file)))
		if err != nil {
			t.Skip("Go's sources are not here")
		}
		if strings.HasSuffix(file, ".base64") {
			if b, err = base64.StdEncoding.DecodeString(string(b)); err != nil {
				t.Fatal(err)
			}
		}
		out[name] = b
	}
	return out
}

func TestInspect(t *testing.T) {
	for name, b := range foreignPrograms(t) {
		goos := strings.TrimSuffix(name, " fat")
		if err := stage.Inspect(bytes.NewReader(b), int64(len(b)), goos, "amd64"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := stage.Inspect(bytes.NewReader(b), int64(len(b)), "linux", "amd64"); err == nil || errors.Is(err, stage.ErrIncomplete) {
			t.Errorf("%s on linux: got %v", name, err)
		}
		for _, cut := range []int{len(b) / 2, 1000, 100, 5} {
			if err := stage.Inspect(bytes.NewReader(b[:cut]), int64(cut), goos, "amd64"); !errors.Is(err, stage.ErrIncomplete) {
				t.Errorf("%d bytes of %s: got %v", cut, name, err)
			}
		}
	}
	b := program(t, 0)
	for _, cut := range []int{len(b) * 98 / 100, len(b) - 1, len(b) / 2, 64, 4, 2, 1, 0} {
		if err := stage.Inspect(bytes.NewReader(b[:cut]), int64(cut), runtime.GOOS, runtime.GOARCH); !errors.Is(err, stage.ErrIncomplete) {
			t.Errorf("%d bytes of %d: got %v", cut, len(b), err)
		}
	}
	if err := stage.Inspect(bytes.NewReader(b), int64(len(b)), "windows", runtime.GOARCH); err == nil {
		t.Error("an ELF program on Windows: no error")
	}
}

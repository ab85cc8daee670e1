package watch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/watch"
)

func TestPlaces(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, d := range []string{"plain", "..1", "etc"} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"..data": "..1", "a.hcl": "..data/a.hcl", "conf": filepath.Join(dir, "etc"), "etc/up": "../plain/x",
		"loop": "pool", "pool": "loop",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		file string
		want []string
	}{
		{"plain/x", []string{"plain/x"}},
		{"./plain/../plain/x", []string{"plain/x"}},
		{"a.hcl", []string{"a.hcl", "..data", "..1/a.hcl"}},
		{"conf/a.hcl", []string{"conf", "etc/a.hcl"}},
		{"conf/up", []string{"conf", "etc/up", "plain/x"}},
		{"missing/x", []string{"missing/x"}},
	}
	for _, tt := range tests {
		var got []string
		for _, p := range watch.Places(tt.file) {
			got = append(got, strings.TrimPrefix(p, dir+"/"))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("Places(%q) (-want +got):\n%s", tt.file, d)
		}
	}
	if got := watch.Places("loop"); len(got) > 50 {
		t.Errorf("a loop of links has %d places", len(got))
	}
}

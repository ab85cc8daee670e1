package badger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/core/store/storetest"
)

// TestAdvice asks the kernel how it reads the tables.
func TestAdvice(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, badger.Options{Dir: dir})
	if err := s.WriteRaw(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s) // makes a table
	s = openStore(t, badger.Options{Dir: dir})
	defer closeStore(t, s)
	storetest.Eventually(t, "tables are read at random", func() bool {
		tables, random := advice(t, filepath.Join(dir, "db"))
		return tables > 0 && random == tables
	})
}

// advice counts the mapped tables of dir, and those that are read at random.
func advice(t *testing.T, dir string) (tables, random int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("the kernel does not tell: ", err)
	}
	ours := false
	for line := range strings.Lines(string(maps)) {
		switch name, flags, _ := strings.Cut(strings.TrimSpace(line), ":"); {
		case strings.Contains(name, "-"): // a mapping begins
			ours = strings.Contains(line, dir) && strings.HasSuffix(strings.TrimSpace(line), ".sst")
			if ours {
				tables++
			}
		case ours && name == "VmFlags" && strings.Contains(flags+" ", " rr "):
			random++
		}
	}
	return tables, random
}

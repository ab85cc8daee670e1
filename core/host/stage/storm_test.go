package stage_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/host/stage"
)

// TestStorm: 10,000 files come and go, which overruns no queue that matters
// and keeps nobody busy.
func TestStorm(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Rescan = 500 * time.Millisecond })
	put(t, r.path("acme"), program(t, 0), 0o755)
	r.ready("acme", digestOf(program(t, 0)))
	from, began := len(r.seen), time.Now()
	for i := range 10_000 {
		name := r.path(fmt.Sprintf("x%d", i))
		if i%2 == 0 {
			name += ".tmp"
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, r.path("acme"), program(t, 1), 0o755)
	r.ready("acme", digestOf(program(t, 1)))
	r.stop()
	took := time.Since(began)
	if got, most := r.stager.Looks(), 20+int(took/(10*time.Millisecond)); got > most {
		t.Errorf("%d looks in %s, want at most %d", got, took, most)
	}
	for _, c := range r.seen[from:] {
		if len(c.Files) != 1 || r.file(c, "acme").Digest == "" {
			t.Errorf("got %+v", c)
		}
	}
}

// TestTooMany: beyond a limit plugins are left out, those that are in stay.
func TestTooMany(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.MaxFiles = 3 })
	for _, name := range []string{"m1", "m2", "m3"} {
		put(t, r.path(name), script("exit 0"), 0o755)
		r.ready(name, digestOf(script("exit 0")))
	}
	put(t, r.path("a"), script("exit 0"), 0o755)
	c := r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 1 })
	if len(c.Files) != 3 || r.file(c, "a").Path != "" || !strings.Contains(c.Alarms[0].Err.Error(), "more than 3 plugins") {
		t.Errorf("got %+v", c)
	}
	remove(t, r.path("a"))
	r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 0 })
}

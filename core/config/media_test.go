package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/config"
)

// comment begins a line of gateway.hcl that is not in force.
var comment = regexp.MustCompile(`^(\s*)# ?`)

// TestShippedMedia puts the media blocks of the repository's gateway.hcl in force:
// what is written there is right, and shows the defaults.
func TestShippedMedia(t *testing.T) {
	text, err := os.ReadFile("../../gateway.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	within, blocks := false, 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "# media {") {
			within = true
			blocks++
		}
		if within {
			ends := strings.TrimSpace(line) == "# }"
			line = comment.ReplaceAllString(line, "$1")
			within = !ends
		}
		out.WriteString(line)
	}
	c, ps := config.Parse([]byte(out.String()), "gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	if len(c.Media.Types) == 0 || blocks != 2 {
		t.Fatalf("%d blocks, %+v", blocks, c.Media)
	}
	defaults, _ := config.Parse(nil, "gateway.hcl")
	want := defaults.Media
	want.Types, want.Retention = c.Media.Types, 30*24*time.Hour // the default of both is elsewhere
	if d := cmp.Diff(want, c.Media); d != "" {
		t.Errorf("the media block (-defaults +gateway.hcl):\n%s", d)
	}
	if d := cmp.Diff(config.InstanceMedia{Types: []string{"image/*"}, MaxFile: 5 << 20}, c.Channels[0].Media); d != "" {
		t.Errorf("the channel's (-want +got):\n%s", d)
	}
}

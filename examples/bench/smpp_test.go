package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

func TestJourney(t *testing.T) {
	j := newJourney(2)
	now := time.Now()
	j.begin(0, now)
	for _, id := range []int64{0, 0, 7, -1} {
		j.end(id, now.Add(2*time.Millisecond))
	}
	if j.arrived != 1 || j.repeats != 3 || j.missing() != 1 || j.times().p50 != 2000 {
		t.Errorf("%d arrived, %d repeats, %d missing, %v", j.arrived, j.repeats, j.missing(), j.times())
	}
	if id, ok := number(`{"text":"#42#..."}`); id != 42 || !ok {
		t.Errorf("number = %d, %t", id, ok)
	}
	if _, ok := number("nothing"); ok {
		t.Error("a text without a number has one")
	}
}

// TestSMPPDose: a small dose goes through the real gateway, and nothing is lost.
func TestSMPPDose(t *testing.T) {
	bin := t.TempDir()
	for _, p := range [][2]string{{"gateway", "../.."}, {"plugins/sms", "../../plugins/sms"}, {"plugin", "./plugin"}} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(bin, p[0]), p[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	programs := rig.Programs{Gateway: filepath.Join(bin, "gateway"), Plugin: filepath.Join(bin, "plugin")}
	row, err := measureSMPP(t.Context(), programs, filepath.Join(bin, "home"), 50, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if row.Each != 100 || row.Repeats != 0 || row.OutP99 == 0 {
		t.Errorf("row %+v", row)
	}
	if table := smppTable([]SMPPRow{row}); !strings.Contains(table, "| 50/s | 100 |") {
		t.Error(table)
	}
}

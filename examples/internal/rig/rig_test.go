package rig

import (
	"os"
	"os/exec"
	"testing"
)

func TestCutSample(t *testing.T) {
	for _, tt := range []struct {
		line, name string
		value      float64
		ok         bool
	}{
		{"gateway_events_waiting 3", "gateway_events_waiting", 3, true},
		{`gateway_http_requests_total{code="2xx",listener="public"} 1.5e+06`, "gateway_http_requests_total", 1.5e6, true},
		{`x{text="a { b"} 2`, "x", 2, true},
		{"# HELP gateway_events_waiting Events 3", "", 0, false},
		{"", "", 0, false},
	} {
		name, value, ok := cutSample(tt.line)
		if ok != tt.ok || ok && (name != tt.name || value != tt.value) {
			t.Errorf("cutSample(%q) = %q, %v, %v", tt.line, name, value, ok)
		}
	}
}

// TestProcess looks at this process and at a child of it.
func TestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child ID
	for _, c := range Children(os.Getpid()) {
		if c.PID == cmd.Process.Pid {
			child = c
		}
	}
	if child.PID == 0 || !child.Alive() {
		t.Fatalf("child %d is not among the children, or not alive: %v", cmd.Process.Pid, child)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if child.Alive() {
		t.Error("the child is alive after it was killed")
	}
	if m := MemoryOf(os.Getpid()); m.RSS < m.Anon || m.Anon <= 0 {
		t.Errorf("memory = %+v", m)
	}
}

package rig

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFrom finds a process by where its program lies, and not by its parent.
func TestFrom(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("no /proc")
	}
	dir := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "sleep")
	if err := os.WriteFile(program, b, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(program) // it is found all the same
	all := From(dir)
	if len(all) != 1 || all[0].PID != cmd.Process.Pid {
		t.Errorf("processes = %v, want %d", all, cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if all := From(dir); len(all) != 0 {
		t.Errorf("processes = %v after the end", all)
	}
}

func TestDescriptors(t *testing.T) {
	first, second, err := os.Pipe() // the first one makes what waits for all of them
	if err != nil {
		t.Fatal(err)
	}
	before := Descriptors(os.Getpid())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if n := Descriptors(os.Getpid()); before > 0 && n != before+2 {
		t.Errorf("%d descriptors, %d before a pipe and a file; want 2 more", n, before)
	}
	for _, f := range []*os.File{first, second, r, w, file} {
		_ = f.Close()
	}
}

package sdk_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme builds the plugin of the README, as it stands there.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("it links a program")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(text), "```go\n")
	code, _, found := strings.Cut(code, "```\n")
	if !found || !strings.HasPrefix(code, "package main\n") {
		t.Fatalf("the first block of the README is %.40q", code)
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	if err := os.WriteFile(main, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(here, "readme", "main.go"): main}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "acme")
	if out, err := exec.Command("go", "build", "-overlay", file, "-o", bin, "./readme").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin, "--describe").Output()
	if err != nil || !strings.Contains(string(out), "org.example.acme") {
		t.Errorf("--describe: %v\n%s", err, out)
	}
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// What the README says is what there is.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bmake ([a-z]+)`).FindAllSubmatch(readme, -1) {
		if target := string(m[1]); !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
			t.Errorf("make %s is no target of the Makefile", target)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join(root, string(m[1]))); err != nil {
			t.Errorf("link: %v", err)
		}
	}
	const ready = "gateway ready: hooks at http://127.0.0.1:8080/hooks/, admin at http://127.0.0.1:8081/, data in data"
	for line := range strings.Lines(welcome(ready, "127.0.0.1:8082", "127.0.0.1:8083")) {
		if line = strings.TrimSpace(line); !strings.Contains(line, "Ctrl-C") && !strings.Contains(string(readme), line) {
			t.Errorf("make run prints %q, the README does not", line)
		}
	}
}

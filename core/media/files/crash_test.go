package files_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/media/files"
)

// crashDir names the folder to a process that saves until it is killed.
const crashDir = "FILES_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		saveForEver(dir)
	}
	os.Exit(m.Run())
}

// saveForEver prints the id and the text of each file once it is saved.
func saveForEver(dir string) {
	s, err := files.Open(files.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	for n := 0; ; n++ {
		text := fmt.Sprintf("file-%d-%d", os.Getpid(), n/2) // each text twice
		f, err := s.Save(context.Background(), files.Want{Instance: "shop"}, strings.NewReader(text))
		if err != nil {
			panic(err)
		}
		fmt.Println(f.ID, text)
	}
}

// TestKill kills a process that saves, some times in a row: what it had said that
// it saved is there, and nothing else is.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	told := map[string]string{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if id, text, ok := strings.Cut(lines.Text(), " "); ok {
				told[id] = text
			}
			if n == 20*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, files.Options{Dir: dir})
	for id, text := range told {
		if got := read(t, s, id); got != text {
			t.Errorf("%s holds %q, want %q", id, got, text)
		}
	}
	if n := s.Usage().Files; n < len(told) || n > len(told)+5 {
		t.Errorf("%d files, %d were told of", n, len(told))
	}
}

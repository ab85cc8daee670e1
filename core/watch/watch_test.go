package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/watch"
)

// What a file names is followed from the moment that the file does, also in a
// directory that was not watched before.
func TestWhatAFileNamesIsFollowed(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	main, other := filepath.Join(dir, "main"), filepath.Join(dir, "sub", "other")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	write(main, "")
	write(other, "one")

	var followed, places []string
	followed = []string{main}
	seen := make(chan string, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- watch.Run(ctx, watch.Config{
			Name: "main", Rescan: time.Hour, Log: slog.New(slog.DiscardHandler),
			Dirs: func() (dirs []string) {
				places = nil
				for _, f := range followed {
					for _, p := range watch.Places(f) {
						places, dirs = append(places, p), append(dirs, filepath.Dir(p))
					}
				}
				return dirs
			},
			Concerns: func(path string) bool { return slices.Contains(places, path) },
			Look: func() { // main holds the name of a file, and that one the text
				followed = []string{main}
				text, _ := os.ReadFile(main)
				if name := strings.TrimSpace(string(text)); name != "" {
					followed = append(followed, name)
					text, _ = os.ReadFile(name)
				}
				seen <- string(text)
			},
		})
	}()
	await := func(want string) {
		t.Helper()
		for deadline := time.After(time.Minute); ; {
			select {
			case got := <-seen:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("%q was not seen", want)
			}
		}
	}
	await("")
	write(main, other)
	await("one")
	write(other, "two")
	await("two")
	write(filepath.Join(dir, "noise"), "x") // of no interest
	write(other+".tmp", "three")
	if err := os.Rename(other+".tmp", other); err != nil {
		t.Fatal(err)
	}
	await("three")
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

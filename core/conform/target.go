package conform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/openccsp/gateway/core/host/stage"
)

const (
	folderFile = "plugin.yaml"  // makes a folder a plugin
	setupFile  = "conform.json" // beside it, or <binary>.conform.json
)

// Target is the plugin to test.
type Target struct {
	Command []string // the program, as a path or to be found in PATH, and its arguments
	Dir     string   // its working folder; "": a temporary one
}

// Find returns the plugin at path: a binary, or a folder with plugin.yaml. It
// also returns the setup that lies beside it; without one, the zero value.
func Find(path string) (Target, Setup, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Target{}, Setup{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Target{}, Setup{}, fmt.Errorf("plugin: %w", err)
	}
	t, beside := Target{Command: []string{path}}, path+"."+setupFile
	if info.IsDir() {
		beside = filepath.Join(path, setupFile)
		if t, err = folder(path); err != nil {
			return Target{}, Setup{}, err
		}
	}
	setup, err := LoadSetup(beside)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return t, setup, err
}

// folder reads the manifest of a plugin folder.
func folder(dir string) (Target, error) {
	file := filepath.Join(dir, folderFile)
	b, err := os.ReadFile(file)
	if err != nil {
		return Target{}, fmt.Errorf("plugin folder: %w", err)
	}
	m, err := stage.ParseManifest(file, b)
	if err != nil {
		return Target{}, err
	}
	if !strings.Contains(m.Command[0], "/") {
		if m.Command[0], err = exec.LookPath(m.Command[0]); err != nil {
			return Target{}, fmt.Errorf("%s: command: %w", file, err)
		}
	}
	for i, word := range m.Command {
		if own := filepath.Join(dir, word); filepath.IsLocal(word) && isFile(own) {
			m.Command[i] = own
		}
	}
	return Target{Command: m.Command, Dir: dir}, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// LoadSetup reads a conform.json.
func LoadSetup(file string) (Setup, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Setup{}, fmt.Errorf("setup: %w", err)
	}
	var s Setup
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Setup{}, fmt.Errorf("setup %s: %w", file, err)
	}
	return s, nil
}

package host

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// instanceDir makes the folder for the instance's files. It lies in the plugin's
// own: a plugin cannot read those of others.
func (h *Host) instanceDir(plugin, name string) (string, error) {
	work, err := h.workDir(plugin)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(work, "instances", filepath.Base(name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder of %s: %w", name, err)
	}
	return dir, nil
}

// workDir makes the folder that a plugin runs in. That of a program nobody
// knows yet is for all of them.
func (h *Host) workDir(plugin string) (string, error) {
	dir := filepath.Join(h.cfg.DataDir, "plugins", "work", cmp.Or(plugin, "unknown"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder of plugin %s: %w", plugin, err)
	}
	return dir, nil
}

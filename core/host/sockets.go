package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSocketDir leaves room for "/plugin-dir0123456789/plugin0123456789" in the
// 104 bytes that a socket's path may have on all systems.
const maxSocketDir = 64

// openSocketDir makes the folder for the plugins' sockets and removes what a
// killed gateway left in it. dir "" takes one in the system's temporary folder
// that follows from the data folder, and so is this gateway's alone.
func openSocketDir(dir, dataDir string) (string, error) {
	if dir == "" {
		sum := sha256.Sum256([]byte(dataDir))
		dir = filepath.Join(os.TempDir(), "gw-"+hex.EncodeToString(sum[:6]))
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("socket folder: %w", err)
	}
	if len(dir) > maxSocketDir {
		return "", fmt.Errorf("socket folder %s: path has %d bytes, at most %d can be used for unix sockets",
			dir, len(dir), maxSocketDir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("socket folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("socket folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("socket folder %s belongs to somebody else", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", fmt.Errorf("socket folder: %w", err)
	}
	return dir, removeOld(dir)
}

func removeOld(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("socket folder: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "plugin-dir") {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("socket folder: %w", err)
			}
		}
	}
	return nil
}

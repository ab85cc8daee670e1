package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// socketFile is where the command line reaches a running gateway, in data_dir.
const socketFile = "admin.sock"

// openSocket listens at data_dir/admin.sock. The store's lock is held, so a
// socket that is there was left by a gateway that did not stop cleanly.
func (a *App) openSocket(ctx context.Context) error {
	path := filepath.Join(a.config.DataDir, socketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin socket: %w", err)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("admin socket %s (at most 107 bytes long): %w", path, err)
	}
	a.onClose("admin socket", ln.Close) // removes the file too
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	a.socket = newOwnListener(ln, a.log)
	return nil
}

// dialAdmin connects to the gateway that runs with dataDir.
func dialAdmin(ctx context.Context, dataDir string) (net.Conn, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	return d.DialContext(ctx, "unix", filepath.Join(dataDir, socketFile))
}

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/host/stage"
)

// trustOf is whose plugins may run.
func trustOf(c config.Plugins) stage.Trust {
	return stage.Trust{Mode: stage.Mode(c.Trust), LockFile: c.LockFile, Keys: c.Keys}
}

// pluginDirs are the plugin directories: that of first-party plugins beside
// the gateway's own program, and those of gateway.hcl. The optional ones need
// not be there: nobody has asked for them by another name than the default.
func pluginDirs(c *config.Config) (dirs, optional []string, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	own := filepath.Join(filepath.Dir(exe), "plugins")
	return append([]string{own}, c.PluginDirs...), []string{own, filepath.Join(c.Dir, "plugins")}, nil
}

// withCopy judges the plugin at path, as it lies there, makes a private copy of
// it, and calls do with that. tmp is where the copy is for so long; "": in the
// system's temporary folder.
func withCopy(ctx context.Context, path, tmp string, trust stage.Trust, do func(stage.File) error) (err error) {
	dir, err := os.MkdirTemp(tmp, "gateway-stage-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeStore(dir)) }()
	f, err := stage.Stage(ctx, stage.Config{Store: dir, Trust: trust}, path)
	if err != nil {
		return err
	}
	return do(f)
}

// removeStore removes a store, in which nothing may be written to.
func removeStore(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// claimFor returns which plugin and version a copy is: what was said, or else
// what its program says.
func claimFor(ctx context.Context, f stage.File, id, version string) (stage.Claim, error) {
	if id != "" || version != "" {
		return stage.Claim{ID: id, Version: version}, nil
	}
	m, err := host.Describe(ctx, f, core.Version)
	if err != nil {
		return stage.Claim{}, err
	}
	return stage.Claim{ID: m.PluginId, Version: m.Version}, nil
}

// settleFor is how long survey waits for files that are being written.
const settleFor = 10 * time.Second

// survey judges what lies in the plugin directories, as a gateway would.
func survey(ctx context.Context, c *config.Config) (catalog stage.Catalog, err error) {
	dirs, optional, err := pluginDirs(c)
	if err != nil {
		return catalog, err
	}
	tmp, err := os.MkdirTemp("", "gateway-stage-")
	if err != nil {
		return catalog, err
	}
	defer func() { err = errors.Join(err, removeStore(tmp)) }()
	s, err := stage.New(stage.Config{Dirs: dirs, Optional: optional, Store: tmp, Trust: trustOf(c.Plugins)})
	if err != nil {
		return catalog, err
	}
	look, stop := context.WithCancel(ctx)
	defer stop()
	var late *time.Timer
	err = s.Run(look, func(now stage.Catalog) {
		catalog = now
		if late == nil {
			late = time.AfterFunc(settleFor, stop)
		}
		if !slices.ContainsFunc(now.Files, func(f stage.File) bool { return f.State == stage.Settling }) {
			stop()
		}
	})
	if late != nil {
		late.Stop()
	}
	return catalog, errors.Join(err, ctx.Err())
}

// shortDigest is the part of a digest that people compare.
func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }

// reasonOf says what is the matter with the file at path, without naming it.
func reasonOf(path string, err error) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("plugin %s: ", path))
}

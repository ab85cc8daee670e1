package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/core/httpd"
)

// pluginApprove is the command `gateway plugin approve`.
func (c *command) pluginApprove() *cobra.Command {
	var r httpd.Approve
	cmd := &cobra.Command{
		Use:   "approve PATH|NAME",
		Short: "Put a plugin file, as it is now, into the lock file: with trust \"pinned\" it may run",
		Long: "It writes the plugin's id, version and digest into the lock file, plugins.lock beside\n" +
			"gateway.hcl. A running gateway takes that up at once.\n\n" +
			"To learn its id and version the program is started once, unless --id and --version say\n" +
			"them. --digest makes sure that it is the file that was looked at.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error { return c.approvePlugin(cmd.Context(), args[0], r) },
	}
	f := cmd.Flags()
	f.StringVar(&r.Digest, "digest", "", "SHA-256 that it must have, in `hex`")
	f.StringVar(&r.ID, "id", "", "plugin `id`, such as org.example.acme")
	f.StringVar(&r.Version, "version", "", "its `version`, such as 1.2.0")
	cmd.MarkFlagsRequiredTogether("id", "version")
	return cmd
}

func (c *command) approvePlugin(ctx context.Context, target string, r httpd.Approve) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a := newAdmin(cfg)
	defer a.close()
	list, err := a.plugins(ctx)
	runs := !isStopped(err)
	if runs && err != nil {
		return &runError{err}
	}
	if r.Path, err = approvalPath(ctx, cfg, list, runs, target); err != nil {
		return &runError{err}
	}
	var done httpd.Approved
	if runs && list.file(r.Path) != nil {
		err = a.call(ctx, http.MethodPost, "/v1/plugins/approve", r, &done)
	} else {
		done, err = approve(ctx, cfg.Plugins.LockFile, "", r)
	}
	if err != nil {
		return &runError{err}
	}
	for _, w := range done.Warnings {
		_, _ = fmt.Fprintln(c.errOut, "warning:", printable(w))
	}
	if cfg.Plugins.Trust != config.TrustPinned {
		_, _ = fmt.Fprintf(c.errOut, "warning: trust is %q, so the lock file is not asked; write plugins { trust = \"pinned\" }\n", cfg.Plugins.Trust)
	}
	text := fmt.Sprintf("approved %s %s (%s) sha256:%s\n", done.ID, done.Version, done.Platform, done.Digest)
	if done.Replaced != "" && done.Replaced != done.Digest {
		text += fmt.Sprintf("in place of sha256:%s\n", done.Replaced)
	}
	_, err = fmt.Fprintf(c.out, "%sin %s\n", text, done.LockFile)
	return err
}

// approvalPath returns the file that target means: a path, or the name of a
// plugin.
func approvalPath(ctx context.Context, cfg *config.Config, list pluginList, runs bool, target string) (string, error) {
	if _, err := os.Stat(target); err == nil || strings.ContainsRune(target, filepath.Separator) {
		return filepath.Abs(target)
	}
	if !runs {
		var err error
		if list, err = stoppedPlugins(ctx, cfg); err != nil {
			return "", err
		}
	}
	p, err := list.find(target)
	if err != nil {
		return "", err
	}
	for _, f := range list.of(p) { // what waits for it, rather than what runs
		if f.File == string(stage.Refused) {
			return f.Path, nil
		}
	}
	return p.Path, nil
}

// approve puts the plugin at r.Path into the lock file. tmp is as withCopy has
// it.
func approve(ctx context.Context, lockFile, tmp string, r httpd.Approve) (done httpd.Approved, err error) {
	lockFile, err = filepath.Abs(lockFile)
	if err != nil {
		return done, err
	}
	if _, err := stage.LoadLock(lockFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return done, err // before the program is started
	}
	err = withCopy(ctx, r.Path, tmp, stage.Trust{}, func(f stage.File) error {
		if r.Digest != "" && f.Digest != r.Digest {
			return core.Errorf(core.Conflict, "plugin %s has changed: its sha256 is %s", r.Path, f.Digest)
		}
		claim, err := claimFor(ctx, f, r.ID, r.Version)
		if err != nil {
			return err
		}
		a := stage.Approval{ID: claim.ID, Version: claim.Version, Platform: stage.Platform, Digest: f.Digest}
		if stage.IsFolder(r.Path) {
			a.Platform = stage.AnyPlatform
		}
		done = httpd.Approved{ID: a.ID, Version: a.Version, Platform: a.Platform, Digest: a.Digest, LockFile: lockFile, Warnings: f.Warnings}
		done.Replaced, err = stage.Approve(lockFile, a)
		return err
	})
	return done, err
}

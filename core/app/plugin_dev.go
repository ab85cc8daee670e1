package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/scaffold"
)

// pluginDev is the command `gateway plugin dev`.
func (c *command) pluginDev() *cobra.Command {
	return &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Build a plugin whenever a file is saved, and drop it into the first of plugin_dirs",
		Long: "It builds the plugin in DIR, a folder with a Go program or with a plugin.yaml, and drops it\n" +
			"into the first of plugin_dirs of gateway.hcl: now, and whenever a file is saved. While a gateway\n" +
			"runs with that gateway.hcl, it also says what becomes of the plugin there, and prints its log.",
		Example: "  gateway plugin dev --config demo/gateway.hcl .",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.devPlugin(cmd.Context(), append(args, ".")[0])
		},
	}
}

func (c *command) devPlugin(ctx context.Context, dir string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if len(cfg.PluginDirs) == 0 {
		return errors.New("plugin_dirs is empty: there is no folder to drop plugins into")
	}
	f := follower{cfg: cfg, since: time.Now(), dropped: make(chan string, 1)}
	d := scaffold.Dev{
		Dir: dir, Out: c.out, Skip: append(cfg.PluginDirs, cfg.DataDir), Follow: f.run,
		Drop: func(ctx context.Context, built string) error {
			if err := scaffold.Install(ctx, cfg.PluginDirs[0], built); err != nil {
				return err
			}
			f.drop(filepath.Join(cfg.PluginDirs[0], filepath.Base(built)))
			return nil
		},
	}
	return d.Run(ctx)
}

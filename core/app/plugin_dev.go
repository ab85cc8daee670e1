package app

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/scaffold"
)

// pluginDev is the command `gateway plugin dev`.
func (c *command) pluginDev() *cobra.Command {
	return &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Build a plugin whenever a file is saved, and drop it into the first of plugin_dirs",
		Long: "It builds the plugin in DIR, a folder with a Go program or with a plugin.yaml, and drops it\n" +
			"into the first of plugin_dirs of gateway.hcl: now, and whenever a file is saved.",
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
	d := scaffold.Dev{
		Dir: dir, Out: c.out, Skip: append(cfg.PluginDirs, cfg.DataDir),
		Drop: func(ctx context.Context, built string) error {
			return scaffold.Install(ctx, cfg.PluginDirs[0], built)
		},
	}
	return d.Run(ctx)
}

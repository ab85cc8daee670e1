package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/conform"
)

// conformFlags are the flags of `gateway plugin conform`.
type conformFlags struct {
	settings, driver string
	cases            []string
	json             bool
}

func (c *command) pluginConform() *cobra.Command {
	var f conformFlags
	cmd := &cobra.Command{
		Use:   "conform PLUGIN",
		Short: "Run a plugin of any language through the protocol and report which rules it keeps",
		Long: "PLUGIN is a binary, or a folder with plugin.yaml. The plugin is started many times, with a\n" +
			"stand-in for its vendor, and is killed, drained, and told nonsense. It needs no gateway.\n\n" +
			"Settings for the test come from conform.json in the folder, <binary>.conform.json beside the\n" +
			"binary, or --settings. Without them they are made of the defaults and examples in the\n" +
			"driver's schema. The exit code is 1 if the plugin breaks a rule; a program that is no\n" +
			"plugin is found out by the first of them, and the others are not run.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error { return c.conform(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.settings, "settings", "", "conform.json to use, a `file`")
	cmd.Flags().StringVar(&f.driver, "driver", "", "`name` of the driver to test; default: the first")
	cmd.Flags().StringSliceVar(&f.cases, "case", nil, "run only cases whose names begin so: a `list`")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the report as JSON")
	return cmd
}

func (c *command) conform(ctx context.Context, path string, f conformFlags) error {
	target, setup, err := conform.Find(path)
	if err != nil {
		return err
	}
	if f.settings != "" {
		if setup, err = conform.LoadSetup(f.settings); err != nil {
			return err
		}
	}
	if f.driver != "" {
		setup.Driver = f.driver
	}
	r, err := conform.Run(ctx, conform.Options{Target: target, Setup: setup, Only: f.cases})
	if err != nil {
		return err
	}
	if err := c.printReport(r, f.json); err != nil {
		return err
	}
	if r.NotRun > 0 {
		return &runError{fmt.Errorf("%s is no plugin", r.Title())}
	}
	if n := r.Count(conform.Fail); n > 0 {
		return &runError{fmt.Errorf("%s breaks %s", r.Title(), count(n, "rule"))}
	}
	return nil
}

func (c *command) printReport(r conform.Report, asJSON bool) error {
	if !asJSON {
		return r.WriteTable(c.out)
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

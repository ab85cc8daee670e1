package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host/sandbox"
)

// Exit codes of the gateway.
const (
	exitClean  = 0 // stopped when it was told to
	exitFailed = 1 // failed while running
	exitWrong  = 2 // started wrongly: arguments, configuration, a busy port
)

// runError is a failure of a gateway that had been started rightly.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// Main is the gateway's command line. It returns the exit code: 0 after a
// clean stop, 1 if the gateway failed while running, 2 if it was started
// wrongly. defaults holds what `gateway init` writes: gateway.hcl and rules.d.
func Main(args []string, defaults fs.FS) int {
	sandbox.Main() // this process may be to become a plugin

	// The runtime ends the process on a second signal.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	c := command{defaults: defaults, out: os.Stdout, errOut: os.Stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitClean
	}
	if errors.Is(err, errFindings) {
		return exitFailed // they are printed
	}
	report(c.errOut, err)
	if _, ok := errors.AsType[*runError](err); ok {
		return exitFailed
	}
	return exitWrong
}

// command is one call of the program.
type command struct {
	defaults    fs.FS
	out, errOut io.Writer
	file        string // --config
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gateway",
		Short: "Connects customers on any channel with agents in a contact center",
		Long: "Customers write on any channel, agents answer in the contact center software they\n" +
			"already have, and rule files decide what happens around the chat.\n\n" +
			"Without a command it runs the gateway.",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	root.PersistentFlags().StringVar(&c.file, "config", "gateway.hcl", "configuration `file`")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		&cobra.Command{
			Use: "run", Short: "Run the gateway until it is told to stop", Args: cobra.NoArgs,
			RunE: root.RunE,
		},
		&cobra.Command{
			Use: "init [DIR]", Short: "Write a commented gateway.hcl and example rules; overwrites nothing", Args: cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return c.init(append(args, ".")[0]) },
		},
		&cobra.Command{
			Use: "check", Short: "Say what is wrong with gateway.hcl, the rules, and the settings of plugins", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return c.check() },
		},
		&cobra.Command{
			Use: "status", Short: "Ask the running gateway how it is", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
		},
		&cobra.Command{
			Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return c.version() },
		},
		c.instances(),
		c.plugins(),
		c.rulesCommands(),
	)
	return root
}

// load reads the configuration and prints its warnings.
func (c *command) load() (*config.Config, error) {
	cfg, err := config.Load(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no configuration: there is no %s; `gateway init` writes one to start from", c.file)
	}
	if err != nil {
		return nil, err
	}
	warn(c.errOut, cfg.Warnings)
	return cfg, nil
}

func (c *command) run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	limitMemory(cfg.Limits.Memory)
	a, err := Open(ctx, cfg, newLogger(c.errOut, cfg.Log))
	if err != nil {
		return err
	}
	a.out = c.out
	if err := a.Run(ctx); err != nil {
		return &runError{err}
	}
	return nil
}

func (c *command) version() error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value + ", "
			}
		}
	}
	_, err := fmt.Fprintf(c.out, "gateway %s (%s%s, %s/%s)\n", core.Version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// one is the Args of a command that takes one, which its Use names.
func one(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, got %d; %s", len(args), cmd.UseLine())
	}
	return nil
}

// group is the RunE of a command that only holds others.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q; gateway help %s", args[0], cmd.CommandPath(), cmd.Name())
	}
	return cmd.Help()
}

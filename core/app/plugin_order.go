package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// pluginOrders are the commands that the running gateway carries out.
func (c *command) pluginOrders() []*cobra.Command {
	order := func(verb, short, done string) *cobra.Command {
		return &cobra.Command{
			Use: verb + " NAME", Short: short, Args: one,
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.orderPlugin(cmd.Context(), verb, args[0], done)
			},
		}
	}
	return []*cobra.Command{
		order("rollback", "Reject the running version of a plugin and swap back to the one before", "goes back to the version before"),
		order("quarantine", "Drain and stop a plugin until it is released, also over restarts", "is drained and stopped until it is released"),
		order("release", "Lift a plugin's quarantine, and let its rejected files be tried again", "is released"),
		{
			Use: "attach [VALUE]", Args: cobra.MaximumNArgs(1),
			Short: "Use the process of a plugin that runs in a debugger, started with --debug",
			Long: "VALUE is what the plugin printed as GATEWAY_REATTACH; without it the environment variable\n" +
				"of that name is taken. The gateway never ends that process, and when it ends the plugin's\n" +
				"files are in force again.",
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.attachPlugin(cmd.Context(), append(args, os.Getenv(reattachEnv))[0])
			},
		},
	}
}

func (c *command) orderPlugin(ctx context.Context, verb, name, done string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a := newAdmin(cfg)
	defer a.close()
	id, err := a.pluginID(ctx, name)
	if err == nil {
		err = a.call(ctx, http.MethodPost, pluginURL(id, "/"+verb), nil, nil)
	}
	if err != nil {
		return &runError{err}
	}
	_, err = fmt.Fprintf(c.out, "%s %s\n", printable(id), done)
	return err
}

// reattachEnv is how a plugin that was started with --debug calls what it
// prints.
const reattachEnv = "GATEWAY_REATTACH"

func (c *command) attachPlugin(ctx context.Context, value string) error {
	value = strings.TrimPrefix(strings.TrimSpace(value), reattachEnv+"=")
	value = strings.Trim(value, "'")
	if value == "" {
		return errors.New("nothing to attach to: give what the plugin printed as " + reattachEnv)
	}
	if !json.Valid([]byte(value)) {
		return errors.New("that is not what a plugin prints as " + reattachEnv + ": it is not JSON; put it between single quotes")
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a := newAdmin(cfg)
	defer a.close()
	body := map[string]string{"reattach": value}
	if err := a.call(ctx, http.MethodPost, "/v1/plugins/attach", body, nil); err != nil {
		return &runError{err}
	}
	_, err = fmt.Fprintln(c.out, "attached")
	return err
}

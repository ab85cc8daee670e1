package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/scaffold"
)

// pluginNew is the command `gateway plugin new`.
func (c *command) pluginNew() *cobra.Command {
	o := scaffold.Options{Version: core.Version}
	cmd := &cobra.Command{
		Use:   "new NAME --kind channel|connector",
		Short: "Write a small plugin to start from: it builds, passes its tests and chats as it is",
		Example: "  gateway plugin new acme --kind channel\n" +
			"  gateway plugin new helpdesk --kind connector --lang node --id com.example.helpdesk",
		Args: one,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			return c.newPlugin(o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Kind, "kind", "", "`what` it is: a channel, where customers write, or a connector, where agents answer")
	f.StringVar(&o.Lang, "lang", "go", "programming `language`: go or node")
	f.StringVar(&o.ID, "id", "", "`id` of the plugin in reverse DNS (default org.example.NAME)")
	f.StringVar(&o.Dir, "dir", "", "`folder` to write to, absent or empty (default NAME)")
	f.StringVar(&o.SDK, "sdk", "", "source `tree` of the gateway, which a plugin in Go is built against (default where this gateway was built)")
	return cmd
}

func (c *command) newPlugin(o scaffold.Options) error {
	p, err := scaffold.New(o)
	if err != nil {
		return err
	}
	files, err := p.Write()
	for _, f := range files {
		if _, err := fmt.Fprintln(c.out, "wrote", f); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.out, p.Next())
	return err
}

package app

import "github.com/spf13/cobra"

// plugins is the command `gateway plugin`.
func (c *command) plugins() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plugin", Short: "Write, check and look after plugins", RunE: group,
	}
	cmd.AddCommand(c.pluginListing(), c.pluginShow(), c.pluginLogs())
	cmd.AddCommand(c.pluginOrders()...)
	cmd.AddCommand(c.pluginVerify(), c.pluginApprove(), c.pluginKeygen(), c.pluginSign())
	cmd.AddCommand(c.pluginNew(), c.pluginDev(), c.pluginConform())
	return cmd
}

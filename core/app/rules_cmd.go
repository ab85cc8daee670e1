package app

import "github.com/spf13/cobra"

func (c *command) rulesCommands() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Help with writing rules", RunE: group}
	cmd.AddCommand(c.rulesSchema())
	return cmd
}

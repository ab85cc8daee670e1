package app

import (
	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/rules"
)

// rulesSchema is the command that prints what editors complete rule files with.
func (c *command) rulesSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of rule files, for editors", Args: cobra.NoArgs,
		Long: "A rule file that begins with the line\n\n  # yaml-language-server: $schema=schema.json\n\n" +
			"is completed and checked by editors that know YAML, if schema.json lies beside it.",
		RunE: func(*cobra.Command, []string) error {
			_, err := c.out.Write(rules.Schema())
			return err
		},
	}
}

package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/openccsp/gateway/core/config"
)

// check reads gateway.hcl, then the rules and the manifests of plugins as far
// as there are any, and prints every problem. It starts nothing.
func (c *command) check() error {
	src, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = c.load()
	}
	if err != nil {
		return err
	}
	cfg, problems := config.Parse(src, c.file)
	warnings := cfg.Warnings
	var unchecked []string
	if len(problems) > 0 {
		unchecked = append(unchecked, "rules and plugins: "+c.file+" comes first")
	} else {
		f := look(cfg)
		problems, warnings, unchecked = f.problems, append(warnings, f.warnings...), f.unchecked
	}
	warn(c.errOut, warnings)
	for _, what := range unchecked {
		if _, err := fmt.Fprintln(c.out, "not checked:", what); err != nil {
			return err
		}
	}
	if err := problems.Err(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s: no problems in %s, %s, %s, %s\n", c.file,
		count(len(cfg.Services), "service"), count(len(cfg.Channels), "channel"),
		count(len(cfg.Integrations), "integration"), count(len(cfg.Endpoints), "endpoint"))
	return err
}

// count returns "1 channel", "2 channels".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

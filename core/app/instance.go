package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// instances is the command `gateway instance`.
func (c *command) instances() *cobra.Command {
	cmd := &cobra.Command{
		Use: "instance", Short: "Look after channels and integrations of the running gateway", RunE: group,
	}
	var force bool
	remove := &cobra.Command{
		Use: "remove NAME", Short: "End one that was taken out of gateway.hcl, without waiting for its chats",
		Long: "A channel or integration that is taken out of gateway.hcl takes nothing new, finishes its open\n" +
			"chats and is gone then: no command is needed for that. With --force its chats are closed now,\n" +
			"reason \"removed\", and what still waits for it 10 s later becomes dead letters.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error { return c.removeInstance(cmd.Context(), args[0], force) },
	}
	remove.Flags().BoolVar(&force, "force", false, "close its open chats")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List them, and what the ones taken out of gateway.hcl still have", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.listInstances(cmd.Context()) },
		},
		remove,
	)
	return cmd
}

// shownInstance is an instance as the admin API shows it.
type shownInstance struct {
	kind                        string
	Name, Driver, State, Health string
	Draining                    *struct {
		Counted, Forced bool
		Chats, Commands int
	}
}

// text says how it does.
func (i *shownInstance) text() string {
	switch {
	case i.Draining != nil:
		return i.drains()
	case i.Health != "":
		return i.State + ": " + printable(i.Health)
	}
	return i.State
}

// drains says what an instance that leaves still has.
func (i *shownInstance) drains() string {
	d := i.Draining
	s := "removed"
	if d.Forced {
		s = "removed by force"
	}
	if !d.Counted {
		return s + ": what it still has is being counted"
	}
	return fmt.Sprintf("%s: %s and %s left", s, count(d.Chats, "open chat"), count(d.Commands, "waiting command"))
}

func askInstances(ctx context.Context, a *adminAPI) (all []*shownInstance, err error) {
	for _, kind := range []string{"channel", "integration"} {
		var list struct{ Items []*shownInstance }
		if err := a.ask(ctx, "/v1/"+kind+"s", &list); err != nil {
			return nil, err
		}
		for _, i := range list.Items {
			i.kind = kind
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

func (c *command) listInstances(ctx context.Context) error {
	run, done, err := c.running(ctx)
	if err != nil {
		return err
	}
	defer done()
	all, err := askInstances(run.ctx, run.admin)
	if err != nil {
		return &runError{err}
	}
	var b strings.Builder
	for _, i := range all {
		fmt.Fprintf(&b, "%s %s (%s): %s\n", i.kind, i.Name, i.Driver, i.text())
	}
	_, err = io.WriteString(c.out, b.String())
	return err
}

func (c *command) removeInstance(ctx context.Context, name string, force bool) error {
	run, done, err := c.running(ctx)
	if err != nil {
		return err
	}
	defer done()
	all, err := askInstances(run.ctx, run.admin)
	if err != nil {
		return &runError{err}
	}
	var found *shownInstance
	for _, i := range all {
		if i.Name == name {
			found = i
		}
	}
	switch {
	case found == nil:
		return &runError{fmt.Errorf("there is no channel or integration %q", name)}
	case found.Draining == nil:
		return &runError{fmt.Errorf("%s %q stands in %s; take it out there, and it finishes its chats", found.kind, name, c.file)}
	case !force:
		return &runError{fmt.Errorf("%s %q is %s; --force closes them", found.kind, name, found.drains())}
	}
	path := "/v1/" + found.kind + "s/" + url.PathEscape(name)
	if err := run.admin.call(run.ctx, http.MethodDelete, path, nil, nil); err != nil {
		return &runError{err}
	}
	_, err = fmt.Fprintf(c.out, "%s %s: its chats are being closed\n", found.kind, name)
	return err
}

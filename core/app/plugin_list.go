package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// notRunning is the state of a plugin that might run, while no gateway does.
const notRunning = "not running"

// pluginListing is the command `gateway plugin list`.
func (c *command) pluginListing() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs,
		Short: "List the plugins and how they do; with the gateway stopped, what lies in plugin_dirs",
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.listPlugins(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what /v1/plugins answers")
	return cmd
}

func (c *command) listPlugins(ctx context.Context, asJSON bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	list, err := plugins(ctx, cfg)
	if err != nil {
		return &runError{err}
	}
	if asJSON {
		return printJSON(c.out, list)
	}
	return list.print(c.out)
}

// plugins asks the running gateway what plugins there are, or looks itself.
func plugins(ctx context.Context, cfg *config.Config) (pluginList, error) {
	a := newAdmin(cfg)
	defer a.close()
	list, err := a.plugins(ctx)
	if isStopped(err) {
		return stoppedPlugins(ctx, cfg)
	}
	return list, err
}

// stoppedPlugins is what lies in the plugin directories. Which plugins they
// are is known if they ran once, or somebody vouches for them.
func stoppedPlugins(ctx context.Context, cfg *config.Config) (pluginList, error) {
	catalog, err := survey(ctx, cfg)
	if err != nil {
		return pluginList{}, err
	}
	known, err := host.Known(cfg.DataDir)
	if err != nil {
		known = nil // it is a help, and the next start makes it anew
	}
	list := pluginList{Trust: string(cfg.Plugins.Trust), Items: []httpd.Plugin{}, Alarms: showAlarms(catalog)}
	for _, f := range catalog.Files {
		list.Items = append(list.Items, stoppedPlugin(f, known))
	}
	slices.SortStableFunc(list.Items, func(a, b httpd.Plugin) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func stoppedPlugin(f stage.File, known map[string]*pluginv1.Manifest) httpd.Plugin {
	p := httpd.Plugin{
		ID: f.Claim.ID, Version: f.Claim.Version, Path: f.Path, Digest: f.Digest, File: string(f.State), FileReason: f.Reason,
		Warnings: f.Warnings, Claim: showClaim(f.Claim), State: notRunning, Since: f.Since, Instances: []httpd.PluginInstance{},
	}
	if m := known[f.Digest]; m != nil {
		p.ID, p.Version = m.PluginId, m.Version
		p.SDK = strings.TrimSpace(m.SdkName + " " + m.SdkVersion)
		for _, d := range m.Drivers {
			p.Drivers = append(p.Drivers, d.Name)
		}
	}
	return p
}

func showAlarms(c stage.Catalog) []httpd.PluginAlarm {
	out := []httpd.PluginAlarm{}
	for _, a := range c.Alarms {
		out = append(out, httpd.PluginAlarm{Path: a.Dir, Message: a.Err.Error(), Since: a.Since})
	}
	return out
}

func showClaim(c stage.Claim) *httpd.PluginClaim {
	if c == (stage.Claim{}) {
		return nil
	}
	return &httpd.PluginClaim{ID: c.ID, Version: c.Version}
}

// print writes a table, and below it what needs more words.
func (l pluginList) print(w io.Writer) error {
	var b strings.Builder
	if len(l.Items) == 0 {
		b.WriteString("no plugins; put one into a folder of plugin_dirs\n")
	} else {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "PLUGIN\tVERSION\tSTATE\tDRIVERS\tINSTANCES\tRESTARTS\tDIGEST\tPATH") // b takes all
		for _, p := range l.Items {
			_, _ = fmt.Fprintln(t, strings.Join(row(p), "\t"))
		}
		_ = t.Flush()
	}
	for _, p := range l.Items {
		for _, note := range notes(p) {
			fmt.Fprintf(&b, "%s: %s\n", printable(l.title(p)), printable(note))
		}
	}
	for _, a := range l.Alarms {
		fmt.Fprintf(&b, "alarm: %s\n", alarmText(a))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// alarmText says what is wrong with a folder or a file.
func alarmText(a httpd.PluginAlarm) string {
	if strings.HasPrefix(a.Message, a.Path+":") { // a place in it
		return printable(a.Message)
	}
	return printable(a.Path + ": " + a.Message)
}

func row(p httpd.Plugin) []string {
	open := 0
	for _, i := range p.Instances {
		if i.State == host.Opened {
			open++
		}
	}
	instances := "-"
	if len(p.Instances) > 0 {
		instances = fmt.Sprintf("%d/%d", open, len(p.Instances))
	}
	cells := []string{
		p.ID, p.Version, stateOf(p), strings.Join(p.Drivers, ","), instances, strconv.Itoa(p.Restarts), shortDigest(p.Digest), p.Path,
	}
	for i, cell := range cells {
		if cells[i] = strings.ReplaceAll(printable(cell), "\t", " "); cell == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// stateOf is the state of the plugin, or of its file if that is all there is.
func stateOf(p httpd.Plugin) string {
	fileOnly := p.PID == 0 && (p.State == notRunning || p.State == host.Stopped || p.ID == "")
	if fileOnly && (p.File == string(stage.Settling) || p.File == string(stage.Refused)) {
		return p.File
	}
	if p.Operator {
		return p.State + " by an operator"
	}
	return p.State
}

// titleOf names a plugin, or the file of one that is not known.
func titleOf(p httpd.Plugin) string {
	if p.ID == "" {
		return p.Path
	}
	return strings.TrimSpace(p.ID + " " + p.Version)
}

// title is titleOf, with what tells the row from others of that title: the file,
// and if that is the same, its content.
func (l pluginList) title(p httpd.Plugin) string {
	title := titleOf(p)
	rows, files := 0, 0
	for _, other := range l.Items {
		if titleOf(other) == title {
			rows++
			if other.Path == p.Path {
				files++
			}
		}
	}
	switch {
	case rows < 2 || p.ID == "":
		return title
	case files < 2:
		return fmt.Sprintf("%s (%s)", title, p.Path)
	}
	return fmt.Sprintf("%s (%s, %s)", title, p.Path, shortDigest(p.Digest))
}

// notes are what else there is to say of a plugin in one line each.
func notes(p httpd.Plugin) (notes []string) {
	if p.FileReason != "" {
		note := fmt.Sprintf("the file is %s: %s", p.File, p.FileReason)
		if p.PID != 0 {
			note += "; what ran before goes on"
		}
		notes = append(notes, note)
	}
	if p.Rejected != "" {
		notes = append(notes, "rejected: "+p.Rejected)
	}
	if p.Problem != "" && p.State != host.Running && p.Problem != p.FileReason && p.Rejected == "" {
		notes = append(notes, p.Problem)
	}
	if len(p.Clashes) > 0 {
		notes = append(notes, "another plugin has its drivers "+strings.Join(p.Clashes, ", ")+"; remove one of the two")
	}
	return append(notes, p.Warnings...)
}

// status writes a line for each plugin, and for what is wrong with its file.
func (l pluginList) status(b *strings.Builder) {
	for _, p := range l.Items {
		title, state := printable(l.title(p)), stateOf(p)
		switch {
		case p.Problem != "" && p.State == host.Running:
			state += "; its last problem: " + p.Problem
		case p.Problem != "":
			state += ": " + p.Problem
		}
		fmt.Fprintf(b, "plugin %s: %s\n", title, printable(state))
		if p.FileReason != "" && p.FileReason != p.Problem {
			fmt.Fprintf(b, "plugin %s: the file %s is %s: %s\n", title, printable(p.Path), p.File, printable(p.FileReason))
		}
	}
	for _, a := range l.Alarms {
		fmt.Fprintf(b, "alarm: %s\n", alarmText(a))
	}
}

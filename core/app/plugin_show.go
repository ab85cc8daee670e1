package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
)

// shownLines is how many of the last lines of its log a plugin is shown with.
const shownLines = 10

// pluginShow is the command `gateway plugin show`.
func (c *command) pluginShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NAME", Args: one,
		Short: "Show everything about a plugin: files, process, instances, swaps, sandbox, log",
		Long:  "NAME is a plugin's id, the end of one (\"enghouse\"), or the path of a file.",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.showPlugin(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what /v1/plugins/{id} answers")
	return cmd
}

func (c *command) showPlugin(ctx context.Context, name string, asJSON bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	d, err := pluginDetail(ctx, cfg, name)
	if err != nil {
		return &runError{err}
	}
	if asJSON {
		return printJSON(c.out, d)
	}
	var p page
	p.plugin(d, string(cfg.Plugins.Trust), time.Now())
	_, err = io.WriteString(c.out, p.b.String())
	return err
}

// pluginDetail asks the running gateway, or looks at the files.
func pluginDetail(ctx context.Context, cfg *config.Config, name string) (d httpd.PluginDetail, err error) {
	list, err := plugins(ctx, cfg)
	if err != nil {
		return d, err
	}
	p, err := list.find(name)
	if err != nil {
		return d, err
	}
	a := newAdmin(cfg)
	defer a.close()
	err = a.ask(ctx, pluginURL(keyOf(p), ""), &d)
	if isStopped(err) {
		return httpd.PluginDetail{Files: list.of(p)}, nil
	}
	return d, err
}

// page is a text with labels.
type page struct{ b strings.Builder }

// line writes a label and a value; "" is left out. Without a label it goes on
// with the one above.
func (p *page) line(label, format string, args ...any) {
	if text := printable(fmt.Sprintf(format, args...)); text != "" {
		fmt.Fprintf(&p.b, "  %-11s %s\n", label, text)
	}
}

func (p *page) plugin(d httpd.PluginDetail, trust string, now time.Time) {
	for i, f := range d.Files {
		if i == 0 {
			fmt.Fprintln(&p.b, printable(titleOf(f)))
			p.process(f, now)
		} else {
			fmt.Fprintf(&p.b, "other file: %s\n", printable(titleOf(f)))
			p.line("state", "%s", stateOf(f))
		}
		p.file(f, trust)
	}
	for i, s := range d.Swaps {
		p.line(first(i, "swaps"), "%s", swapText(s))
	}
	for i, r := range d.Sandbox {
		word := "off"
		if r.On {
			word = "on"
		}
		p.line(first(i, "sandbox"), "%-3s %s", word, strings.TrimSuffix(r.Name+": "+r.Detail, ": "))
	}
	for i, text := range d.Log[max(len(d.Log)-shownLines, 0):] {
		p.line(first(i, "log"), "%s", text)
	}
}

func first(i int, label string) string {
	if i > 0 {
		return ""
	}
	return label
}

// process writes what is of the whole plugin.
func (p *page) process(f httpd.Plugin, now time.Time) {
	state := stateOf(f)
	if !f.Since.IsZero() {
		state += fmt.Sprintf(" since %s (%s)", clock(f.Since), now.Sub(f.Since).Round(time.Second))
	}
	p.line("state", "%s", state)
	if f.PID != 0 {
		text := fmt.Sprintf("pid %d, generation %d", f.PID, f.Generation)
		if f.Memory > 0 {
			text += fmt.Sprintf(", %.1f MiB", float64(f.Memory)/(1<<20))
		}
		p.line("process", "%s", text)
	}
	p.line("problem", "%s", f.Problem)
	p.line("drivers", "%s", strings.Join(f.Drivers, ", "))
	p.line("clashes", "%s", strings.Join(f.Clashes, ", "))
	p.line("handover", "%s", f.Handover)
	p.line("made with", "%s", f.SDK)
	for i, in := range f.Instances {
		p.line(first(i, "instances"), "%s (%s) %s", in.Name, in.Driver, strings.TrimSuffix(in.State+": "+in.Problem, ": "))
	}
	if f.Generation > 0 || f.Crashes > 0 {
		p.line("restarts", "%d; %d crashes in the last 10 minutes", f.Restarts, f.Crashes)
	}
	if f.Operator {
		p.line("quarantine", "until an operator releases it")
	} else if !f.Quarantine.IsZero() {
		p.line("quarantine", "until %s", clock(f.Quarantine))
	}
	if !f.Probation.IsZero() {
		p.line("probation", "until %s", clock(f.Probation))
	}
}

// file writes what is of one file.
func (p *page) file(f httpd.Plugin, trust string) {
	p.line("file", "%s", f.Path)
	if f.File != "" {
		p.line("", "%s", strings.TrimSuffix(f.File+": "+f.FileReason, ": "))
	}
	p.line("sha256", "%s", f.Digest)
	if f.Claim != nil {
		p.line("trust", "%s: %s %s", trust, f.Claim.ID, f.Claim.Version)
	} else {
		p.line("trust", "%s", trust)
	}
	if f.Rejected != "" {
		p.line("rejected", "%s: %s", clock(f.RejectedAt), f.Rejected)
	}
	for _, w := range f.Warnings {
		p.line("warning", "%s", w)
	}
}

func swapText(s httpd.PluginSwap) string {
	text := fmt.Sprintf("%s %s -> %s", clock(s.At), s.From, s.To)
	if s.FromDigest != s.ToDigest && s.From == s.To {
		text += fmt.Sprintf(" (%s -> %s)", shortDigest(s.FromDigest), shortDigest(s.ToDigest))
	}
	if s.Problem != "" {
		return text + " refused: " + s.Problem
	}
	how := "parallel"
	if s.Exclusive {
		how = "exclusive"
	}
	return fmt.Sprintf("%s %s, gap %s, took %s", text, how, seconds(s.Gap), seconds(s.Took))
}

func seconds(s float64) time.Duration {
	d := time.Duration(s * float64(time.Second))
	if d > time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

package conform

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Verdict is how a case ended.
type Verdict string

// The verdicts. NotApplicable is not a pass: the case had nothing to look at,
// and its detail says why.
const (
	Pass          Verdict = "pass"
	Fail          Verdict = "fail"
	NotApplicable Verdict = "not_applicable"
)

// Result is what came of one case.
type Result struct {
	Name    string  `json:"name"`
	What    string  `json:"what"` // the rule, for people
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail,omitempty"` // why it is not a pass
	Seconds float64 `json:"seconds"`
}

// Report is what Run found. Whether it is good enough is the caller's to say.
type Report struct {
	Plugin  string   `json:"plugin"` // "" if the process did not say what it is
	Version string   `json:"version"`
	Driver  string   `json:"driver"`
	Command []string `json:"command"`
	Blocked string   `json:"blocked,omitempty"` // why most cases could not run
	Cases   []Result `json:"cases"`
	NotRun  int      `json:"not_run,omitempty"` // cases left out, because the program is no plugin
}

// Count returns how many cases ended with v.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, c := range r.Cases {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Title names the plugin, or else its command.
func (r Report) Title() string {
	if r.Plugin == "" {
		return strings.Join(r.Command, " ")
	}
	title := r.Plugin + " " + r.Version
	if r.Driver != "" {
		title += ", driver " + r.Driver
	}
	return title
}

// Summary says in one line how many cases ended how.
func (r Report) Summary() string {
	return fmt.Sprintf("%s: %d passed, %d failed, %d do not apply", r.Title(),
		r.Count(Pass), r.Count(Fail), r.Count(NotApplicable))
}

// WriteTable prints the report for people.
func (r Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Cases {
		verdict, detail := string(c.Verdict), c.Detail
		switch c.Verdict {
		case Fail:
			verdict = "FAIL"
		case NotApplicable:
			verdict = "n/a"
		case Pass:
			detail = c.What
		}
		first, more, _ := strings.Cut(detail, "\n")
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.2f s\t%s\n", verdict, c.Name, c.Seconds, first)
		for line := range strings.Lines(more) {
			_, _ = fmt.Fprintf(t, "\t\t\t%s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	summary := r.Summary()
	if r.NotRun > 0 {
		summary += fmt.Sprintf("; %d were not run: it is no plugin", r.NotRun)
	}
	_, err := fmt.Fprintln(w, summary)
	return err
}

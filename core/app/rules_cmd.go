package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/durable"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
)

// errFindings ends a command that has printed what it found: exit code 1.
var errFindings = errors.New("there are findings")

// ruleFlags are the flags of the rules' commands.
type ruleFlags struct {
	json       bool
	event      string
	dir        string // --rules
	rule       string
	saveTest   string
	since      string
	limit      int
	allowEmpty bool
	check      bool
}

// rulesCommands is the command `gateway rules`.
func (c *command) rulesCommands() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "Check, test, explain and try rules", RunE: group,
		Long: "DIR is rules_dir of gateway.hcl if it is not given. Exit codes: 0 good, 1 findings or\n" +
			"differences, 2 it could not be done.",
	}
	cmd.AddCommand(c.rulesSchema())
	f := &ruleFlags{}
	add := func(use, short, long string, args cobra.PositionalArgs, run func(context.Context, []string, *ruleFlags) error) *cobra.Command {
		sub := &cobra.Command{Use: use, Short: short, Long: long, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), args, f)
		}}
		sub.Flags().BoolVar(&f.json, "json", false, "print JSON")
		cmd.AddCommand(sub)
		return sub
	}
	dir := cobra.MaximumNArgs(1)
	add("check [DIR]", "Say what is wrong with rules; their tests are run too", "", dir, c.checkRules)
	add("test [DIR]", "Run the tests of rules", "", dir, c.testRules)
	event := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&f.event, "event", "", "an event's `id`, or a file with one in JSON (- is standard input), or last")
		cmd.Flags().StringVar(&f.dir, "rules", "", "take the rules in this `directory`")
		cmd.Flags().StringVar(&f.rule, "rule", "", "show only the rule of this `name`; without --event, about the last event that it is on")
	}
	explain := add("explain [--event ID|FILE] [--rule NAME]", "Say why each rule matched an event or did not", eventHelp, cobra.NoArgs, c.explainRules)
	event(explain)
	explain.Flags().StringVar(&f.saveTest, "save-test", "", "add a test that plays the event again to this `file`")
	event(add("try [--event ID|FILE] [--rule NAME]", "Say what rules would do about an event; nothing is done", eventHelp, cobra.NoArgs, c.tryRules))
	backtest := add("backtest --rules DIR", "Compare rules with what was decided about recorded events; nothing is done",
		"Each event is looked at as it was recorded: what the draft would have changed in a conversation\n"+
			"does not show in its later events. Exit code 1 if the draft decides anything otherwise.", cobra.NoArgs, c.backtestRules)
	backtest.Flags().StringVar(&f.dir, "rules", "", "the draft's `directory`")
	backtest.Flags().StringVar(&f.since, "since", "24h", "how far back, such as 24h or 7d")
	_ = backtest.MarkFlagRequired("rules") // the flag exists
	format := add("fmt [DIR|FILE]", "Write rule files in their normal form; comments stay", "", dir, c.fmtRules)
	format.Flags().BoolVar(&f.check, "check", false, "change nothing; exit code 1 if a file is not in its normal form")
	add("list [DIR]", "List rules; those in force with their counts, if the gateway runs", "", dir, c.listRules)
	history := add("history RULE", "List the last events about which a rule had a verdict", "", one, c.historyOfRule)
	history.Flags().StringVar(&f.since, "since", "24h", "how far back, such as 24h or 7d")
	history.Flags().IntVar(&f.limit, "limit", 20, "at most so many")
	reload := add("reload", "Have the running gateway read its rules again", "", cobra.NoArgs, c.reloadRules)
	reload.Flags().BoolVar(&f.allowEmpty, "allow-empty", false, "that all files are gone is meant so")
	return cmd
}

const eventHelp = `An event's id is conversation/record, the number of a record being in
GET /v1/conversations/{id}/history and in gateway rules history. A recorded event is explained by
the rules of its time, and tried with those in force now, unless --rules names others.

A file has a made-up event: its type and fields as rules name them and, in given, what there is
beside it; what is left out is as ordinary as can be:

  {"type": "chat_closed", "status": "open", "given": {
    "service": "retail", "channel": "webshop", "channel_type": "rtm", "now": "2026-01-05 10:00",
    "customer": {"first_name": "Ada", "attributes": {"tier": "gold"}}, "tags": ["vip"],
    "attributes": {"topic": "billing"}, "conversation": {"owner": "ccsp"},
    "chat": {"state": "open", "agent": {"name": "Max"}, "messages": {"agent": 3}}}}`

// ruleBase is what the commands that need no gateway begin with.
func (c *command) ruleBase(args []string) (cfg *config.Config, dir string, w *workbench, err error) {
	cfg, err = c.load()
	if err != nil {
		return nil, "", nil, err
	}
	o, _ := offeredBefore(cfg) // gateway check tells
	dir = cfg.RulesDir
	if len(args) > 0 {
		dir = args[0]
	}
	return cfg, dir, &workbench{setup: &setup{Config: cfg}, offered: o}, nil
}

// loadRules is [rules.Load]; that there is no such directory is an error, not a finding.
func loadRules(dir string, w rules.World) (*rules.Set, diag.Problems, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, err
	}
	set, ps := rules.Load(dir, w)
	return set, ps, nil
}

func (w *workbench) world(tests bool) rules.World {
	world := rulesWorld(w.setup.Config, w.offered)
	if !tests {
		world.Test = nil
	}
	return world
}

// found prints problems and ends the command with them.
func (c *command) found(ps diag.Problems) error {
	printProblems(c.errOut, "", ps)
	return errFindings
}

func (c *command) checkRules(_ context.Context, args []string, f *ruleFlags) error {
	_, dir, w, err := c.ruleBase(args)
	if err != nil {
		return err
	}
	set, ps, err := loadRules(dir, w.world(true))
	if err != nil {
		return err
	}
	var warnings diag.Problems
	out := struct {
		Rules    int           `json:"rules"`
		Tests    int           `json:"tests"`
		Hash     string        `json:"hash,omitempty"`
		Problems diag.Problems `json:"problems"`
		Warnings diag.Problems `json:"warnings"`
	}{Problems: append(diag.Problems{}, ps...), Warnings: diag.Problems{}}
	if set != nil {
		warnings = set.Warnings()
		out.Rules, out.Tests, out.Hash, out.Warnings = set.Len(), len(set.Tests()), set.Hash(), append(out.Warnings, warnings...)
	}
	if f.json {
		return c.findingsJSON(out, len(ps) > 0)
	}
	warn(c.errOut, warnings)
	if len(ps) > 0 {
		return c.found(ps)
	}
	_, err = fmt.Fprintf(c.out, "%s: no problems in %s, %s\n", dir, count(set.Len(), "rule"), count(len(set.Tests()), "test"))
	return err
}

func (c *command) findingsJSON(v any, found bool) error {
	if err := printJSON(c.out, v); err != nil {
		return err
	}
	if found {
		return errFindings
	}
	return nil
}

func (c *command) testRules(_ context.Context, args []string, f *ruleFlags) error {
	_, dir, w, err := c.ruleBase(args)
	if err != nil {
		return err
	}
	set, ps, err := loadRules(dir, w.world(false))
	if err != nil {
		return err
	}
	if len(ps) > 0 {
		if f.json {
			return c.findingsJSON(map[string]any{"problems": ps, "tests": []any{}}, true)
		}
		return c.found(ps)
	}
	results := rehearse.Tests(stageSnap(w.setup, w.offered, set), set)
	ps = rehearse.Problems(results)
	failed := 0
	type shown struct {
		Name     string        `json:"name"`
		At       diag.Pos      `json:"at"`
		OK       bool          `json:"ok"`
		Problems diag.Problems `json:"problems,omitempty"`
	}
	list := []shown{}
	for _, r := range results {
		list = append(list, shown{r.Test.Name, r.Test.At, len(r.Problems) == 0, r.Problems})
		if len(r.Problems) > 0 {
			failed++
		}
	}
	if f.json {
		return c.findingsJSON(map[string]any{"problems": []any{}, "tests": list}, failed > 0)
	}
	if failed > 0 {
		printProblems(c.errOut, "", ps)
		_, _ = fmt.Fprintf(c.errOut, "%s: %d of %s failed\n", dir, failed, count(len(results), "test"))
		return errFindings
	}
	_, err = fmt.Fprintf(c.out, "%s: %s passed\n", dir, count(len(results), "test"))
	return err
}

func (c *command) fmtRules(_ context.Context, args []string, f *ruleFlags) error {
	dir := ""
	if len(args) > 0 {
		dir = args[0]
	}
	if info, err := os.Stat(dir); dir == "" || err == nil && info.IsDir() {
		if dir == "" {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			dir = cfg.RulesDir
		}
		sources, err := rules.Read(dir)
		if err != nil {
			return err
		}
		return c.fmtFiles(dir, sources, f)
	}
	b, err := os.ReadFile(dir)
	if err != nil {
		return err
	}
	return c.fmtFiles(filepath.Dir(dir), []rules.Source{{Path: filepath.Base(dir), Text: string(b)}}, f)
}

func (c *command) fmtFiles(dir string, sources []rules.Source, f *ruleFlags) error {
	changed := []string{}
	for _, src := range sources {
		path := filepath.Join(dir, src.Path)
		text, err := rules.Format(path, src.Text)
		if err != nil {
			return err
		}
		if text == src.Text {
			continue
		}
		changed = append(changed, path)
		if f.check {
			continue
		}
		if err := rewrite(path, text); err != nil {
			return err
		}
	}
	if f.json {
		return c.findingsJSON(map[string]any{"changed": changed}, f.check && len(changed) > 0)
	}
	for _, path := range changed {
		if _, err := fmt.Fprintln(c.out, path); err != nil {
			return err
		}
	}
	if f.check && len(changed) > 0 {
		return errFindings
	}
	return nil
}

// rewrite writes a file that somebody edits, too: a link to it stays one, and
// whoever might not read it still may not.
func rewrite(path, text string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return durable.Replace(path, []byte(text), mode)
}

func (c *command) listRules(ctx context.Context, args []string, f *ruleFlags) error {
	cfg, dir, w, err := c.ruleBase(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		a := newAdmin(cfg)
		defer a.close()
		var set httpd.RuleSet
		err := a.ask(ctx, "/v1/rules", &set)
		if err == nil {
			return c.printList(set, true, f)
		}
		if !isStopped(err) {
			return err
		}
	}
	loaded, ps, err := loadRules(dir, w.world(false))
	if err != nil {
		return err
	}
	if len(ps) > 0 {
		return c.found(ps)
	}
	set := httpd.RuleSet{Hash: loaded.Hash(), Rules: []httpd.Rule{}, Problems: []*diag.Problem{}}
	for _, r := range loaded.Rules(nil) {
		set.Rules = append(set.Rules, ruleOf(r))
	}
	return c.printList(set, false, f)
}

func (c *command) printList(set httpd.RuleSet, counted bool, f *ruleFlags) error {
	if f.json {
		return printJSON(c.out, set)
	}
	return printRules(c.out, set.Rules, counted)
}

func (c *command) reloadRules(ctx context.Context, _ []string, f *ruleFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a := newAdmin(cfg)
	defer a.close()
	var set httpd.RuleSet
	if err := a.call(ctx, "POST", "/v1/rules:reload", map[string]bool{"allow_empty": f.allowEmpty}, &set); err != nil {
		return err
	}
	if f.json {
		return c.findingsJSON(set, len(set.Problems) > 0)
	}
	if len(set.Problems) > 0 {
		return c.found(set.Problems)
	}
	_, err = fmt.Fprintf(c.out, "%s in force, set %s\n", count(len(set.Rules), "rule"), set.Hash)
	return err
}

// eventText reads what --event names: an id, or a made-up event in JSON.
func eventText(event string) (json.RawMessage, error) {
	if event == lastEvent {
		return json.RawMessage(`"` + lastEvent + `"`), nil
	}
	var b []byte
	var err error
	if event == "-" {
		b, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	} else if b, err = os.ReadFile(event); errors.Is(err, os.ErrNotExist) && strings.Count(event, "/") == 1 && !strings.Contains(event, ".") {
		b, err := json.Marshal(event)
		return b, err
	}
	if err != nil {
		return nil, err
	}
	if _, ps := rules.ParseEvent(event, string(b)); len(ps) > 0 {
		return nil, ps.Err()
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("%s is not JSON", event)
	}
	return b, nil
}

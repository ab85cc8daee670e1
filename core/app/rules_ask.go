package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/store/badger"
)

// maxRuleAnswer is how many bytes of an answer about rules are read.
const maxRuleAnswer = 256 << 20

// askRules puts a question to the running gateway; with the gateway stopped, own
// answers it, from the store if it needs records.
func askRules[T any](ctx context.Context, c *command, method, path string, q any, records bool, own func(*workbench) (*T, error)) (*T, error) {
	cfg, _, w, err := c.ruleBase(nil)
	if err != nil {
		return nil, err
	}
	a := newAdmin(cfg)
	defer a.close()
	resp, err := a.do(ctx, method, path, q)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		answer := new(T)
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxRuleAnswer)).Decode(answer); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		return answer, nil
	}
	if !isStopped(err) {
		return nil, err
	}
	if records {
		s, err := openStopped(ctx, cfg)
		if err != nil {
			return nil, err
		}
		defer func() { _ = s.Close() }() // it was only read
		w.store = s
	}
	set, ps := rules.Load(cfg.RulesDir, w.world(false))
	if len(ps) == 0 {
		w.set = set
	} else {
		warn(c.errOut, ps)
	}
	return own(w)
}

// openStopped opens the store of a gateway that is stopped.
func openStopped(ctx context.Context, cfg *config.Config) (*badger.Store, error) {
	dir := filepath.Join(cfg.DataDir, "store")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no gateway has run with data_dir %s yet: there are no records", cfg.DataDir)
	}
	a := &App{config: cfg, log: slog.New(slog.DiscardHandler)}
	if err := a.openKey(ctx); err != nil {
		return nil, err
	}
	s, err := badger.Open(badger.Options{
		Dir: dir, Key: a.key, Retention: cfg.Store.Retention, Watermark: cfg.Store.Watermark, Ballast: cfg.Store.Ballast,
		Memory: cfg.Limits.Memory, Log: a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("store in %s: %w", cfg.DataDir, err)
	}
	return s, nil
}

// draftFiles reads the rules of --rules; none without it.
func draftFiles(dir string) (files []httpd.RuleFile, err error) {
	if dir == "" {
		return nil, nil
	}
	sources, err := rules.Read(dir)
	if err != nil {
		return nil, err
	}
	files = []httpd.RuleFile{}
	for _, s := range sources {
		files = append(files, httpd.RuleFile{Path: s.Path, Text: s.Text})
	}
	return files, nil
}

// checkDraft says what is wrong with the rules of --rules, each at its place.
func (c *command) checkDraft(dir string) error {
	if dir == "" {
		return nil
	}
	_, _, w, err := c.ruleBase(nil)
	if err != nil {
		return err
	}
	_, ps := rules.Load(dir, w.world(false))
	return ps.Err()
}

func (c *command) askEvent(ctx context.Context, f *ruleFlags, try bool) (*ruleAnswer, error) {
	if f.event == "" && f.rule != "" {
		f.event = lastEvent
	}
	if f.event == "" {
		return nil, errors.New("say which event: --event ID or FILE; or --rule NAME, for the last event that the rule is on")
	}
	event, err := eventText(f.event)
	if err != nil {
		return nil, err
	}
	if err := c.checkDraft(f.dir); err != nil {
		return nil, err
	}
	files, err := draftFiles(f.dir)
	if err != nil {
		return nil, err
	}
	path := "/v1/rules:explain"
	if try {
		path = "/v1/rules:try"
	}
	q := httpd.RuleQuestion{Event: event, Rule: f.rule, Files: files, Dir: f.dir, Test: f.saveTest != ""}
	return askRules(ctx, c, "POST", path, q, event[0] == '"', func(w *workbench) (*ruleAnswer, error) {
		return w.explain(ctx, q, try)
	})
}

func (c *command) explainRules(ctx context.Context, _ []string, f *ruleFlags) error {
	a, err := c.askEvent(ctx, f, false)
	if err != nil {
		return err
	}
	if f.saveTest != "" {
		if err := c.saveTest(f.saveTest, a); err != nil {
			return err
		}
	}
	if f.json {
		return printJSON(c.out, a)
	}
	return a.printWhy(c.out, f.rule)
}

// saveTest adds the test of an answer to a file.
func (c *command) saveTest(file string, a *ruleAnswer) error {
	if a.Test == "" {
		return fmt.Errorf("no test can be made of this event: %v", a.Notes)
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, ok := rules.AddTest(string(old), a.Test)
	if !ok {
		return fmt.Errorf("%s does not end with its tests, one below the other; name a file of tests, such as saved_test.yaml", file)
	}
	if err := rewrite(file, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.errOut, "a test was added to %s\n", file)
	return err
}

func (c *command) tryRules(ctx context.Context, _ []string, f *ruleFlags) error {
	a, err := c.askEvent(ctx, f, true)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.out, a)
	}
	return a.printWhat(c.out, f.rule)
}

func (c *command) backtestRules(ctx context.Context, _ []string, f *ruleFlags) error {
	if err := c.checkDraft(f.dir); err != nil {
		return err
	}
	files, err := draftFiles(f.dir)
	if err != nil {
		return err
	}
	q := httpd.BacktestQuestion{Since: f.since, Files: files, Dir: f.dir}
	a, err := askRules(ctx, c, "POST", "/v1/rules:backtest", q, true, func(w *workbench) (*backtestAnswer, error) {
		return w.backtest(ctx, q)
	})
	if err != nil {
		return err
	}
	if f.json {
		return c.findingsJSON(a, a.Differences > 0)
	}
	if err := a.print(c.out); err != nil {
		return err
	}
	if a.Differences > 0 {
		return errFindings
	}
	return nil
}

func (c *command) historyOfRule(ctx context.Context, args []string, f *ruleFlags) error {
	q := httpd.RuleHistoryQuestion{Rule: args[0], Since: f.since, Limit: f.limit}
	path := "/v1/rules/" + url.PathEscape(q.Rule) + "/history?since=" + url.QueryEscape(q.Since) + "&limit=" + strconv.Itoa(q.Limit)
	h, err := askRules(ctx, c, "GET", path, nil, true, func(w *workbench) (*ruleHistory, error) { return w.ruleHistory(ctx, q) })
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.out, h)
	}
	return h.print(c.out)
}

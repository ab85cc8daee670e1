package httpd

import (
	"context"
	"encoding/json"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

// RuleBench explains, tries and back-tests rules. What it answers is encoded as
// openapi.json says.
type RuleBench interface {
	// Explain says what became of an event, or would, and why. try takes the
	// rules in force also for a recorded event.
	Explain(ctx context.Context, q RuleQuestion, try bool) (any, error)
	Backtest(ctx context.Context, q BacktestQuestion) (any, error)
	RuleHistory(ctx context.Context, q RuleHistoryQuestion) (any, error)
	// ReloadRules reads the rules' directory. What is wrong then is in Rules.
	ReloadRules(ctx context.Context, allowEmpty bool) error
}

// RuleQuestion asks about one event.
type RuleQuestion struct {
	// Event is "conversation/record", or a made-up one with its type and fields, or
	// "last": the last one of a day, if Rule is given of a type that the rule is on.
	Event json.RawMessage `json:"event"`
	Rule  string          `json:"rule,omitempty"`
	Files []RuleFile      `json:"files,omitempty"`
	Dir   string          `json:"dir,omitempty"`  // how problems call the files' directory
	Test  bool            `json:"test,omitempty"` // a test is to be made of it
}

// BacktestQuestion asks what a draft would have done.
type BacktestQuestion struct {
	Since string     `json:"since,omitempty"` // such as 24h, which it is by default, or 7d
	Files []RuleFile `json:"files"`
	Dir   string     `json:"dir,omitempty"`
}

// RuleHistoryQuestion asks for the last events about which a rule had a verdict.
type RuleHistoryQuestion struct {
	Rule, Since string
	Limit       int
}

// explainRules answers POST /v1/rules:explain {"event":"4f…/7"} or {"event":{"type":"chat_closed",…}}.
func (a *Admin) explainRules(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.question(ctx, r, false)
}

// tryRules answers POST /v1/rules:try, which takes what explainRules does.
func (a *Admin) tryRules(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.question(ctx, r, true)
}

func (a *Admin) question(ctx context.Context, r *fasthttp.RequestCtx, try bool) error {
	var q RuleQuestion
	if err := decode(r, &q); err != nil {
		return err
	}
	if len(q.Event) == 0 {
		return core.Errorf(core.Invalid, "event is missing")
	}
	v, err := a.gateway.Explain(ctx, q, try)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, v)
	return nil
}

// backtestRules answers POST /v1/rules:backtest {"since":"24h","files":[{"path":"retail.yaml","text":"rules:\n…"}]}.
func (a *Admin) backtestRules(ctx context.Context, r *fasthttp.RequestCtx) error {
	var q BacktestQuestion
	if err := decode(r, &q); err != nil {
		return err
	}
	v, err := a.gateway.Backtest(ctx, q)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, v)
	return nil
}

// reloadRules answers POST /v1/rules:reload {"allow_empty":true} as GET
// /v1/rules does: its problems say what is wrong, if something is.
func (a *Admin) reloadRules(ctx context.Context, r *fasthttp.RequestCtx) error {
	var q struct {
		AllowEmpty bool `json:"allow_empty"`
	}
	if hasBody(r) {
		if err := decode(r, &q); err != nil {
			return err
		}
	}
	_ = a.gateway.ReloadRules(ctx, q.AllowEmpty) // the problems are in the answer
	return a.getRules(ctx, r)
}

// ruleHistory answers GET /v1/rules/{id}/history?since&limit, the newest first.
func (a *Admin) ruleHistory(ctx context.Context, r *fasthttp.RequestCtx) error {
	name, err := param(r, "id")
	if err != nil {
		return err
	}
	w, values, err := listQuery(r, "since")
	if err != nil {
		return err
	}
	if w.after != "" {
		return core.Errorf(core.Invalid, "the history of a rule has no after; limit takes more of it")
	}
	v, err := a.gateway.RuleHistory(ctx, RuleHistoryQuestion{Rule: name, Since: values["since"], Limit: w.limit})
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, v)
	return nil
}

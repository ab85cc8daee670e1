package rules

import (
	"encoding/json"

	"github.com/openccsp/gateway/core"
)

// executed is what the endpoint of notify_url is told.
type executed struct {
	Rule    string     `json:"rule"`
	Event   any        `json:"event"`
	Actions []executes `json:"actions"`
}

// executes is one action of a rule that matched, as it was filled in.
type executes struct {
	Action string         `json:"action"` // its name, as in a rule
	With   map[string]any `json:"with,omitempty"`
	Error  string         `json:"error,omitempty"` // it is not done
}

// executed makes the action that tells of those that were asked for.
func (e *evaluator) executed(r *rule, asked []core.Action) core.Action {
	a := core.Action{Rule: r.name, Kind: core.Notify, Endpoint: r.options.notify}
	all := make([]executes, len(asked))
	for i := range asked {
		all[i] = executesOf(&asked[i])
	}
	data, err := json.Marshal(executed{r.name, known(e, r)["event"], all})
	if err == nil {
		a.Body, err = envelope(e, r, data)
	}
	if err != nil {
		return failed(a, err)[0]
	}
	return a
}

func executesOf(a *core.Action) executes {
	x := executes{Action: actionName(a), Error: a.Err}
	if a.Err == "" {
		x.With = keysShown(a)
	}
	return x
}

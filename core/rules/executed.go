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
	Kind     core.ActionKind `json:"action"`
	Text     string          `json:"text,omitempty"`
	Channel  string          `json:"channel,omitempty"`
	Type     string          `json:"channel_type,omitempty"`
	To       string          `json:"to,omitempty"`
	Endpoint string          `json:"endpoint,omitempty"`
	Forward  string          `json:"forward,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Name     string          `json:"name,omitempty"`
	Value    string          `json:"value,omitempty"`
	Params   any             `json:"params,omitempty"`
	Error    string          `json:"error,omitempty"` // it is not done
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
	x := executes{
		Kind: a.Kind, Text: a.Text, Channel: a.Channel, Type: a.ChannelType, To: a.To, Endpoint: a.Endpoint,
		Reason: a.Reason, Name: a.Key, Value: a.Value, Error: a.Err,
	}
	if a.Kind == core.Forward {
		x.Forward = a.Owner.Word()
	}
	if len(a.Params) > 0 {
		x.Params = a.Params
	}
	return x
}

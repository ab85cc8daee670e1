package rules

import (
	"maps"
	"slices"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// World is what exists around the rules, so that a rule which names something
// unknown is a problem at load.
type World struct {
	Services     []string
	Channels     map[string]Channel // by instance name
	Integrations []string
	Endpoints    []string
	Locales      map[string]string // of services that have one

	// ServedBy is the integration of each service that has one.
	ServedBy map[string]string
	// Drivers are those of channels and integrations, by instance name. Of one
	// that no plugin has offered yet nothing is known, and nothing is checked.
	Drivers map[string]*pluginv1.Driver

	// Timers are those of services, by name.
	Timers map[string]Timers `json:",omitempty"`

	// Test runs the tests of a set that is otherwise good, and returns what keeps
	// it from being used and what does not. nil: they are not run.
	Test func(*Set) (problems, warnings diag.Problems) `json:"-"`
	// Past is true for rules that were in force once: what they name and is gone
	// since is no problem.
	Past bool
}

// channelNames are those of all channels, sorted.
func (w *World) channelNames() []string { return slices.Sorted(maps.Keys(w.Channels)) }

// Channel is what rules need to know of a configured channel.
type Channel struct {
	Type    string // rtm, sms, facebook, …
	Service string // "" if no service has it
}

// channelTypes are the types that a rule may name even where no channel of the
// type is configured yet.
var channelTypes = []string{"rtm", "sms", "facebook", "twitter", "wechat", "voice", "push"}

func (w *World) channelTypes() []string {
	known := append([]string(nil), channelTypes...)
	for _, c := range w.Channels {
		known = append(known, c.Type)
	}
	return known
}

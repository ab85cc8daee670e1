package conversation

import (
	"cmp"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Snap is everything beside the document and the event that a decision
// depends on. It is immutable; Hash names its content.
type Snap struct {
	Hash      string
	Engine    string // version of the gateway
	Services  map[string]*Service
	Instances map[string]*Instance // channels and integrations by name
	Rules     RuleSet              // nil: none
	Flows     FlowSet              // nil: none
	Versions  []string             // earlier ones of Flows, of flows that may be under way

	// Probe is called at the start of each stage of a fact; a test makes a
	// stage fail with it. nil in the gateway.
	Probe func(stage int, eventType string) `json:"-"`
	// Rehearsal has decisions list what rules and flows did, see Decision.Acted.
	Rehearsal bool `json:"-"`
}

// Service maps channels to an integration and sets the timers.
type Service struct {
	Name        string
	Integration string // "" if it has none
	Bot         string // "" if it has none
	Channels    []string
	Forward     state.Owner // who gets a customer's message if nothing else decides
	Copies      state.Owner // which sides see what the other one says
	BotResumes  bool        // after a chat the bot has the conversation again
	Timezone    string      // IANA
	Locale      string      // BCP 47: what rules see of customers who have none; "" if unknown

	IdleAfter       time.Duration   // 0: no chat_idle
	UnattendedAfter []time.Duration // ascending
	CloseAfter      time.Duration   // 0: chats do not time out
	ReopenWithin    time.Duration   // of a chat's end: a customer who writes opens it again; 0: never
	Transcript      int             // lines of the talk that are kept for the next chat; 0: none
}

// SameTimers says whether two services, of which either may be nil, have the
// same timers.
func (s *Service) SameTimers(o *Service) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.IdleAfter == o.IdleAfter && s.CloseAfter == o.CloseAfter && slices.Equal(s.UnattendedAfter, o.UnattendedAfter)
}

// Instance is a channel or an integration.
type Instance struct {
	Name           string
	Channel        bool
	Service        string // of a channel
	MessageRouting bool   // of an integration: rules see the agent's messages
	Caps           *pluginv1.Capabilities
	Abilities      []string
	MaxParts       int           // a text of more parts is one dead letter; 0: 20
	AmbiguousDead  bool          // an ambiguous message is not resent
	LaneAge        time.Duration // of the head of a lane; 0: the engine's default
	Removed        bool          // it drains: no new chats
}

// Can says whether the instance's driver has an ability.
func (i *Instance) Can(ability string) bool {
	return i != nil && slices.Contains(i.Abilities, ability)
}

// cannot says whether the instance's driver is known to be without an ability.
// That of a driver which no plugin has offered yet is not: it is asked.
func (i *Instance) cannot(ability string) bool { return i.caps() != nil && !i.Can(ability) }

// unfit says why a channel cannot take a message, "" if it can.
func (i *Instance) unfit(m *pluginv1.Message) string {
	switch caps := i.caps(); {
	case caps == nil:
	case len(m.QuickReplies) > 0 && cannotShow(m.QuickReplies, caps) != "":
		return unsupported + ": " + cannotShow(m.QuickReplies, caps)
	default:
		for _, a := range m.Attachments {
			if !media.Takes(caps.MediaTypes, a.Mime) {
				return unsupported + ": " + cmp.Or(a.Mime, "attachments")
			}
		}
	}
	return ""
}

// unspeakable says why a call on the channel cannot say or play m, "" if it can. A driver
// that declares no types of files is asked: it may play what no message can have.
func (i *Instance) unspeakable(m *pluginv1.Message) string {
	if len(i.caps().GetMediaTypes()) == 0 {
		m = &pluginv1.Message{QuickReplies: m.QuickReplies}
	}
	return i.unfit(m)
}

// maxParts is how many parts a text for the instance may be split into.
func (i *Instance) maxParts() int {
	if i == nil || i.MaxParts == 0 {
		return defaultMaxParts
	}
	return i.MaxParts
}

// caps returns the instance's capabilities; a missing one has none.
func (i *Instance) caps() *pluginv1.Capabilities {
	if i == nil {
		return nil
	}
	return i.Caps
}

// sends says whether the vendor reports the timer event itself.
func (i *Instance) sends(event string) bool { return slices.Contains(i.caps().GetEvents(), event) }

// RuleSet is what Decide asks of the rules.
type RuleSet interface {
	// Evaluate decides all rules on v, which is within the limits of
	// state.Bound, or the one whose time has come if v names it as waited. It is
	// pure, and may be called from many goroutines.
	Evaluate(v *state.View) core.Evaluation
}

// FlowSet is what Decide asks of the flows. Its methods are pure and do not
// panic.
type FlowSet interface {
	// Start begins a flow; nil if there is none of that name. Parameters are
	// texts, whatever their types.
	Start(name string, params map[string]string, v *state.View, now time.Time) *FlowStep
	// Offer hands an event to the flow that is under way, as it is in f, which
	// may be changed; nil: it is of no concern to the flow.
	Offer(f *state.Flow, v *state.View, now time.Time) *FlowStep
}

// FlowStep is what a flow did with an event.
type FlowStep struct {
	Handled bool        // the event was the flow's: a customer's message goes no further
	Next    *state.Flow // where it waits now; nil: it ended
	Actions []core.Action
	Done    []*state.FlowDone // for the history
	Err     string            // it ended with an error
}

// service returns the service of a document, never nil.
func (s *Snap) service(name string) *Service {
	if svc := s.Services[name]; svc != nil {
		return svc
	}
	return &Service{Name: name}
}

// Serves says whether an integration is that of a channel's service, or its bot.
func (s *Snap) Serves(integration, channel string) bool {
	ch := s.Instances[channel]
	if ch == nil {
		return false
	}
	svc := s.service(ch.Service)
	return integration != "" && (svc.Integration == integration || svc.Bot == integration)
}

// serviceOf returns the service of an integration, if exactly one has it.
func (s *Snap) serviceOf(integration string) string {
	found := ""
	for name, svc := range s.Services {
		if svc.Integration != integration && svc.Bot != integration {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

package rules

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// field is one value that an expression can name by its path.
type field struct {
	path  string
	typ   types.Type
	blank bool // it may be nil: an absent or blank part of a profile or a chat
	get   func(*env) any
}

// Maps from names to texts, such as attributes: a missing name is nil.
var attrs = types.Map{types.Extra: types.String}

var attachment = types.Map{
	"url": types.String, "mime": types.String, "name": types.String,
	"caption": types.String, "media_id": types.String, "bytes": types.Int,
}

// fields are all that expressions can name, by path.
var fields = func() map[string]*field {
	m := map[string]*field{}
	for _, list := range [][]field{eventFields, conversationFields, customerFields, chatFields} {
		for _, f := range list {
			m[f.path] = &f
		}
	}
	return m
}()

// groups are the first words of paths.
var groups = []string{"event", "conversation", "customer", "chat", "service", "texts"}

func (e *env) event() *pluginv1.Event { return e.view.GetEvent() }

// Event fields: which event has which stands in events.
var eventFields = []field{
	{"event.type", types.String, false, func(e *env) any { return e.view.GetType() }},
	{"event.id", types.String, false, func(e *env) any { return e.view.GetId() }},
	{"event.at", types.TypeOf(time.Time{}), false, func(e *env) any { return e.at(e.view.GetAtMs()) }},
	{"event.source", types.String, false, func(e *env) any { return e.view.GetSource() }},
	{"event.instance", types.String, false, func(e *env) any { return e.view.GetInstance() }},
	{"event.late_by", types.Float64, false, func(e *env) any {
		if e.view.GetLateBy() == 0 {
			return nil
		}
		return e.view.GetLateBy()
	}},
	{"event.text", types.String, false, func(e *env) any { return text(e.event().GetText()) }},
	{"event.attachments", types.Array(attachment), false, func(e *env) any { return attachments(e.event().GetAttachments()) }},
	{"event.quick_reply.title", types.String, false, func(e *env) any { return text(e.event().GetQuickReply().GetTitle()) }},
	{"event.quick_reply.payload", types.String, false, func(e *env) any { return text(e.event().GetQuickReply().GetPayload()) }},
	{"event.message_id", types.String, false, func(e *env) any { return text(e.event().GetMessageId()) }},
	{"event.messageid", types.String, false, func(e *env) any { return text(e.event().GetMessageId()) }},
	{"event.agent.name", types.String, false, func(e *env) any {
		return either(e.event().GetAgent().GetName(), e.event().GetAgent().GetId())
	}},
	{"event.agent.id", types.String, false, func(e *env) any {
		return either(e.event().GetAgent().GetId(), e.event().GetAgent().GetName())
	}},
	{"event.chatid", types.String, false, func(e *env) any { return either(e.event().GetRef(), e.view.GetChat().GetRef()) }},
	{"event.queue", types.String, false, func(e *env) any { return text(e.event().GetQueue()) }},
	{"event.position", types.Int, false, func(e *env) any {
		if e.event() == nil || e.event().Position == nil {
			return nil
		}
		return int(e.event().GetPosition())
	}},
	{"event.est_wait", types.Float64, false, func(e *env) any { return number(e.event(), func(ev *pluginv1.Event) *float64 { return ev.EstWait }) }},
	{"event.idle_time", types.Float64, false, func(e *env) any { return number(e.event(), func(ev *pluginv1.Event) *float64 { return ev.IdleTime }) }},
	{"event.wait_time", types.Float64, false, func(e *env) any { return number(e.event(), func(ev *pluginv1.Event) *float64 { return ev.WaitTime }) }},
	{"event.duration", types.Float64, false, func(e *env) any { return number(e.event(), func(ev *pluginv1.Event) *float64 { return ev.Duration }) }},
	{"event.score", types.Float64, false, func(e *env) any { return number(e.event(), func(ev *pluginv1.Event) *float64 { return ev.Score }) }},
	{"event.reason", types.String, false, func(e *env) any { return text(e.event().GetReason()) }},
	{"event.reason_code", types.String, false, func(e *env) any { return text(e.event().GetReasonCode()) }},
	{"event.kind", types.String, false, func(e *env) any { return text(e.event().GetKind()) }},
	{"event.from", types.String, false, func(e *env) any { return text(e.event().GetFrom()) }},
	{"event.to", types.String, false, func(e *env) any { return text(e.event().GetTo()) }},
	{"event.status", types.String, false, func(e *env) any { return text(e.event().GetStatus()) }},
	{"event.by", types.String, false, func(e *env) any { return text(e.event().GetBy()) }},
	{"event.timed_out", types.Bool, false, func(e *env) any { return e.event().GetTimedOut() }},
	{"event.event_name", types.String, false, func(e *env) any { return text(e.event().GetEventName()) }},
	{"event.params", attrs, false, func(e *env) any { return attributes(e.event().GetParams()) }},
	{"event.flowparams", attrs, false, func(e *env) any { return attributes(e.event().GetParams()) }},
	{"event.code", types.String, false, func(e *env) any { return text(e.event().GetCode()) }},
	{"event.call_id", types.String, false, func(e *env) any { return text(e.event().GetCallId()) }},
	{"event.digits", types.String, false, func(e *env) any { return text(e.event().GetDigits()) }},
	{"event.comment", types.String, false, func(e *env) any { return text(e.event().GetComment()) }},
	{"event.url_push", types.String, false, func(e *env) any { return text(e.event().GetUrlPush()) }},
	{"payload", types.Any, true, (*env).payload},
	{"now", types.TypeOf(time.Time{}), false, func(e *env) any { return e.at(e.view.GetAtMs()) }},
}

var conversationFields = []field{
	{"conversation.id", types.String, false, func(e *env) any { return e.view.GetConversation() }},
	{"conversation.channel", types.String, false, func(e *env) any { return e.view.GetChannel() }},
	{"conversation.channel_type", types.String, false, func(e *env) any { return e.view.GetChannelType() }},
	{"conversation.service", types.String, false, func(e *env) any { return e.view.GetService() }},
	{"conversation.integration", types.String, false, func(e *env) any { return e.view.GetIntegration() }},
	{"conversation.owner", types.String, false, func(e *env) any { return e.view.GetOwner().Word() }},
	{"conversation.offered", types.String, true, func(e *env) any {
		if e.view.GetOffered() == state.Owner_OWNER_NONE {
			return nil
		}
		return e.view.GetOffered().Word()
	}},
	{"conversation.can_reply", types.Bool, false, func(e *env) any { return !e.view.GetWindowClosed() }},
	{"conversation.reply_until", types.TypeOf(time.Time{}), true, func(e *env) any {
		if e.view.GetReplyUntilMs() == 0 {
			return nil
		}
		return e.at(e.view.GetReplyUntilMs())
	}},
	{"conversation.tags", types.Array(types.String), false, func(e *env) any { return texts(e.view.GetTags()) }},
	{"conversation.attributes", attrs, false, func(e *env) any { return attributes(e.view.GetAttributes()) }},
	{"service.name", types.String, false, func(e *env) any { return e.view.GetService() }},
	{"service.timezone", types.String, false, func(e *env) any { return e.zone().String() }},
}

var customerFields = []field{
	{"customer.address", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetAddress()) }},
	{"customer.name", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetName()) }},
	{"customer.first_name", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetFirstName()) }},
	{"customer.last_name", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetLastName()) }},
	{"customer.locale", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetLocale()) }},
	{"customer.timezone", types.String, true, func(e *env) any { return text(e.view.GetCustomer().GetTimezone()) }},
	{"customer.addresses", attrs, false, func(e *env) any { return attributes(e.view.GetCustomer().GetAddresses()) }},
	{"customer.attributes", attrs, false, func(e *env) any { return attributes(e.view.GetCustomer().GetAttributes()) }},
}

var chatFields = []field{
	{"chat.chatid", types.String, true, func(e *env) any { return text(e.view.GetChat().GetRef()) }},
	{"chat.number", types.Int, false, func(e *env) any { return int(e.view.GetChat().GetNumber()) }},
	{"chat.integration", types.String, true, func(e *env) any { return text(e.view.GetChat().GetIntegration()) }},
	{"chat.state", types.String, false, func(e *env) any { return e.view.GetChat().GetState().Word() }},
	{"chat.open", types.Bool, false, func(e *env) any { return e.view.GetChat().GetState() == state.ChatState_CHAT_OPEN }},
	{"chat.queue", types.String, true, func(e *env) any { return text(e.view.GetChat().GetQueue()) }},
	{"chat.status", types.String, true, func(e *env) any { return text(e.view.GetChat().GetStatus()) }},
	{"chat.reason", types.String, true, func(e *env) any { return text(e.view.GetChat().GetReason()) }},
	{"chat.assigned", types.Bool, false, func(e *env) any { return e.view.GetChat().GetAssigned() }},
	{"chat.held", types.Bool, false, func(e *env) any { return e.view.GetChat().GetHeld() }},
	{"chat.agent.name", types.String, true, func(e *env) any {
		return either(e.view.GetChat().GetAgent().GetName(), e.view.GetChat().GetAgent().GetId())
	}},
	{"chat.agent.id", types.String, true, func(e *env) any { return text(e.view.GetChat().GetAgent().GetId()) }},
	{"chat.messages.agent", types.Int, false, func(e *env) any { return int(e.view.GetChat().GetAgentMessages()) }},
	{"chat.messages.customer", types.Int, false, func(e *env) any { return int(e.view.GetChat().GetCustomerMessages()) }},
}

// events lists the fields of each event beside the common ones; "?" marks what
// may be absent.
var events = map[string][]string{
	sdk.CustomerMessage:    words("text? attachments quick_reply.title? quick_reply.payload? message_id"),
	sdk.IncomingMessage:    words("text? attachments agent.name? agent.id? message_id? url_push?"),
	sdk.ChatOpened:         words("chatid queue? by?"),
	sdk.ChatReopened:       words("chatid queue?"),
	sdk.ChatQueued:         words("queue? position? est_wait? kind?"),
	sdk.ChatAssigned:       words("agent.name? agent.id? reason?"),
	sdk.AgentJoined:        words("agent.name? agent.id? reason?"),
	sdk.AgentLeft:          words("agent.name? agent.id? reason?"),
	sdk.ChatTransferred:    words("kind from? to?"),
	sdk.ChatHeld:           words("reason?"),
	sdk.ChatResumed:        words("reason?"),
	sdk.ChatIdle:           words("idle_time"),
	sdk.CustomerUnattended: words("wait_time"),
	sdk.ChatClosed:         words("status reason by? reason_code? timed_out"),
	sdk.ChatRejected:       words("reason reason_code?"),
	sdk.CustomEvent:        words("event_name params"),
	sdk.FlowTriggered:      words("flowparams messageid?"),
	sdk.MessageDelivered:   words("message_id code? reason?"),
	sdk.MessageRead:        words("message_id code? reason?"),
	sdk.MessageFailed:      words("message_id code? reason?"),
	sdk.CallAnswered:       words("call_id digits? duration? reason?"),
	sdk.CallDigits:         words("call_id digits? quick_reply.title? quick_reply.payload? duration? reason?"),
	sdk.CallEnded:          words("call_id digits? duration? reason?"),
	sdk.SurveyRated:        words("score comment?"),
	sdk.ControlOffered:     words("to? by reason? params"),
	sdk.ControlAccepted:    words("to? by reason? params"),
	sdk.ControlPassed:      words("to? by reason? params"),
	sdk.ControlReleased:    words("to? by reason? params"),
}

var commonFields = words("type id at source instance late_by?")

var words = strings.Fields

// eventNames are the known events, sorted.
var eventNames = func() []string {
	var names []string
	for name := range events {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

// scope is what a rule's expressions can see of its events: paths and whether
// they may be absent.
type scope struct {
	on     []string
	absent map[string]bool // event paths and a flow's own ones; true: may be absent
	sure   []string        // paths that a condition has found to be there

	declared map[string]*field // beside fields, by path: declarations, and what a flow has
	closed   bool              // event.params has what is declared only
	mixed    []string          // paths that are declared with different types
	flow     bool              // it is of a flow, which has no event
}

// field returns what can be named by path, nil if nothing can.
func (s *scope) field(path string) *field {
	if f := s.declared[path]; f != nil {
		return f
	}
	return fields[path]
}

func newScope(on []string) *scope {
	s := &scope{on: on, absent: map[string]bool{}}
	seen := map[string]int{}
	for _, event := range on {
		for _, name := range append(slices.Clone(commonFields), events[event]...) {
			name, may := strings.CutSuffix(name, "?")
			s.absent["event."+name] = s.absent["event."+name] || may
			seen["event."+name]++
		}
	}
	for path, n := range seen {
		if n < len(on) && !isCollection(fields[path]) {
			s.absent[path] = true // not all of the rule's events have it
		}
	}
	return s
}

// given is s with what may be counted on where the condition p holds.
func (s *scope) given(p *program) *scope {
	if p == nil || len(p.facts) == 0 && len(s.sure) == 0 {
		return s
	}
	given := *s
	given.sure = p.facts
	return &given
}

// isCollection reports whether f is a list or map, which is empty rather than
// absent.
func isCollection(f *field) bool {
	k := f.typ.Nature().Kind
	return k == reflect.Map || k == reflect.Slice
}

// known reports whether path can be named.
func (s *scope) known(path string) bool {
	if strings.HasPrefix(path, "event.") {
		_, ok := s.absent[path]
		return ok
	}
	if path == "payload" && s.flow {
		return false
	}
	return s.field(path) != nil
}

// paths are all that can be named, sorted.
func (s *scope) paths() []string {
	var paths []string
	for path := range fields {
		if s.known(path) && path != "now" {
			paths = append(paths, path)
		}
	}
	for path := range s.declared {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

package rehearse

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// origin is where events of a type come from.
type origin int

const (
	ofIntegration origin = iota
	ofChannel
	ofTimer
	ofGateway // the answer to something that the gateway did
	ofSide    // who says so in by
)

var origins = map[string]origin{
	sdk.CustomerMessage: ofChannel, sdk.MessageDelivered: ofChannel, sdk.MessageRead: ofChannel, sdk.MessageFailed: ofChannel,
	sdk.CallAnswered: ofChannel, sdk.CallDigits: ofChannel, sdk.CallEnded: ofChannel,
	sdk.ChatIdle: ofTimer, sdk.CustomerUnattended: ofTimer, sdk.ChatOpened: ofGateway,
	sdk.ControlOffered: ofSide, sdk.ControlAccepted: ofSide, sdk.ControlPassed: ofSide, sdk.ControlReleased: ofSide,
}

func from(event string) origin { return origins[event] }

// inChat reports whether events of a type come while a chat is open.
func inChat(event string) bool {
	return event == sdk.IncomingMessage || conversation.IsControl(event) || strings.HasPrefix(event, "chat_") || strings.HasPrefix(event, "agent_")
}

func newStage(snap *conversation.Snap, given *rules.Given, events []rules.TestEvent) (*stage, error) {
	s := &stage{play: &Play{}, left: maxDecisions}
	svc, err := serviceFor(snap, given)
	if err != nil {
		return nil, err
	}
	s.snap = still(snap)
	channel, err := s.channel(svc, given)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(svc.Timezone)
	if err != nil {
		zone = time.UTC
	}
	if s.begun, err = rules.ParseNow(given.Now, zone); err != nil {
		return nil, about(given.At, "write it as 2026-01-05 10:00", "now is not a time")
	}
	s.now = s.begun
	customer := &pluginv1.Customer{}
	if given.Customer != nil {
		customer = given.Customer.CloneVT()
	}
	if customer.Address == "" {
		customer.Address = "customer"
	}
	s.doc = conversation.New(core.NewConversationID(channel.Name, customer.Address), 1, s.now)
	s.doc.Channel, s.doc.ChannelType, s.doc.Service = channel.Name, channel.Caps.GetChannelType(), svc.Name
	s.doc.Customer, s.doc.Tags, s.doc.Attributes = customer, slices.Clone(given.Tags), maps.Clone(given.Attributes)
	s.doc.Counts = matched(given, s.now)
	s.window(channel, given)
	s.openChat(svc, given, events)
	return s, nil
}

// window opens the reply window, or closes it where that is given, also on a
// channel of which nobody knows yet that it has one.
func (s *stage) window(channel *conversation.Instance, given *rules.Given) {
	of := channel.Caps.GetReplyWindow()
	if given.WindowClosed {
		if of == nil {
			own := *channel
			if own.Caps = channel.Caps.CloneVT(); own.Caps == nil {
				own.Caps = &pluginv1.Capabilities{}
			}
			own.Caps.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: uint64((24 * time.Hour).Milliseconds())}
			s.snap.Instances[own.Name] = &own
		}
		s.doc.Windows = &state.Windows{}
		return
	}
	if of != nil {
		conversation.OpenWindow(s.doc, of, s.now)
	}
}

// matched are the matches that limits per conversation count.
func matched(given *rules.Given, now time.Time) (counts []*state.RuleCount) {
	for _, rule := range slices.Sorted(maps.Keys(given.Matched)) {
		c := &state.RuleCount{Rule: rule}
		for _, ago := range given.Matched[rule] {
			c.AtMs = append(c.AtMs, now.Add(-ago).UnixMilli())
		}
		if len(c.AtMs) > 0 {
			counts = append(counts, c)
		}
	}
	return counts
}

// still is snap with what a rehearsal needs: services without timers, whose chats
// begin anew.
func still(snap *conversation.Snap) *conversation.Snap {
	out := *snap
	out.Rehearsal = true
	out.Services = map[string]*conversation.Service{}
	for name, svc := range snap.Services {
		own := *svc
		own.IdleAfter, own.UnattendedAfter, own.CloseAfter = 0, nil, 0
		own.Transcript, own.ReopenWithin = 0, 0
		out.Services[name] = &own
	}
	out.Instances = maps.Clone(snap.Instances)
	return &out
}

// serviceFor is the service that is given, or the only one that can be meant.
func serviceFor(snap *conversation.Snap, given *rules.Given) (*conversation.Service, error) {
	known := slices.Sorted(maps.Keys(snap.Services))
	name := given.Service
	if name == "" {
		if ch := snap.Instances[given.Channel]; ch != nil && ch.Channel {
			name = ch.Service
		}
	}
	switch {
	case name == "" && len(known) == 1:
		name = known[0]
	case name == "" && len(known) == 0:
		return nil, about(given.At, "gateway.hcl configures services", "there is no service")
	case name == "":
		return nil, about(given.At, "known: "+strings.Join(known, ", "), "given needs a service, as there are several")
	}
	if svc := snap.Services[name]; svc != nil {
		return svc, nil
	}
	return nil, about(given.At, diag.DidYouMean(name, known), "unknown service %q in given", name)
}

// channel is the one that is given, or one of the service of the type that is
// given. If only a type is given that no channel has, it is made up.
func (s *stage) channel(svc *conversation.Service, given *rules.Given) (*conversation.Instance, error) {
	if given.Channel != "" {
		ch := s.snap.Instances[given.Channel]
		switch {
		case ch != nil && ch.Channel && ch.Service == svc.Name:
			return ch, nil
		case ch != nil && ch.Channel:
			return nil, about(given.At, "", "the channel %q belongs to the service %q, not %q", given.Channel, ch.Service, svc.Name)
		}
		return nil, about(given.At, diag.DidYouMean(given.Channel, svc.Channels), "unknown channel %q in given", given.Channel)
	}
	for _, name := range svc.Channels {
		ch := s.snap.Instances[name]
		if ch != nil && (given.ChannelType == "" || ch.Caps.GetChannelType() == given.ChannelType) {
			return ch, nil
		}
	}
	ch := &conversation.Instance{
		Name: strings.TrimSpace(given.ChannelType + " channel"), Channel: true, Service: svc.Name, Caps: &pluginv1.Capabilities{ChannelType: given.ChannelType},
	}
	s.snap.Instances[ch.Name] = ch
	return ch, nil
}

// openChat gives the conversation its chat: the given one, or an open one if the
// first event comes in one.
func (s *stage) openChat(svc *conversation.Service, given *rules.Given, events []rules.TestEvent) {
	first := &pluginv1.Event{}
	if len(events) > 0 && events[0].Event != nil {
		first = events[0].Event
	}
	chat := given.Chat.CloneVT()
	if chat == nil && !given.NoChat && inChat(first.Type) {
		chat = &state.Chat{Number: 1, State: state.ChatState_CHAT_OPEN}
	}
	if chat != nil {
		if chat.Integration == "" {
			chat.Integration = svc.Integration
		}
		if chat.Ref == "" {
			chat.Ref = first.Ref
		}
		if chat.Ref == "" {
			chat.Ref = "chat-1"
		}
		if chat.OpenedMs == 0 {
			chat.OpenedMs = s.now.UnixMilli()
		}
		s.doc.Chat = chat
		if chat.State == state.ChatState_CHAT_OPEN || chat.State == state.ChatState_CHAT_OPENING {
			s.doc.Owner = state.Owner_OWNER_CCSP
		}
	}
	if conversation.IsControl(first.Type) {
		s.giveControl(first)
	}
	if given.Owner != nil {
		s.doc.Owner = *given.Owner
	}
}

// giveControl has the conversation be as it must be for a change of who has it:
// who makes the change has it, or is offered it.
func (s *stage) giveControl(ev *pluginv1.Event) {
	by := state.OwnerOf(ev.By)
	switch {
	case ev.Type == sdk.ControlAccepted && by == state.Owner_OWNER_BOT:
		s.doc.Owner, s.doc.Offered = state.Owner_OWNER_CCSP, by
	case ev.Type == sdk.ControlAccepted:
		s.doc.Owner, s.doc.Offered = state.Owner_OWNER_BOT, state.OwnerOf(ev.To)
		if by != state.Owner_OWNER_NONE {
			s.doc.Offered = by
		}
	case by != state.Owner_OWNER_NONE:
		s.doc.Owner = by
	}
}

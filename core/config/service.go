package config

import (
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // a service's zone loads on a machine without zone files

	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// Forward says who gets a customer's message when nothing else decides.
type Forward string

// The choices.
const (
	ForwardCCSP Forward = "ccsp"     // the integration
	ForwardBot  Forward = "bot"      // the bot
	ForwardBoth Forward = "bot+ccsp" // both
	ForwardNone Forward = "none"     // nobody; it is kept
)

// Service maps channels to an integration:
//
//	service "retail" {
//	  integration      = "ChatEngineEnghouse"  # default none
//	  bot              = "helper"              # an integration too; default none
//	  channels         = ["webshop"]           # each belongs to one service
//	  forward          = "ccsp"                # bot, bot+ccsp, none; default: the
//	                                           # integration, else the bot, else none
//	  bot_resumes      = true                  # after a chat the bot has the conversation again, if it had
//	                                           # it before or forward names it; false: forward decides
//	  copies           = "ccsp"                # who sees what the other side says: the contact center what
//	                                           # the bot does; bot, bot+ccsp, none
//	  timezone         = "Europe/Zurich"       # of times in rules; default UTC
//	  locale           = "de-CH"               # that rules see of customers who have none; default none
//	  idle_after       = "10m"                 # chat_idle after this silence; default never
//	  unattended_after = ["15m"]               # customer_unattended, once per value; default never
//	  close_after      = "2h"                  # closes after this silence; default never
//	  transcript       = 20                    # lines of the talk that the next chat is shown, 0
//	                                           # to 100; default 20 with a bot, else 0
//	  reopen_within    = "30m"                 # of a chat's end: who writes then opens it again,
//	                                           # where the integration can; default "0", never
//	}
type Service struct {
	Name             string
	Integration, Bot string // "": none
	Channels         []string
	Forward          Forward
	BotResumes       bool
	Copies           Forward        // who sees what the other side says
	Timezone         *time.Location // never nil
	Locale           string
	IdleAfter        time.Duration   // 0: never
	UnattendedAfter  []time.Duration // ascending, without repeats
	CloseAfter       time.Duration   // 0: never
	Transcript       int             // lines, 0: none
	ReopenWithin     time.Duration   // 0: never
	Pos              diag.Pos

	channelsAt []text
	nameAt     diag.Pos
}

// names are the instances by name, and what they are.
type names struct {
	kinds        map[string]Kind
	channels     []string
	integrations []string
}

// names checks that all names are unique.
func (c *Config) names(r *reader) names {
	n := names{kinds: map[string]Kind{}}
	first := map[string]diag.Pos{}
	for _, i := range inOrder(c.Instances()) {
		if pos, taken := first[i.Name]; taken {
			r.problem(i.NameAt, "%s %q: the name is taken at line %d; channels and integrations share their names", i.Kind, i.Name, pos.Line)
			continue
		}
		first[i.Name], n.kinds[i.Name] = i.NameAt, i.Kind
		if i.Kind == Channel {
			n.channels = append(n.channels, i.Name)
		} else {
			n.integrations = append(n.integrations, i.Name)
		}
	}
	endpoints := map[string]diag.Pos{}
	for _, e := range c.Endpoints {
		if pos, taken := endpoints[e.Name]; taken {
			r.problem(e.Pos, "endpoint %q is already at line %d", e.Name, pos.Line)
			continue
		}
		endpoints[e.Name] = e.Pos
	}
	return n
}

func inOrder(list []*Instance) []*Instance {
	slices.SortStableFunc(list, func(a, b *Instance) int { return a.Pos.Compare(b.Pos) })
	return list
}

func readService(r *reader, hb *hcl.Block, n names) *Service {
	b := r.block(hb, &hcl.BodySchema{Attributes: optional("integration", "bot", "channels", "forward",
		"bot_resumes", "copies", "timezone", "locale", "idle_after", "unattended_after", "close_after", "transcript",
		"reopen_within")})
	r.checkName("service name", b.labels[0])
	s := &Service{
		Name:        b.labels[0].value,
		Integration: b.reference("integration", n),
		Bot:         b.reference("bot", n),
		Timezone:    b.zone(),
		Locale:      b.locale(),
		IdleAfter:   b.duration("idle_after", 0),
		CloseAfter:  b.duration("close_after", 0),
		Pos:         b.pos,
		nameAt:      b.labels[0].pos,
		channelsAt:  b.texts("channels"),

		ReopenWithin: b.durationOrZero("reopen_within"),
	}
	s.Transcript = b.transcript(s)
	for _, ch := range s.channelsAt {
		r.refer("channel", Channel, ch, n)
		s.Channels = append(s.Channels, ch.value)
	}
	s.UnattendedAfter = b.durations("unattended_after")
	s.Forward = b.forward(s)
	s.BotResumes = !b.has("bot_resumes") || b.flag("bot_resumes")
	s.Copies = b.copies(s)
	if s.Bot != "" && s.Bot == s.Integration {
		r.problem(b.at("bot"), "bot %q is the service's integration too; name another one", s.Bot)
	}
	return s
}

// reference returns the name of an integration.
func (b *block) reference(name string, n names) string {
	s := b.text(name, "")
	if s != "" {
		b.r.refer(name, Integration, text{s, b.at(name)}, n)
	}
	return s
}

// refer checks that name is an instance of the kind.
func (r *reader) refer(role string, want Kind, name text, n names) {
	known := n.integrations
	if want == Channel {
		known = n.channels
	}
	switch kind, ok := n.kinds[name.value]; {
	case !ok:
		r.problem(name.pos, "%s %q is not known; %s", role, name.value, hint(name.value, known))
	case kind != want:
		r.problem(name.pos, "%s %q is not known; there is a %s of that name", role, name.value, kind)
	}
}

// forward returns who gets messages, and checks that it is there.
func (b *block) forward(s *Service) Forward {
	f := ForwardNone
	switch {
	case s.Integration != "":
		f = ForwardCCSP
	case s.Bot != "":
		f = ForwardBot
	}
	f = Forward(b.oneOf("forward", string(f), string(ForwardCCSP), string(ForwardBot), string(ForwardBoth), string(ForwardNone)))
	if (f == ForwardCCSP || f == ForwardBoth) && s.Integration == "" {
		b.r.problem(b.at("forward"), "forward %q needs an integration; the service names none", f)
	}
	if (f == ForwardBot || f == ForwardBoth) && s.Bot == "" {
		b.r.problem(b.at("forward"), "forward %q needs a bot; the service names none", f)
	}
	return f
}

// copies returns who sees what the other side says, and checks that a bot that
// is to see it is there.
func (b *block) copies(s *Service) Forward {
	f := Forward(b.oneOf("copies", string(ForwardCCSP), string(ForwardCCSP), string(ForwardBot), string(ForwardBoth), string(ForwardNone)))
	if (f == ForwardBot || f == ForwardBoth) && s.Bot == "" {
		b.r.problem(b.at("copies"), "copies %q needs a bot; the service names none", f)
	}
	return f
}

// The lines of a talk that a chat is shown.
const (
	transcriptLines = 20 // after a bot, if nothing else is said
	transcriptMost  = 100
)

// transcript returns how many lines of the talk are kept.
func (b *block) transcript(s *Service) int {
	fallback := 0
	if s.Bot != "" {
		fallback = transcriptLines
	}
	return b.number("transcript", fallback, 0, transcriptMost)
}

func (b *block) zone() *time.Location {
	s := b.text("timezone", "UTC")
	zone, err := time.LoadLocation(s)
	if err != nil || s == "Local" { // which would differ from machine to machine
		b.r.problem(b.at("timezone"), `timezone %q is not known; write one such as "Europe/Zurich"`, s)
		return time.UTC
	}
	return zone
}

var localeForm = regexp.MustCompile(`^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$`)

func (b *block) locale() string {
	s := b.text("locale", "")
	if s != "" && !localeForm.MatchString(s) {
		b.r.problem(b.at("locale"), `locale %q is not one; write one such as "de-CH"`, s)
	}
	return s
}

// durations returns a list of positive durations, sorted and without repeats.
func (b *block) durations(name string) (list []time.Duration) {
	for _, t := range b.texts(name) {
		d, ok := parseDuration(t.value)
		if !ok {
			b.r.problem(t.pos, notDuration, name, t.value)
			continue
		}
		list = append(list, d)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// checkServices checks that services have different names and that each
// channel has one.
func (c *Config) checkServices(r *reader, n names) {
	first := map[string]diag.Pos{}
	owner := map[string]*Service{}
	for _, s := range c.Services {
		if pos, taken := first[s.Name]; taken {
			r.problem(s.nameAt, "service %q is already at line %d", s.Name, pos.Line)
		} else {
			first[s.Name] = s.nameAt
		}
		for _, ch := range s.channelsAt {
			if other := owner[ch.value]; other != nil {
				r.problem(ch.pos, "channel %q already belongs to service %q at line %d; a channel has one service", ch.value, other.Name, other.Pos.Line)
				continue
			}
			owner[ch.value] = s
		}
	}
	for _, ch := range c.Channels {
		if owner[ch.Name] == nil && n.kinds[ch.Name] == Channel {
			r.warn(ch.NameAt, `channel %q is in no service; its messages reach nobody; add it to "channels" of one`, ch.Name)
		}
	}
}

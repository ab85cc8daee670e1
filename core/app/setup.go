package app

import (
	"slices"
	"time"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
)

// setup is what gateway.hcl sets up, as it is in force. It is never changed,
// only replaced.
type setup struct {
	*config.Config
	leaving []*known // no longer in gateway.hcl, and not done yet
}

// known is an instance that is or was in force, with all that it takes to go on
// without gateway.hcl.
type known struct {
	*config.Instance
	services []*conversation.Service // that name it
	left     time.Time               // since when it is not in gateway.hcl; zero: it is
	forced   time.Time               // when an operator asked for its end; zero: nobody did
}

// instances returns those of gateway.hcl, then those that leave.
func (s *setup) instances() []*config.Instance {
	all := s.Instances()
	for _, k := range s.leaving {
		all = append(all, k.Instance)
	}
	return all
}

// leaves returns the leaving instance of that name, nil if there is none.
func (s *setup) leaves(name string) *known {
	for _, k := range s.leaving {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// known returns all instances.
func (s *setup) known() (all []*known) {
	for _, i := range s.Instances() {
		k := &known{Instance: i}
		for _, svc := range s.Services {
			if mentions(svc, i.Name) {
				k.services = append(k.services, serviceOf(svc))
			}
		}
		all = append(all, k)
	}
	return append(all, s.leaving...)
}

// succeed returns the setup of c after one of which the given instances were
// known: those that c does not have leave.
func succeed(all []*known, c *config.Config, now time.Time) *setup {
	next := &setup{Config: c}
	for _, k := range all {
		if slices.ContainsFunc(c.Instances(), func(i *config.Instance) bool { return i.Name == k.Name }) {
			continue
		}
		if k.left.IsZero() {
			gone := *k
			gone.left = now
			k = &gone
		}
		next.leaving = append(next.leaving, k)
	}
	return next
}

// without returns the setup without some that left.
func (s *setup) without(gone ...*known) *setup {
	next := *s
	next.leaving = slices.DeleteFunc(slices.Clone(s.leaving), func(k *known) bool { return slices.Contains(gone, k) })
	return &next
}

// mentions says whether a service names an instance.
func mentions(s *config.Service, instance string) bool {
	return s.Integration == instance || s.Bot == instance || slices.Contains(s.Channels, instance)
}

// services returns those that decisions know, by name: also those that only
// instances which leave have.
func (s *setup) services() map[string]*conversation.Service {
	all := map[string]*conversation.Service{}
	for _, k := range s.leaving {
		for _, svc := range k.services {
			all[svc.Name] = svc
		}
	}
	for _, svc := range s.Services {
		all[svc.Name] = serviceOf(svc)
	}
	return all
}

func serviceOf(svc *config.Service) *conversation.Service {
	return &conversation.Service{
		Name: svc.Name, Integration: svc.Integration, Bot: svc.Bot, Channels: svc.Channels,
		Forward: state.OwnerOf(string(svc.Forward)), Copies: state.OwnerOf(string(svc.Copies)), BotResumes: svc.BotResumes,
		Timezone: svc.Timezone.String(), Locale: svc.Locale, IdleAfter: svc.IdleAfter,
		UnattendedAfter: svc.UnattendedAfter, CloseAfter: svc.CloseAfter,
		Transcript: svc.Transcript, ReopenWithin: svc.ReopenWithin,
	}
}

// serviceName returns the service of a channel, "" if it has none.
func (s *setup) serviceName(channel string) string {
	if svc := s.ServiceOf(channel); svc != nil {
		return svc.Name
	}
	if k := s.leaves(channel); k != nil {
		for _, svc := range k.services {
			return svc.Name
		}
	}
	return ""
}

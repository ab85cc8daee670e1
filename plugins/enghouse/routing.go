package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/openccsp/gateway/sdk"
)

// serviceSettings say where the chats of one service go.
type serviceSettings struct {
	Queue           string `json:"queue,omitempty" jsonschema:"title=Queue"`
	Skills          string `json:"skills,omitempty" jsonschema:"title=Skills"`
	Priority        string `json:"priority,omitempty" jsonschema:"title=Priority of the caller"`
	RoutingPriority string `json:"routing_priority,omitempty" jsonschema:"title=Routing priority"`
	TQOS            string `json:"tqos,omitempty" jsonschema:"title=TQOS"`
}

// field is one of these settings: its name, which is also that of the attribute
// by which a rule sets it, its place, and whether it is a number.
type field struct {
	name   string
	to     *string
	number bool
}

func (s *serviceSettings) fields() []field {
	return []field{
		{"queue", &s.Queue, false}, {"skills", &s.Skills, false}, {"priority", &s.Priority, true},
		{"routing_priority", &s.RoutingPriority, true}, {"tqos", &s.TQOS, true},
	}
}

// defaults are what holds for all services.
func (s settings) defaults() serviceSettings {
	return serviceSettings{Queue: s.Queue, Skills: s.Skills, Priority: s.Priority, RoutingPriority: s.RoutingPriority, TQOS: s.TQOS}
}

// route says where a chat goes: by the attributes that rules set, else by its
// service, else by the settings. ignored is told of attributes that make no sense.
func (s settings) route(chat sdk.Chat, ignored func(attribute string, err error)) serviceSettings {
	r, own := s.defaults(), s.Services[chat.Service]
	from := own.fields()
	for i, f := range r.fields() {
		if v := *from[i].to; v != "" {
			*f.to = v
		}
		v, err := f.read(chat.Attributes[f.name])
		switch {
		case err != nil:
			ignored(f.name, err)
		case v != "":
			*f.to = v
		}
	}
	return r
}

const maxRouting = 200 // bytes of a queue's or a skill's name

// read returns v as the far side wants it.
func (f field) read(v string) (string, error) {
	v = strings.TrimSpace(v)
	switch {
	case v == "":
		return "", nil
	case f.number:
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return "", errors.New("it is not a whole number")
		}
		return strconv.FormatInt(n, 10), nil
	case len(v) > maxRouting:
		return "", fmt.Errorf("it has more than %d bytes", maxRouting)
	case strings.ContainsFunc(v, unicode.IsControl):
		return "", errors.New("it has control characters")
	}
	return v, nil
}

// checkRouting checks the settings as route would read them.
func (s settings) checkRouting() error {
	var errs []error
	check := func(where string, r serviceSettings) {
		for _, f := range r.fields() {
			if _, err := f.read(*f.to); err != nil {
				errs = append(errs, fmt.Errorf("%s%s %q: %w", where, f.name, *f.to, err))
			}
		}
	}
	check("", s.defaults())
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		check("services."+name+".", s.Services[name])
	}
	return errors.Join(errs...)
}

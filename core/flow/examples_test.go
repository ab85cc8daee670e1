package flow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// shipped is a conversation of the service that the rules of rules.d are for.
func shipped(t *testing.T) *life {
	t.Helper()
	set, problems := rules.Load("../../rules.d", rules.World{
		Services: []string{"demo"}, Channels: map[string]rules.Channel{"web": {Type: "rtm", Service: "demo"}}, Integrations: []string{"desk"},
	})
	if problems != nil {
		t.Fatal(problems)
	}
	l := newLife(t, set)
	demo := *l.snap.Services["shop"]
	demo.Name = "demo"
	l.snap.Services = map[string]*conversation.Service{"demo": &demo}
	l.snap.Instances["web"].Service = "demo"
	return l
}

// chat has the customer in a chat with Bo, who ends it.
func (l *life) chat() {
	l.t.Helper()
	l.says("Where is my parcel?")
	l.settles()
	l.event("desk", &pluginv1.Event{Type: sdk.AgentJoined, Agent: &pluginv1.Agent{Name: "Bo"}})
	l.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Text: "On its way.", Agent: &pluginv1.Agent{Name: "Bo"}})
	l.event("desk", &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "solved", By: "agent"})
	l.settles()
}

// heard is what the customer got, and where messages went.
func (l *life) heard() (all []string) {
	for _, line := range l.log {
		if text, ok := strings.CutPrefix(line, "customer gets "); ok {
			all = append(all, text)
		} else if strings.HasPrefix(line, "-> ") || strings.HasPrefix(line, "error") {
			all = append(all, line)
		}
	}
	l.log = nil
	return all
}

func TestShippedFlows(t *testing.T) {
	const question, pity = "How was it with Bo? Reply with a number from 1 (bad) to 5 (very good).", "We are sorry. What went wrong?"
	const again, thanks = "One number from 1 to 5, please.", "Thank you, that helps us."
	closed := []string{"-> ccsp", "On its way.", "Thank you for chatting with us.", question}
	const stopped = "We will not ask you for your opinion any more. Reply START within a day if you did not mean it."
	night := "Thank you for your message. We are here Monday to Friday from 8 to 18 o'clock, and will answer then.\n" +
		"If it is about an order, reply with its number, such as AB-1234."
	tests := []struct {
		name       string
		play       func(l *life)
		want       []string
		attributes map[string]string
		tags       []string
	}{
		{"survey", func(l *life) { l.chat(); l.says("5") },
			append(closed[:4:4], "-> flow", thanks), map[string]string{"last_reason": "solved", "score": "5"}, nil},
		{"survey, a bad score", func(l *life) { l.chat(); l.says("1"); l.says("It was late.") },
			append(closed[:4:4], "-> flow", pity, "-> flow", thanks),
			map[string]string{"last_reason": "solved", "score": "1", "comment": "It was late."}, []string{"unhappy"}},
		{"survey, no comment", func(l *life) { l.chat(); l.says("2"); l.waits(3 * time.Hour); l.says("And now?") },
			append(closed[:4:4], "-> flow", pity, "-> ccsp"), map[string]string{"last_reason": "solved", "score": "2"}, []string{"unhappy"}},
		{"survey, no number", func(l *life) { l.chat(); l.says("great"); l.says("really") },
			append(closed[:4:4], "-> flow", again, "-> ccsp"), map[string]string{"last_reason": "solved"}, nil},
		{"survey, nobody", func(l *life) { l.chat(); l.waits(3 * time.Hour); l.says("5") },
			append(closed[:4:4], "-> ccsp"), map[string]string{"last_reason": "solved"}, nil},
		{"survey, stopped, and no other one", func(l *life) { l.chat(); l.says("Stop"); l.waits(25 * time.Hour); l.chat() },
			append(closed[:4:4], "-> none", stopped, "-> ccsp", "On its way.", "Thank you for chatting with us."),
			map[string]string{"last_reason": "solved", "opted_out": "yes"}, nil},
		{"back again", func(l *life) { l.says("STOP"); l.says("start") },
			[]string{"-> none", stopped, "-> flow", "Welcome back."}, map[string]string{"opted_out": "no"}, nil},
		{"at night", func(l *life) { l.now = l.now.Add(12 * time.Hour); l.says("Hi"); l.says("ab-1234"); l.says("thanks") },
			[]string{"-> ccsp", night, "-> flow", "Thank you, we will look at AB-1234 first.", "-> ccsp"},
			map[string]string{"order": "AB-1234"}, []string{"greeted"}},
		{"at night, about something else", func(l *life) { l.now = l.now.Add(12 * time.Hour); l.says("Where?"); l.says("and when?") },
			[]string{"-> ccsp", night, "-> ccsp"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := shipped(t)
			tt.play(l)
			if diff := cmp.Diff(tt.want, l.heard()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.attributes, l.doc.Attributes); diff != "" {
				t.Errorf("attributes: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.tags, l.doc.Tags); diff != "" {
				t.Errorf("tags: -want +got:\n%s", diff)
			}
			if l.doc.Flow != nil {
				t.Errorf("a flow is under way: %v", l.doc.Flow)
			}
		})
	}
}

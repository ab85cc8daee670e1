package main

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const (
	begins = `{"Events":[{"Event_ID":1,"Command":"status","Status_Code":106,"Participant_Name":"Ann"}]}`
	leaves = `{"Events":[{"Event_ID":2,"Command":"ParticipantDisconnected","Participant_Name":"Ann"}]}`
)

// TestGrace: within the grace somebody else may take a chat whose agent has
// left, also if the gateway stops meanwhile.
func TestGrace(t *testing.T) {
	const grace = 10 * time.Second
	for _, tt := range []struct {
		name   string
		answer string        // of the poll after the agent has left
		after  time.Duration // when
		want   string
		ended  bool
	}{
		{"nobody yet", "{}", grace - time.Second, "", false},
		{"nobody", "{}", grace, "2.2 chat_closed", true},
		{"a queue", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":165}]}`, grace - time.Second, "3 chat_queued", false},
		{"a queue, in the last answer", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":"105"}]}`, 2 * grace, "3 chat_queued", false},
		{"another agent", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":106,"Participant_Name":"Bob"}]}`, time.Second,
			"3 chat_transferred, 3.2 chat_assigned", false},
		{"an agent without a name", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":106}]}`, time.Second,
			"3 chat_transferred, 3.2 chat_assigned", false},
		{"the same one", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":106,"Participant_Name":"Ann"}]}`, time.Second,
			"3 chat_assigned", false},
		{"the end", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":107}]}`, time.Second, "3 chat_closed", true},
		{"the end with a reason", `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":107,"Additional_Information":8}]}`, time.Second,
			"3 chat_closed", true},
		{"a last word", `{"Events":[{"Event_ID":3,"Command":"read","Message_Text":"Ann has left"}]}`, grace, "3 incoming_message, 2.2 chat_closed", true},
		{"a last word of the agent's", `{"Events":[{"Event_ID":3,"Command":"read","Participant_Name":"Ann","Message_Text":"bye"}]}`, grace,
			"3 incoming_message, 2.2 chat_closed", true},
		{"the chat is unknown over there", "404", time.Second, "2.2 chat_closed", true},
		{"the same answer again", leaves, grace, "2.2 chat_closed", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: []string{begins, leaves, tt.answer}}
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var mark []byte
			var got string
			for i, want := range []string{"1 chat_assigned", "2 agent_left", tt.want} {
				if i == 2 {
					now = now.Add(tt.after)
				}
				c, host := dial(t, s, func(s *settings) { s.LeftGrace = "10s"; s.Poll = pollSettings{Active: "30s", Idle: "1m"} })
				host.Set(now)
				res := poll(t, c, mark)
				if got = types(res.Events); got != want {
					t.Fatalf("poll %d: %q, want %q", i+1, got, want)
				}
				if i == 1 && res.Next > grace {
					t.Errorf("the next poll is after %v, want one when the grace is over", res.Next)
				}
				mark = res.Cursor
			}
			if at, err := readCursor(mark); err != nil || at.Ended != tt.ended {
				t.Errorf("cursor %s, %v; want ended %v", mark, err, tt.ended)
			}
		})
	}
}

// TestNoGrace: without one the chat is over at once, as the vendor's own client
// has it.
func TestNoGrace(t *testing.T) {
	c, _ := dial(t, &script{answers: []string{begins, leaves}})
	res := poll(t, c, poll(t, c, nil).Cursor)
	if got := types(res.Events); got != "2 agent_left, 2.2 chat_closed" {
		t.Errorf("%s, want the end", got)
	}
	if end := res.Events[1]; end.By != "agent" || end.Agent.Name != "Ann" || end.Reason != "disconnected" {
		t.Errorf("end %+v", end)
	}
}

// TestOneOfSeveralLeaves: a chat in which another known agent goes on is not over.
func TestOneOfSeveralLeaves(t *testing.T) {
	s := &script{answers: []string{begins,
		`{"Events":[{"Event_ID":2,"Command":"read","Participant_Name":"Bob","Message_Text":"I help Ann"}]}`,
		`{"Events":[{"Event_ID":3,"Command":"ParticipantDisconnected","Participant_Name":"Ann"},{"Event_ID":4,"Command":"read","Participant_Name":"Bob","Message_Text":"x"}]}`}}
	c, host := dial(t, s, func(s *settings) { s.LeftGrace = "10s" })
	host.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var mark []byte
	for _, want := range []string{"1 chat_assigned", "2.1 agent_joined, 2 incoming_message", "3 agent_left, 4 incoming_message", ""} {
		res := poll(t, c, mark)
		if got := types(res.Events); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		mark = res.Cursor
		host.Set(host.Now().Add(time.Minute))
	}
}

// TestLastAgentGone: a chat that its agent left, and that the far side then
// does not know, was closed, not lost.
func TestLastAgentGone(t *testing.T) {
	c, _ := dial(t, &script{answers: []string{begins, leaves, "404"}}, func(s *settings) { s.LeftGrace = "1m" })
	mark := poll(t, c, poll(t, c, nil).Cursor).Cursor
	res, err := c.Poll(t.Context(), chat, mark)
	if plugintest.Verdict(err) != "ok" || len(res.Events) != 1 || res.Events[0].Type != sdk.ChatClosed || res.Events[0].Reason != "disconnected" {
		t.Errorf("%+v, %v; want chat_closed disconnected", res.Events, err)
	}
}

// Package agent is an agent at a simulated contact center, and what else the
// programs share that play conversations through a running gateway.
package agent

import (
	"context"
	"net/http"
	"slices"
)

// Agent answers at the contact center, through the API that its page uses.
type Agent struct {
	Base string
	Take string // how its contact center calls taking a chat
	ID   string // that the agent has taken
	Said int    // messages
}

// Entry is a line of a chat as the contact center has it.
type Entry struct {
	N         int    `json:"n"`
	From      string `json:"from"`
	Kind      string `json:"kind"`
	Text      string `json:"text"`
	Units     int    `json:"units"` // UTF-16 units that arrived
	Truncated bool   `json:"truncated"`
}

// Chat is a chat as the contact center has it.
type Chat struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Name   string `json:"name"`
	Typing bool   `json:"typing"`
}

// Chats returns all chats.
func (a *Agent) Chats(ctx context.Context) ([]Chat, error) {
	var answer struct{ Chats []Chat }
	err := Call(ctx, http.MethodGet, a.Base+"/agent/chats", nil, nil, &answer)
	return answer.Chats, err
}

// Takes waits for a chat that rings, and takes it.
func (a *Agent) Takes(ctx context.Context, name string) error {
	err := Until(ctx, "the chat rings at the agent's", func(ctx context.Context) (bool, error) {
		chats, err := a.Chats(ctx)
		for _, c := range chats {
			if c.State == "queued" {
				a.ID = c.ID
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	return a.Act(ctx, a.Take, map[string]any{"agent": name})
}

// Log returns the chat, and what the customer and the rules wrote into it.
func (a *Agent) Log(ctx context.Context) (Chat, []Entry, error) {
	c, all, err := a.read(ctx)
	return c, slices.DeleteFunc(all, func(e Entry) bool { return e.From != "customer" || e.Kind != "text" }), err
}

// Lines returns all that stands in the chat.
func (a *Agent) Lines(ctx context.Context) ([]Entry, error) {
	_, all, err := a.read(ctx)
	return all, err
}

func (a *Agent) read(ctx context.Context) (Chat, []Entry, error) {
	var answer struct {
		Chat     Chat
		Messages []Entry
	}
	err := Call(ctx, http.MethodGet, a.Base+"/agent/chats/"+a.ID+"/messages?after=0", nil, nil, &answer)
	return answer.Chat, answer.Messages, err
}

// Act does what a button of the page does.
func (a *Agent) Act(ctx context.Context, name string, args map[string]any) error {
	return Call(ctx, http.MethodPost, a.Base+"/agent/chats/"+a.ID+"/"+name, nil, args, nil)
}

// Say writes to the customer.
func (a *Agent) Say(ctx context.Context, text string) error {
	a.Said++
	return a.Act(ctx, "say", map[string]any{"text": text})
}

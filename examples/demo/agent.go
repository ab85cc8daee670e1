package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

var web = http.Client{Timeout: 30 * time.Second}

// agent answers at the contact center, through the API that its page uses.
type agent struct {
	base string
	take string // how its contact center calls taking a chat
	chat string // that the agent has taken
	said int    // messages
}

// entry is a line of a chat as the contact center has it.
type entry struct {
	N         int    `json:"n"`
	From      string `json:"from"`
	Kind      string `json:"kind"`
	Text      string `json:"text"`
	Units     int    `json:"units"` // UTF-16 units that arrived
	Truncated bool   `json:"truncated"`
}

type chat struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Name   string `json:"name"`
	Typing bool   `json:"typing"`
}

// chats returns all chats.
func (a *agent) chats(ctx context.Context) ([]chat, error) {
	var answer struct{ Chats []chat }
	err := call(ctx, http.MethodGet, a.base+"/agent/chats", nil, nil, &answer)
	return answer.Chats, err
}

// takes waits for a chat that rings, and takes it.
func (a *agent) takes(ctx context.Context, name string) error {
	err := until(ctx, "the chat rings at the agent's", func(ctx context.Context) (bool, error) {
		chats, err := a.chats(ctx)
		for _, c := range chats {
			if c.State == "queued" {
				a.chat = c.ID
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	return a.act(ctx, a.take, map[string]any{"agent": name})
}

// log returns the chat, and what the customer and the rules wrote into it.
func (a *agent) log(ctx context.Context) (chat, []entry, error) {
	c, all, err := a.read(ctx)
	return c, slices.DeleteFunc(all, func(e entry) bool { return e.From != "customer" || e.Kind != "text" }), err
}

// lines returns all that stands in the chat.
func (a *agent) lines(ctx context.Context) ([]entry, error) {
	_, all, err := a.read(ctx)
	return all, err
}

func (a *agent) read(ctx context.Context) (chat, []entry, error) {
	var answer struct {
		Chat     chat
		Messages []entry
	}
	err := call(ctx, http.MethodGet, a.base+"/agent/chats/"+a.chat+"/messages?after=0", nil, nil, &answer)
	return answer.Chat, answer.Messages, err
}

// act does what a button of the page does.
func (a *agent) act(ctx context.Context, name string, args map[string]any) error {
	return call(ctx, http.MethodPost, a.base+"/agent/chats/"+a.chat+"/"+name, nil, args, nil)
}

func (a *agent) say(ctx context.Context, text string) error {
	a.said++
	return a.act(ctx, "say", map[string]any{"text": text})
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	what   string
}

func (r *refusal) Error() string { return r.what }

// call sends body as JSON, if there is one, and reads JSON into answer.
func call(ctx context.Context, method, url string, header http.Header, body, answer any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, url, &b)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := web.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode/100 != 2 {
		return &refusal{resp.StatusCode, fmt.Sprintf("%s %s: %s: %.200s", method, url, resp.Status, got)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

var web = http.Client{Timeout: 30 * time.Second}

// agent answers at the contact center, through the API that its page uses.
type agent struct {
	base string
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

// log returns the chat, and what the customer and the rules wrote into it.
func (a *agent) log(ctx context.Context) (chat, []entry, error) {
	var answer struct {
		Chat     chat
		Messages []entry
	}
	err := call(ctx, http.MethodGet, a.base+"/agent/chats/"+a.chat+"/messages?after=0", nil, nil, &answer)
	var texts []entry
	for _, e := range answer.Messages {
		if e.From == "customer" && e.Kind == "text" {
			texts = append(texts, e)
		}
	}
	return answer.Chat, texts, err
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

package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// endpoints are method and path of each call. IMIchat documents create; the
// others are how such an API looks, and can be set to what an instance has.
type endpoints struct {
	Create   string `json:"create,omitempty" jsonschema:"title=Create a chat,default=POST /{api_version}/chats"`
	Append   string `json:"append,omitempty" jsonschema:"title=Add a message,default=POST /{api_version}/chats/{chat_id}/messages"`
	Typing   string `json:"typing,omitempty" jsonschema:"title=The customer is typing,default=POST /{api_version}/chats/{chat_id}/typing"`
	Close    string `json:"close,omitempty" jsonschema:"title=Close a chat,default=PUT /{api_version}/chats/{chat_id}/close"`
	Transfer string `json:"transfer,omitempty" jsonschema:"title=Transfer a chat,default=POST /{api_version}/chats/{chat_id}/transfer"`
	Reopen   string `json:"reopen,omitempty" jsonschema:"title=Open a closed chat again,default=PUT /{api_version}/chats/{chat_id}/reopen"`
	Event    string `json:"event,omitempty" jsonschema:"title=Send a custom event,default=POST /{api_version}/chats/{chat_id}/events"`
	Receipt  string `json:"receipt,omitempty" jsonschema:"title=What became of the agent's message,default=POST /{api_version}/chats/{chat_id}/receipts"`
	Hold     string `json:"hold,omitempty" jsonschema:"title=Put a chat on hold,default=PUT /{api_version}/chats/{chat_id}/hold"`
	Resume   string `json:"resume,omitempty" jsonschema:"title=Take a chat back,default=PUT /{api_version}/chats/{chat_id}/resume"`
	Update   string `json:"update,omitempty" jsonschema:"title=The customer or attributes have changed,default=PUT /{api_version}/chats/{chat_id}"`
	Chat     string `json:"chat,omitempty" jsonschema:"title=Read a chat,default=GET /{api_version}/chats/{chat_id}" jsonschema_description:"For catching up, and for the live check of the settings, which asks for a chat that there is not."`
}

// off in place of an endpoint: there is no such call.
const off = "off"

// row is one endpoint with its default.
type row struct {
	name    string
	text    *string
	standby string
	needed  bool
}

func (e *endpoints) rows() []row {
	const chat = " /{api_version}/chats/{chat_id}"
	return []row{
		{"create", &e.Create, "POST /{api_version}/chats", true},
		{"append", &e.Append, "POST" + chat + "/messages", true},
		{"typing", &e.Typing, "POST" + chat + "/typing", false},
		{"close", &e.Close, "PUT" + chat + "/close", false},
		{"transfer", &e.Transfer, "POST" + chat + "/transfer", false},
		{"reopen", &e.Reopen, "PUT" + chat + "/reopen", false},
		{"event", &e.Event, "POST" + chat + "/events", false},
		{"receipt", &e.Receipt, "POST" + chat + "/receipts", false},
		{"hold", &e.Hold, "PUT" + chat + "/hold", false},
		{"resume", &e.Resume, "PUT" + chat + "/resume", false},
		{"update", &e.Update, "PUT" + chat, false},
		{"chat", &e.Chat, "GET" + chat, false},
	}
}

func (e *endpoints) fill() {
	for _, r := range e.rows() {
		if *r.text == "" {
			*r.text = r.standby
		}
	}
}

// call is a parsed endpoint; a zero one is off.
type call struct{ method, path string }

// calls are the endpoints by their names.
type calls map[string]call

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func (e endpoints) parse(version string) (calls, error) {
	if strings.Trim(version, "abcdefghijklmnopqrstuvwxyz0123456789.") != "" {
		return nil, fmt.Errorf(`api_version %q is not a version; write one such as "v3.1"`, version)
	}
	all := make(calls)
	var errs []error
	for _, r := range e.rows() {
		c, err := parseCall(*r.text, version)
		switch {
		case *r.text == off && r.needed:
			err = errors.New("cannot be off")
		case *r.text == off:
			continue
		case err == nil && (r.name == "create") == strings.Contains(c.path, "{chat_id}"):
			err = fmt.Errorf("%q: {chat_id} stands in the path of every call but create", *r.text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoints.%s %w", r.name, err))
		}
		all[r.name] = c
	}
	return all, errors.Join(errs...)
}

func parseCall(text, version string) (call, error) {
	method, path, _ := strings.Cut(text, " ")
	path = strings.ReplaceAll(strings.TrimSpace(path), "{api_version}", version)
	if !slices.Contains(methods, method) || !strings.HasPrefix(path, "/") {
		return call{}, fmt.Errorf(`%q is not a method and a path; write it as in "POST /v3.1/chats"`, text)
	}
	rest := strings.ReplaceAll(path, "{chat_id}", "")
	if strings.ContainsAny(rest, "{}?#% ") || strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r > '~' }) {
		return call{}, fmt.Errorf("%q: only {chat_id} and {api_version} can be filled in, and a path has no blanks or ?", text)
	}
	return call{method, path}, nil
}

// of returns the path with a chat's id in it, escaped.
func (c call) of(id string) string {
	escaped := url.PathEscape(id)
	if strings.Trim(id, ".") == "" {
		escaped = strings.ReplaceAll(id, ".", "%2E") // not a step up
	}
	return strings.ReplaceAll(c.path, "{chat_id}", escaped)
}

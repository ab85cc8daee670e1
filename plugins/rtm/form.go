package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxFormFields  = 20
	maxFormOptions = 50
	maxFormText    = 500  // code points of a title, label or option
	maxFormValue   = 4096 // bytes of one answer

	aboutForm = "form"
	formEvent = "form" // name of the custom event with an answer
)

// number is what people write, and every program reads: no NaN, no 0x1p-2.
var number = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// form is a list of fields for the customer to fill in. Bots, rules and agents
// send it as a message whose text is nothing but {"form":{…}}, a driver as the
// message's extra "form":
//
//	{"form":{"id":"address","title":"Where do you live?","submit":"Send","fields":[
//	  {"name":"street","label":"Street","type":"text","required":true},
//	  {"name":"size","label":"Size","type":"choice","options":["S","M"]}]}}
type form struct {
	ID     string      `json:"id"`
	Title  string      `json:"title,omitempty"`
	Submit string      `json:"submit,omitempty"` // the button's text
	Fields []formField `json:"fields"`
}

type formField struct {
	Name     string   `json:"name"`
	Label    string   `json:"label,omitempty"` // "": the name
	Type     string   `json:"type"`            // text, number, email, choice
	Options  []string `json:"options,omitempty"`
	Required bool     `json:"required,omitempty"`
}

// formOf returns the form that m is, nil if it is none, or what is wrong with it.
func formOf(m *sdk.Message) (*form, error) {
	text := []byte(m.Extras["form"])
	if len(text) == 0 {
		trimmed := strings.TrimSpace(m.Text)
		if m.Author == sdk.AuthorCustomer || !strings.HasPrefix(trimmed, "{") || !strings.HasSuffix(trimmed, "}") {
			return nil, nil
		}
		var only map[string]json.RawMessage
		if json.Unmarshal([]byte(trimmed), &only) != nil || len(only) != 1 || only["form"] == nil {
			return nil, nil
		}
		text = only["form"]
	}
	var f form
	if err := decode(text, &f); err != nil {
		return nil, fmt.Errorf("the form cannot be read: %w", err)
	}
	return &f, f.check()
}

func (f *form) check() error {
	if !idPattern.MatchString(f.ID) {
		return fmt.Errorf("id %.40q: want letters, digits and . _ ~ @ : = -", f.ID)
	}
	if len(f.Fields) == 0 || len(f.Fields) > maxFormFields {
		return fmt.Errorf("%d fields: want 1 to %d", len(f.Fields), maxFormFields)
	}
	names := map[string]bool{}
	for i := range f.Fields {
		field := &f.Fields[i]
		if err := field.check(); err != nil {
			return fmt.Errorf("field %d: %w", i+1, err)
		}
		if names[field.Name] {
			return fmt.Errorf("field %d: there is another %q", i+1, field.Name)
		}
		names[field.Name] = true
	}
	return short(f.Title, f.Submit)
}

func (f *formField) check() error {
	if !idPattern.MatchString(f.Name) || f.Name == "form" {
		return fmt.Errorf("name %.40q: want letters, digits and . _ ~ @ : = -, and not \"form\"", f.Name)
	}
	if !slices.Contains([]string{"text", "number", "email", "choice"}, f.Type) {
		return fmt.Errorf("type %.40q: want text, number, email or choice", f.Type)
	}
	if (f.Type == "choice") != (len(f.Options) > 0) || len(f.Options) > maxFormOptions {
		return fmt.Errorf("options: a choice has 1 to %d, other types have none", maxFormOptions)
	}
	return short(append([]string{f.Label}, f.Options...)...)
}

func short(texts ...string) error {
	for _, t := range texts {
		if utf8.RuneCountInString(t) > maxFormText {
			return fmt.Errorf("a text is longer than %d characters", maxFormText)
		}
	}
	return nil
}

func (f *formField) label() string {
	if f.Label != "" {
		return f.Label
	}
	return f.Name
}

// readable is the form for clients that do not know forms.
func (f *form) readable() string {
	lines := []string{}
	if f.Title != "" {
		lines = append(lines, f.Title)
	}
	for i := range f.Fields {
		line := f.Fields[i].label() + ":"
		if len(f.Fields[i].Options) > 0 {
			line += " " + strings.Join(f.Fields[i].Options, " / ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// formAnswer is the body of POST /form.
type formAnswer struct {
	FormToken string            `json:"formToken"`
	Values    map[string]string `json:"values"`
}

// answerForm takes a filled-in form: a custom event "form" for rules, and a
// message for people. The form's token says which one, and what may stand in it.
// Each form that was sent can be answered once.
//
//	POST /form {"formToken":"…","values":{"street":"Main Street 1","size":"M"}}
//	200 {"tid":"form:5f….1"}
func (c *channel) answerForm(_ context.Context, r *request) (reply, error) {
	if !c.incoming.allow(r.user) {
		return reply{}, throttled("too many messages")
	}
	var in formAnswer
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	var f form
	message, err := c.signer.open(aboutForm, r.user, in.FormToken, &f)
	if err != nil {
		return reply{}, invalid("formToken: is not that of a form to this user, or too old")
	}
	text, err := f.answers(in.Values)
	if err != nil {
		return reply{}, invalid("values: %s", err)
	}
	if len(text) > c.cfg.MaxMessage {
		return reply{}, tooLarge()
	}
	params := map[string]string{"form": f.ID}
	for name, v := range in.Values {
		params[name] = v
	}
	id := "form:" + message
	return reply{body: map[string]string{"tid": id}, events: []sdk.Event{
		{Type: sdk.CustomEvent, EventName: formEvent, ID: r.user + "/event/" + id, Customer: c.customer(r), Params: params},
		{Type: sdk.CustomerMessage, ID: r.user + "/" + id, MessageID: id, Customer: c.customer(r), Text: text},
	}}, nil
}

// answers checks values and makes them readable, in the form's order.
func (f *form) answers(values map[string]string) (string, error) {
	lines := []string{}
	if f.Title != "" {
		lines = append(lines, f.Title)
	}
	known := 0
	for i := range f.Fields {
		field := &f.Fields[i]
		v, there := values[field.Name]
		if there {
			known++
		}
		if err := field.accepts(v); err != nil {
			return "", fmt.Errorf("%s: %w", field.Name, err)
		}
		if v != "" {
			lines = append(lines, field.label()+": "+v)
		}
	}
	if known < len(values) {
		return "", fmt.Errorf("there is one that the form does not ask for")
	}
	if len(lines) == 0 {
		lines = append(lines, f.ID)
	}
	return strings.Join(lines, "\n"), nil
}

func (f *formField) accepts(v string) error {
	switch {
	case v == "" && f.Required:
		return fmt.Errorf("is needed")
	case v == "":
		return nil
	case len(v) > maxFormValue:
		return fmt.Errorf("want at most %d bytes", maxFormValue)
	}
	switch f.Type {
	case "number":
		if !number.MatchString(v) {
			return fmt.Errorf("want a number")
		}
	case "email":
		if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
			return fmt.Errorf("want an e-mail address")
		}
	case "choice":
		if !slices.Contains(f.Options, v) {
			return fmt.Errorf("want one of the options")
		}
	}
	return nil
}

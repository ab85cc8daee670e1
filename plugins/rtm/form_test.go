package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

const addressForm = `{"form":{"id":"address","title":"Where to?","submit":"Go","fields":[
	{"name":"street","label":"Street","type":"text","required":true},{"name":"n","type":"number"},
	{"name":"mail","label":"E-mail","type":"email"},{"name":"size","label":"Size","type":"choice","options":["S","M"]}]}}`

func TestForm(t *testing.T) {
	r := newRig(t, nil)
	p, err := r.packet("alice", sdk.Message{ID: "c.1.1", Text: addressForm, Author: sdk.AuthorBot})
	if err != nil {
		t.Fatal(err)
	}
	var d downlink
	if err := json.Unmarshal(p.body, &d); err != nil {
		t.Fatal(err)
	}
	if d.PayloadType != "form" || d.Message != "Where to?\nStreet:\nn:\nE-mail:\nSize: S / M" || d.Form == nil || len(d.Form.Fields) != 4 {
		t.Fatalf("%s", p.body)
	}
	alice, eve := "accesstoken: "+r.user("alice").AccessToken, "accesstoken: "+r.user("eve").AccessToken
	answer := func(values string) string { return `{"formToken":"` + d.FormToken + `","values":` + values + `}` }

	resp := r.call("POST", "/form", answer(`{"street":"Main Street 1","size":"M","n":"-2.5","mail":"a@b.example"}`), alice)
	if got := into[map[string]string](t, resp)["tid"]; got != "form:c.1.1" {
		t.Errorf("tid %q", got)
	}
	customer := sdk.Customer{Address: "alice"}
	want := []sdk.Event{
		{Type: sdk.CustomEvent, EventName: "form", ID: "alice/event/form:c.1.1", Customer: customer,
			Params: map[string]string{"form": "address", "street": "Main Street 1", "size": "M", "n": "-2.5", "mail": "a@b.example"}},
		{Type: sdk.CustomerMessage, ID: "alice/form:c.1.1", MessageID: "form:c.1.1", Customer: customer,
			Text: "Where to?\nStreet: Main Street 1\nn: -2.5\nE-mail: a@b.example\nSize: M"},
	}
	if diff := cmp.Diff(want, resp.Events); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct{ body, auth, why string }{
		{answer(`{"size":"M"}`), alice, "street: is needed"},
		{answer(`{"street":"x","size":"XXL"}`), alice, "size: want one of the options"},
		{answer(`{"street":"x","n":"many"}`), alice, "n: want a number"},
		{answer(`{"street":"x","n":"NaN"}`), alice, "n: want a number"},
		{answer(`{"street":"x","n":"0x1p-2"}`), alice, "n: want a number"},
		{answer(`{"street":"x","mail":"nobody"}`), alice, "mail: want an e-mail address"},
		{answer(`{"street":"x","mail":"A <a@b.example>"}`), alice, "mail: want an e-mail address"},
		{answer(`{"street":"x","more":"y"}`), alice, "does not ask for"},
		{answer(`{"street":"` + strings.Repeat("x", maxFormValue+1) + `"}`), alice, "at most"},
		{answer(`{"street":"x"}`), eve, "formToken"},
		{`{"formToken":"x.y.z","values":{}}`, alice, "formToken"},
		{`{"values":{}}`, alice, "formToken"},
	} {
		resp := r.call("POST", "/form", tt.body, tt.auth)
		if resp.Status != 400 || !strings.Contains(string(resp.Body), tt.why) || len(resp.Events) != 0 {
			t.Errorf("%.60s: %d %s, want %q", tt.body, resp.Status, resp.Body, tt.why)
		}
	}
	r.cfg.MaxMessage = 30 // of what people read of it
	if resp := r.call("POST", "/form", answer(`{"street":"Main Street 1"}`), alice); resp.Status != 413 || len(resp.Events) != 0 {
		t.Errorf("more than max_message: %d %s", resp.Status, resp.Body)
	}
	r.cfg.MaxMessage = defaultMaxMessage
	r.host.setNow(time.Now().Add(undeliveredFor + r.cfg.tokenTTL + time.Minute))
	if resp := r.call("POST", "/form", answer(`{"street":"x"}`), "accesstoken: "+r.user("alice").AccessToken); resp.Status != 400 {
		t.Errorf("an old form: %d %s", resp.Status, resp.Body)
	}
}

func TestFormOf(t *testing.T) {
	field := `{"name":"a","type":"text"}`
	whole := func(fields string) string { return `{"form":{"id":"f","fields":[` + fields + `]}}` }
	for _, tt := range []struct {
		name string
		m    sdk.Message
		form bool
		err  string
	}{
		{"text", sdk.Message{Text: "form"}, false, ""},
		{"other JSON", sdk.Message{Text: `{"form":1,"more":2}`}, false, ""},
		{"broken JSON", sdk.Message{Text: `{"form":{}`}, false, ""},
		{"a customer's words", sdk.Message{Text: whole(field), Author: sdk.AuthorCustomer}, false, ""},
		{"form", sdk.Message{Text: " " + whole(field) + "\n"}, true, ""},
		{"extra", sdk.Message{Text: "x", Extras: map[string]string{"form": `{"id":"f","fields":[` + field + `]}`}}, true, ""},
		{"no id", sdk.Message{Text: `{"form":{"fields":[` + field + `]}}`}, true, "id"},
		{"no fields", sdk.Message{Text: whole("")}, true, "0 fields"},
		{"many fields", sdk.Message{Text: whole(field + strings.Repeat(","+field, maxFormFields))}, true, "21 fields"},
		{"twice", sdk.Message{Text: whole(field + "," + field)}, true, "another"},
		{"unknown type", sdk.Message{Text: whole(`{"name":"a","type":"date"}`)}, true, "want text, number, email or choice"},
		{"choice of nothing", sdk.Message{Text: whole(`{"name":"a","type":"choice"}`)}, true, "options"},
		{"options of a text", sdk.Message{Text: whole(`{"name":"a","type":"text","options":["x"]}`)}, true, "options"},
		{"the name form", sdk.Message{Text: whole(`{"name":"form","type":"text"}`)}, true, "name"},
		{"long label", sdk.Message{Text: whole(`{"name":"a","type":"text","label":"` + strings.Repeat("x", 501) + `"}`)}, true, "longer than 500"},
		{"a list", sdk.Message{Text: `{"form":[]}`}, true, "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := formOf(&tt.m)
			if (f != nil || err != nil) != tt.form || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("formOf = %v, %v; want a form %v, error %q", f, err, tt.form, tt.err)
			}
		})
	}
	r := newRig(t, nil)
	_, err := r.Send(t.Context(), sdk.Customer{Address: "alice"}, sdk.Message{ID: "c.1.1", Text: whole("")})
	if err == nil || !strings.Contains(err.Error(), "0 fields") {
		t.Errorf("Send of a bad form = %v, want a refusal that says why", err)
	}
}

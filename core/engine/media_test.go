package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const keptID = "0123456789abcdef0123456789abcdef"

// linking gives each link a number.
func linking(r *rig) {
	var n atomic.Int64
	r.opt.Kept = func(id string) *pluginv1.Attachment {
		if id != keptID {
			return nil
		}
		return &pluginv1.Attachment{MediaId: id, Url: fmt.Sprintf("https://gw/media/%d", n.Add(1)), Mime: "image/png", Name: "a.png", Bytes: 9}
	}
	r.snap.Services["shop"].Transcript = 20
	r.snap.Instances["desk"].Caps.MediaTypes = []string{"image/*"}
}

// photo is a message of ada's with a kept file.
func photo(id, text string) *pluginv1.Event {
	ev := from("ada", id, text)
	ev.Attachments = []*pluginv1.Attachment{{MediaId: keptID, Mime: "image/png"}, {Url: "https://x.example/b.png", MediaId: keptID, Mime: "image/png"}}
	return ev
}

// urls are those of the files that a call has, with its text.
func urls(m *pluginv1.Message) []string {
	all := []string{m.GetText()}
	for _, a := range m.GetAttachments() {
		all = append(all, a.Url)
	}
	return all
}

// TestLinksAreMadeLate: each attempt has a link of its own, nothing stored has one,
// and an address that the outside gave stays.
func TestLinksAreMadeLate(t *testing.T) {
	engine(t, linking, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Attempt < 3 {
				c.outcome(pluginv1.Outcome_RETRY, time.Second)
				return
			}
			c.ok()
		})
		r.accept("chan", photo("2", "look"))
		r.after(time.Minute)
		sends := r.to("desk", pluginv1.Op_SEND)
		if len(sends) != 3 {
			t.Fatalf("%d attempts", len(sends))
		}
		for i, c := range sends {
			if got, want := urls(c.Message), []string{"look", fmt.Sprintf("https://gw/media/%d", i+1), "https://x.example/b.png"}; !slices.Equal(got, want) {
				t.Errorf("attempt %d: %q, want %q", i+1, got, want)
			}
			if a := c.Message.Attachments[0]; a.Name != "a.png" || a.Bytes != 9 || a.MediaId != keptID {
				t.Errorf("attempt %d: what is known of the file is not there: %v", i+1, a)
			}
		}
		_, ends := r.history(ada())
		for _, e := range ends {
			if strings.Contains(fmt.Sprint(e), "gw/media") {
				t.Errorf("a link is stored: %v", e)
			}
		}
		r.idle()
	})
}

// TestLinksInTexts: where a file cannot go, its link does, also in what endpoints
// are told.
func TestLinksInTexts(t *testing.T) {
	rules := func(r *rig) {
		linking(r)
		r.rules = func(v *state.View) core.Evaluation {
			if v.Type != sdk.CustomerMessage {
				return core.Evaluation{}
			}
			body := `{"url":"` + media.Ref(keptID) + `"}`
			return core.Evaluation{Actions: []core.Action{{Rule: "r", Kind: core.Notify, Endpoint: "ops", Body: []byte(body)}}}
		}
	}
	engine(t, rules, func(r *rig) {
		r.open()
		if got := r.posted(); len(got) != 1 || !strings.Contains(got[0], `{"url":"https://gw/media/`) {
			t.Errorf("the endpoint was told %q", got)
		}
		for id, want := range map[string]string{keptID: "look\nold.png https://gw/media/", strings.Repeat("f", 32): "look\nold.png "} {
			r.forget()
			ev := said(r.doc(ada()).GetChat().GetRef(), id, "look")
			ev.Attachments = []*pluginv1.Attachment{{MediaId: id, Name: "old.png"}}
			r.accept("desk", ev)
			got := r.to("chan", pluginv1.Op_SEND)[0].Message.Text
			if number := strings.TrimPrefix(got, want); number == got || strings.Trim(number, "0123456789") != "" {
				t.Errorf("the customer reads %q, want %q", got, want)
			}
		}
		r.idle()
	})
}

// TestLinksInTranscripts: the lines of what was said before are the document's, and
// stay as they are.
func TestLinksInTranscripts(t *testing.T) {
	r := &rig{T: t, snap: testSnap()}
	linking(r)
	e := New(r.opt)
	line := &pluginv1.Line{Text: "see " + media.Ref(keptID), Attachments: []*pluginv1.Attachment{{MediaId: keptID}}}
	call := e.linkedCall(&pluginv1.Call{Chat: &pluginv1.Chat{Transcript: []*pluginv1.Line{line, {Text: "bye"}}}})
	got := call.Chat.Transcript[0]
	if !strings.HasPrefix(got.Text, "see https://gw/media/") || !strings.HasPrefix(got.Attachments[0].Url, "https://gw/media/") {
		t.Errorf("what was said before is %v", got)
	}
	if line.Text != "see "+media.Ref(keptID) || line.Attachments[0].Url != "" {
		t.Errorf("the document's line was changed: %v", line)
	}
	if call.Message != nil || call.Chat.Transcript[1].Text != "bye" {
		t.Errorf("the rest was changed: %v", call)
	}
}

// TestLinksInParameters: what rules have written of a file into what a vendor, an app
// or a call is told leads to it there, and stays a reference in the document.
func TestLinksInParameters(t *testing.T) {
	r := &rig{T: t, snap: testSnap()}
	linking(r)
	e := New(r.opt)
	texts := func() map[string]string { return map[string]string{"picture": media.Ref(keptID), "kind": "photo"} }
	customer := &pluginv1.Customer{Address: "ada", Attributes: texts()}
	before := &pluginv1.Call{
		Params: texts(), Message: &pluginv1.Message{Extras: texts()}, Customer: customer,
		Chat: &pluginv1.Chat{Attributes: texts(), Customer: customer},
	}
	call := before.CloneVT()
	call.Message, call.Customer, call.Chat.Customer = before.Message, customer, customer // as the document has them
	call.Params, call.Chat.Attributes = before.Params, before.Chat.Attributes
	call = e.linkedCall(call)
	for what, got := range map[string]map[string]string{
		"parameters": call.Params, "extras": call.Message.Extras, "the customer": call.Customer.Attributes,
		"the chat": call.Chat.Attributes, "the chat's customer": call.Chat.Customer.Attributes,
	} {
		if !strings.HasPrefix(got["picture"], "https://gw/media/") || got["kind"] != "photo" || len(got) != 2 {
			t.Errorf("%s: %v", what, got)
		}
	}
	for what, got := range map[string]map[string]string{
		"parameters": before.Params, "extras": before.Message.Extras, "customer": customer.Attributes, "chat": before.Chat.Attributes,
	} {
		if got["picture"] != media.Ref(keptID) {
			t.Errorf("the document's %s were changed: %v", what, got)
		}
	}
	if c := e.linkedCall(&pluginv1.Call{Customer: customer.CloneVT()}); c.Chat != nil || c.Params != nil || c.Message != nil {
		t.Errorf("a call got what it had not: %v", c)
	}
}

func TestLinksOfUndelivered(t *testing.T) {
	conf := func(r *rig) {
		linking(r)
		keeping(r)
		r.snap.Instances["chan"].Caps.MediaTypes = []string{"*/*"}
	}
	engine(t, conf, func(r *rig) {
		r.open()
		ev := said("chat-1", "a1", "here")
		ev.Ref, ev.Attachments = r.doc(ada()).GetChat().GetRef(), []*pluginv1.Attachment{{MediaId: keptID}}
		r.accept("desk", ev)
		var before string
		for range 2 {
			list, err := r.e.Undelivered(t.Context(), "chan", "ada", "", 0)
			if err != nil || len(list) != 1 {
				t.Fatalf("Undelivered = %v, %v", list, err)
			}
			url := list[0].Attachments[0].Url
			if !strings.HasPrefix(url, "https://gw/media/") || url == before {
				t.Errorf("the link is %q, before it was %q", url, before)
			}
			before = url
		}
		r.idle()
	})
}

package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// common are the members that say nothing of what an event is.
var common = map[string]bool{"sender": true, "recipient": true, "timestamp": true, "prior_message": true, "hop_context": true}

// kinds are those that are more than an event of their own name. Where an event has
// several, the first one counts.
var kinds = []string{"message", "postback", "delivery", "read", "reaction", "message_edit"}

// event adds what one event of the page means. What cannot be read is a custom
// event, so that it is not lost and the others are not held up.
func (b *batch) event(raw json.RawMessage, sent millis, standby bool) {
	var members map[string]json.RawMessage
	var h happening
	if json.Unmarshal(raw, &members) != nil || json.Unmarshal(raw, &h) != nil {
		b.invalid(raw, sent)
		return
	}
	if h.Timestamp == 0 {
		h.Timestamp = sent
	}
	f := &fact{batch: b, raw: raw, at: h.Timestamp, psid: b.who(h), standby: standby, kind: kindIn(members)}
	f.value = members[f.kind]
	f.fromPage = string(h.Sender.ID) == b.cfg.PageID
	if !f.known() {
		f.custom(f.kind, nil)
	}
}

// who is the customer of an event: whichever side is not the page.
func (b *batch) who(h happening) string {
	for _, id := range []text{h.Sender.ID, h.Recipient.ID} {
		if string(id) != b.cfg.PageID && addressable(string(id)) {
			return string(id)
		}
	}
	return ""
}

// kindIn names what an event is.
func kindIn(members map[string]json.RawMessage) string {
	for _, kind := range kinds {
		if members[kind] != nil {
			return kind
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !common[name] {
			return name
		}
	}
	return "unknown"
}

// fact is one event of the page.
type fact struct {
	*batch
	raw, value json.RawMessage
	kind       string
	at         millis
	psid       string // "": it names no customer
	standby    bool   // another app controls the thread
	fromPage   bool
}

// known adds the events of the kinds that are known; false: it is of none, or not
// as it should be.
func (f *fact) known() bool {
	switch {
	case f.psid == "":
		return false
	case f.kind == "message":
		return f.message()
	case f.kind == "postback":
		return f.postback()
	case f.kind == "delivery", f.kind == "read":
		return f.receipts()
	case f.kind == passControl, f.kind == takeControl, f.kind == requestControl:
		return f.control()
	}
	return false
}

// message: what the customer wrote, or the echo of what the page did.
func (f *fact) message() bool {
	var m message
	if json.Unmarshal(f.value, &m) != nil {
		return false
	}
	switch {
	case m.Echo || f.fromPage:
		f.echo(m)
		return true
	case m.Deleted:
		f.custom("message_deleted", nil)
		return true
	case f.standby:
		f.custom("standby", map[string]string{"kind": "message", "text": f.inWords(m)})
		return true
	}
	e := sdk.Event{Type: sdk.CustomerMessage, ID: f.id(string(m.Mid)), MessageID: string(m.Mid), Text: string(m.Text), Payload: f.raw}
	var chosen payload
	if json.Unmarshal(m.QuickReply, &chosen) == nil && string(m.QuickReply) != "null" {
		e.QuickReply = &sdk.QuickReply{Title: string(m.Text), Payload: string(chosen.Payload)}
	}
	files := f.files(&e, m.Attachments)
	if e.Text == "" && len(files) == 0 {
		e.Text = "[a message that cannot be shown]"
	}
	d := f.add(f.at, f.psid, e)
	d.files, d.spoken = files, true
	f.referral(e.ID, m.Referral)
	return true
}

// echo: the page wrote. What went through here is known already, and may be news
// where Meta's answer was lost; anything else somebody wrote elsewhere.
func (f *fact) echo(m message) {
	key, ours := keyOf(string(m.Metadata))
	if f.cfg.AppID != "" { // another gateway may be an app of this page, too
		ours = string(m.AppID) == f.cfg.AppID
	}
	if ours {
		f.sent.took(key, string(m.Mid))
		return
	}
	by := cmp.Or(f.cfg.side(string(m.AppID)), inbox)
	f.custom("page_message", map[string]string{"by": by, "text": f.inWords(m)})
}

// inWords is all of a message as a text: nobody has its files.
func (f *fact) inWords(m message) string {
	var e sdk.Event
	for _, file := range f.files(&e, m.Attachments) {
		file.note(&e, file.url)
	}
	return strings.TrimSpace(string(m.Text) + "\n" + e.Text)
}

// control: apps pass the thread to each other, take it, ask for it. Meta tells who
// gets it, or loses it.
func (f *fact) control() bool {
	var h struct {
		Owner text `json:"new_owner_app_id"`
		Asker text `json:"requested_owner_app_id"`
	}
	if json.Unmarshal(f.value, &h) != nil {
		return false
	}
	owner := f.cfg.side(string(h.Owner))
	extra := map[string]string{"owner": cmp.Or(owner, other)}
	switch {
	case f.kind == requestControl:
		extra = map[string]string{"by": cmp.Or(f.cfg.side(string(h.Asker)), other)}
	case f.kind == passControl && (owner == "" || owner == other && f.cfg.AppID == ""):
		extra["owner"] = us
	}
	if extra["owner"] == us {
		f.asked.forget(f.psid)
	}
	f.custom(f.kind, extra)
	return true
}

// postback: the customer pressed a button.
func (f *fact) postback() bool {
	var p postback
	if json.Unmarshal(f.value, &p) != nil {
		return false
	}
	if f.standby {
		f.custom("standby", map[string]string{"kind": "postback"})
		return true
	}
	e := sdk.Event{Type: sdk.CustomerMessage, ID: f.id(string(p.Mid)), MessageID: string(p.Mid), Text: string(p.Title), Payload: f.raw}
	e.QuickReply = &sdk.QuickReply{Title: string(p.Title), Payload: string(p.Payload)}
	if e.Text == "" {
		e.Text = string(p.Payload)
	}
	if e.Text == "" {
		return false
	}
	f.add(f.at, f.psid, e).spoken = true
	f.referral(e.ID, p.Referral)
	return true
}

// referral: where the customer came from, told with what the customer did.
func (f *fact) referral(of string, value json.RawMessage) {
	if len(value) == 0 || string(value) == "null" {
		return
	}
	f.add(f.at, f.psid, sdk.Event{Type: sdk.CustomEvent, EventName: "referral", ID: "referral:" + of, Params: flat(value)})
}

// receipts: Meta names the messages that were delivered, or only until when they
// were sent, and always so of those that were read.
func (f *fact) receipts() bool {
	var m marks
	if json.Unmarshal(f.value, &m) != nil || m.Watermark == 0 && len(m.Mids) == 0 {
		return false
	}
	typ := sdk.MessageDelivered
	if f.kind == "read" {
		typ = sdk.MessageRead
	}
	for _, mid := range m.Mids {
		if mid != "" {
			f.add(f.at, f.psid, sdk.Event{Type: typ, ID: f.kind + ":" + string(mid), MessageID: string(mid)})
		}
	}
	if m.Watermark == 0 {
		return true
	}
	d := f.add(f.at, f.psid, sdk.Event{Type: typ, ID: f.kind + ":" + m.Watermark.time().Format("20060102T150405.000")})
	d.At = m.Watermark.time() // all that was sent until then
	return true
}

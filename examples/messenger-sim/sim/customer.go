package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// Event is one of the page's events, as JSON has it.
type Event = map[string]any

// Act is an event of a customer's, at the time that it is. It counts for the window,
// and an idle thread becomes the default app's.
func (s *Sim) Act(psid, kind string, value any) Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, p := s.opts.Now(), s.person(psid)
	p.owner = cmp.Or(s.owner(p), s.opts.Default)
	p.acted = now
	return s.event(psid, s.opts.Page, now, kind, value)
}

func (s *Sim) event(from, to string, at time.Time, kind string, value any) Event {
	return Event{"sender": Event{"id": from}, "recipient": Event{"id": to}, "timestamp": at.UnixMilli(), kind: value}
}

// Say has a customer write, and returns the message's id.
func (s *Sim) Say(psid, text string) (mid string) {
	return s.Message(psid, Event{"text": text})
}

// Choose has a customer press a quick reply.
func (s *Sim) Choose(psid, title, payload string) (mid string) {
	return s.Message(psid, Event{"text": title, "quick_reply": Event{"payload": payload}})
}

// SendFile has a customer send a file: Meta keeps it for a while.
func (s *Sim) SendFile(psid, kind, mime string, data []byte) (mid string) {
	return s.Message(psid, Event{"attachments": []Event{{"type": kind, "payload": Event{"url": s.keep(mime, data)}}}})
}

// Message has a customer send a message with these members.
func (s *Sim) Message(psid string, message Event) (mid string) {
	s.read(psid)
	s.mu.Lock()
	mid = s.mid()
	s.mu.Unlock()
	message["mid"] = mid
	s.tell(psid, "message", message)
	return mid
}

// Press has a customer press a button.
func (s *Sim) Press(psid, title, payload string) {
	s.mu.Lock()
	mid := s.mid()
	s.mu.Unlock()
	s.tell(psid, "postback", Event{"mid": mid, "title": title, "payload": payload})
}

// InboxSays has a person write in the inbox of the page, which takes the thread by
// that if threads are routed.
func (s *Sim) InboxSays(psid, text string) {
	if s.opts.Default != "" {
		s.Take(psid, inboxApp, "")
	}
	s.AppSays(psid, inboxApp, text)
}

// AppSays has another app write.
func (s *Sim) AppSays(psid, app, text string) {
	s.mu.Lock()
	e := s.event(s.opts.Page, psid, s.opts.Now(), "message",
		Event{"is_echo": true, "app_id": json.Number(app), "mid": s.mid(), "text": text})
	s.mu.Unlock()
	if s.mine(psid) {
		s.Post(e)
		return
	}
	s.Standby(e)
}

// read has a customer see what has been delivered.
func (s *Sim) read(psid string) {
	s.mu.Lock()
	p := s.person(psid)
	until := p.unread
	p.unread = time.Time{}
	e := s.event(psid, s.opts.Page, s.opts.Now(), "read", Event{"watermark": until.UnixMilli()})
	s.mu.Unlock()
	if !until.IsZero() {
		s.Post(e)
	}
}

// follow is what Meta tells after a message of the page. The caller holds s.mu.
func (s *Sim) follow(m Message, p *person) {
	var all []Event
	if s.opts.Echoes {
		app := 0
		_, _ = fmt.Sscan(s.opts.App, &app)
		echo := Event{"is_echo": true, "app_id": app, "mid": m.Mid}
		if m.Metadata != "" {
			echo["metadata"] = m.Metadata
		}
		if m.Text != "" {
			echo["text"] = m.Text
		}
		all = append(all, s.event(s.opts.Page, m.To, m.At, "message", echo))
	}
	if s.opts.Receipts {
		all = append(all, s.event(m.To, s.opts.Page, m.At, "delivery",
			Event{"mids": []string{m.Mid}, "watermark": m.At.UnixMilli()}))
		p.unread = m.At
	}
	if len(all) > 0 {
		s.work.Go(func() { s.Post(all...) })
	}
}

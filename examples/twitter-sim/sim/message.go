package sim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	maxText     = 10_000 // characters
	maxOptions  = 20
	maxLabel    = 36
	maxMetadata = 1000
)

type bodyV2 struct {
	Text        string `json:"text"`
	Attachments []struct {
		MediaID string `json:"media_id"`
	} `json:"attachments"`
}

func (s *Sim) sendV2(w http.ResponseWriter, r *http.Request) {
	var b bodyV2
	auth, ok := s.user(w, r, nil)
	if !ok || !s.body(w, r, &b) {
		return
	}
	m := Message{To: r.PathValue("id"), Text: b.Text, API: "v2", Auth: auth}
	if len(b.Attachments) > 1 {
		s.invalid(w, r, "%d attachments", len(b.Attachments))
		return
	}
	media := ""
	if len(b.Attachments) == 1 {
		media = b.Attachments[0].MediaID
	}
	if why := s.check(&m, media); why != "" {
		s.invalid(w, r, "%s", why)
		return
	}
	if s.isGone(m.To) {
		refuse(w, 403, blank, "Forbidden", "You are not permitted to send a direct message to this user.")
		return
	}
	number := s.keep(m)
	reply(w, 201, map[string]any{"data": map[string]string{
		"dm_conversation_id": s.opts.UserID + "-" + m.To, "dm_event_id": number}})
}

type bodyV11 struct {
	Event struct {
		Type   string `json:"type"`
		Create struct {
			Target struct {
				Recipient string `json:"recipient_id"`
			} `json:"target"`
			Data struct {
				Text       string `json:"text"`
				Attachment *struct {
					Type  string `json:"type"`
					Media struct {
						ID string `json:"id"`
					} `json:"media"`
				} `json:"attachment"`
				Reply *struct {
					Type    string `json:"type"`
					Options []struct {
						Label       string `json:"label"`
						Description string `json:"description"`
						Metadata    string `json:"metadata"`
					} `json:"options"`
				} `json:"quick_reply"`
			} `json:"message_data"`
		} `json:"message_create"`
	} `json:"event"`
}

func (s *Sim) sendV11(w http.ResponseWriter, r *http.Request) {
	var b bodyV11
	auth, ok := s.user(w, r, nil)
	if !ok || !s.body(w, r, &b) {
		return
	}
	create := b.Event.Create
	m := Message{To: create.Target.Recipient, Text: create.Data.Text, API: "v1.1", Auth: auth}
	media, why := "", ""
	if a := create.Data.Attachment; a != nil {
		media = a.Media.ID
		if a.Type != "media" || media == "" {
			why = "an attachment without media"
		}
	}
	if b.Event.Type != "message_create" {
		why = "not a message_create"
	}
	if q := create.Data.Reply; q != nil {
		if q.Type != "options" || len(q.Options) == 0 || len(q.Options) > maxOptions || m.Text == "" {
			why = "quick replies that are none"
		}
		for _, o := range q.Options {
			if o.Label == "" || utf8.RuneCountInString(o.Label) > maxLabel || len(o.Metadata) > maxMetadata {
				why = "an option without a label, or with one that is too long"
			}
			m.Options = append(m.Options, o.Metadata)
		}
	}
	if why == "" {
		why = s.check(&m, media)
	}
	switch {
	case why != "":
		s.invalid(w, r, "%s", why)
	case s.isGone(m.To):
		refuseCode(w, 403, 349, "You cannot send messages to this user.")
	default:
		number := s.keep(m)
		reply(w, 200, map[string]any{"event": map[string]any{"type": "message_create", "id": number,
			"created_timestamp": s.stamp(), "message_create": map[string]any{"target": map[string]string{"recipient_id": m.To},
				"sender_id": s.opts.UserID, "message_data": map[string]string{"text": m.Text}}}})
	}
}

// body reads JSON with no members but those of v.
func (s *Sim) body(w http.ResponseWriter, r *http.Request, v any) bool {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.invalid(w, r, "the content type is %q", r.Header.Get("Content-Type"))
		return false
	}
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.DisallowUnknownFields()
		err = d.Decode(v)
	}
	if err != nil {
		s.invalid(w, r, "the body: %v", err)
		return false
	}
	s.opts.Seen("< " + r.Method + " " + r.URL.Path + "\n" + string(raw))
	return true
}

// check returns what is wrong with a message, and takes its file.
func (s *Sim) check(m *Message, media string) string {
	switch {
	case !digits(m.To):
		return "the recipient is not a number"
	case utf8.RuneCountInString(m.Text) > maxText:
		return "the text is too long"
	case m.Text == "" && media == "":
		return "neither text nor file"
	case media == "":
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[media]
	switch {
	case u == nil || !u.ended:
		return "an unknown file"
	case s.opts.Now().Sub(u.at) > uploadLife:
		return "a file that is too old"
	case u.checks > 0:
		return "a file that is not processed yet"
	}
	m.Media, m.MediaType = u.data, u.category
	return ""
}

func (s *Sim) isGone(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[user]
}

func (s *Sim) keep(m Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ID = s.nextID()
	s.sent = append(s.sent, m)
	s.note(listed{from: s.opts.UserID, text: escaped.Replace(m.Text)}, m.ID, m.To, "")
	return m.ID
}

package sim

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// request is a call to send, strictly: other members are refused.
type request struct {
	Recipient *struct {
		ID string `json:"id"`
	} `json:"recipient"`
	MessagingType string `json:"messaging_type"`
	Tag           string `json:"tag"`
	Notification  string `json:"notification_type"`
	SenderAction  string `json:"sender_action"`
	Message       *struct {
		Text       string `json:"text"`
		Attachment *struct {
			Type    string `json:"type"`
			Payload struct {
				URL      string `json:"url"`
				Reusable bool   `json:"is_reusable"`
			} `json:"payload"`
		} `json:"attachment"`
		QuickReplies []struct {
			ContentType string `json:"content_type"`
			Title       string `json:"title"`
			Payload     string `json:"payload"`
			ImageURL    string `json:"image_url"`
		} `json:"quick_replies"`
		Metadata string `json:"metadata"`
	} `json:"message"`

	file []byte
	mime string
}

// send answers POST /{page}/messages.
func (s *Sim) send(r *http.Request) (any, *graphError) {
	if err := s.own(r); err != nil {
		return nil, err
	}
	q, err := s.decode(r)
	if err != nil {
		return nil, err
	}
	if q.Recipient == nil || q.Recipient.ID == "" {
		return nil, wrong(100, 0, "The parameter recipient is required")
	}
	to := q.Recipient.ID
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[to]
	switch {
	case p == nil:
		return nil, no(100, 2018001, "No matching user found")
	case p.blocked:
		return nil, no(551, 1545041, "This person isn't available right now.")
	case q.SenderAction != "":
		if q.Message != nil || !slices.Contains([]string{"typing_on", "typing_off", "mark_seen"}, q.SenderAction) {
			return nil, wrong(100, 0, "sender_action goes alone, and is typing_on, typing_off or mark_seen")
		}
		s.actions = append(s.actions, q.SenderAction+" "+to)
		s.news()
		return map[string]string{"recipient_id": to}, nil
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := s.may(q, p); err != nil {
		return nil, err
	}
	m := Message{N: len(s.sent) + 1, At: s.opts.Now(), Mid: s.mid(), To: to, Type: q.MessagingType, Tag: q.Tag,
		Text: q.Message.Text, Metadata: q.Message.Metadata, File: q.file, MIME: q.mime}
	if a := q.Message.Attachment; a != nil {
		m.Kind, m.URL = a.Type, a.Payload.URL
	}
	for _, b := range q.Message.QuickReplies {
		m.Replies = append(m.Replies, b.Title)
	}
	s.sent = append(s.sent, m)
	s.news()
	s.follow(m, p)
	return map[string]string{"recipient_id": to, "message_id": m.Mid}, nil
}

// decode reads JSON or a form.
func (s *Sim) decode(r *http.Request) (*request, *graphError) {
	q := new(request)
	typ, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, wrong(100, 0, "no content type")
	}
	strict := func(text string, v any) *graphError {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			return wrong(100, 0, "Invalid parameter: %v", err)
		}
		return nil
	}
	switch typ {
	case "application/json":
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, wrong(100, 0, "the body does not come")
		}
		s.opts.Wire(false, string(b))
		return q, strict(string(b), q)
	case "multipart/form-data":
		if params["boundary"] == "" || r.ParseMultipartForm(maxBody) != nil {
			return nil, wrong(100, 0, "the form cannot be read")
		}
		for name, values := range r.MultipartForm.Value {
			switch name {
			case "recipient":
				if err := strict(values[0], &q.Recipient); err != nil {
					return nil, err
				}
			case "message":
				if err := strict(values[0], &q.Message); err != nil {
					return nil, err
				}
			case "messaging_type":
				q.MessagingType = values[0]
			case "tag":
				q.Tag = values[0]
			default:
				return nil, wrong(100, 0, "Unknown parameter %s", name)
			}
		}
		return q, q.upload(r)
	}
	return nil, wrong(100, 0, "content type %s", typ)
}

// upload reads the file of a form.
func (q *request) upload(r *http.Request) *graphError {
	files := r.MultipartForm.File["filedata"]
	if len(files) != 1 || len(r.MultipartForm.File) != 1 {
		return wrong(100, 2018047, "one file is wanted, filedata")
	}
	f, err := files[0].Open()
	if err != nil {
		return wrong(100, 2018047, "the file cannot be read")
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil || b.Len() == 0 || b.Len() > 25<<20 {
		return wrong(100, 2018047, "Upload attachment failure.")
	}
	q.file, q.mime = b.Bytes(), files[0].Header.Get("Content-Type")
	return nil
}

// check refuses what is never a message.
func (q *request) check() *graphError {
	m := q.Message
	switch {
	case m == nil || (m.Text == "") == (m.Attachment == nil):
		return wrong(100, 2018034, "Message cannot be empty, must provide valid attachment or text")
	case !utf8.ValidString(m.Text) || len(utf16.Encode([]rune(m.Text))) >= 2000:
		return wrong(100, 2018109, "Length of param message[text] must be less than 2000")
	case len(m.Metadata) > 1000:
		return wrong(100, 0, "metadata is longer than 1000")
	case len(m.QuickReplies) > 13:
		return wrong(100, 0, "Too many quick replies")
	case !slices.Contains([]string{"RESPONSE", "UPDATE", "MESSAGE_TAG"}, q.MessagingType):
		return wrong(100, 0, "messaging_type %q", q.MessagingType)
	case (q.MessagingType == "MESSAGE_TAG") != (q.Tag != "") || q.Tag != "" && q.Tag != "HUMAN_AGENT":
		return wrong(100, 2018199, "tag %q", q.Tag)
	}
	for _, b := range m.QuickReplies {
		if n := utf8.RuneCountInString(b.Title); b.ContentType != "text" || n == 0 || n > 20 || b.Payload == "" || len(b.Payload) > 1000 {
			return wrong(100, 0, "quick reply %q", b.Title)
		}
	}
	if a := m.Attachment; a != nil {
		switch {
		case !slices.Contains([]string{"image", "audio", "video", "file"}, a.Type):
			return wrong(100, 0, "attachment type %q", a.Type)
		case (a.Payload.URL == "") == (q.file == nil):
			return wrong(100, 2018047, "an attachment has a URL or a file")
		case a.Payload.URL != "" && !strings.HasPrefix(a.Payload.URL, "https://"):
			return wrong(100, 2018008, "Failed to fetch the file from the url")
		}
	}
	return nil
}

// The windows after a customer's act.
const (
	openWindow  = 24 * time.Hour
	agentWindow = 7 * 24 * time.Hour
)

// may says whether the page may write to p now. The caller holds s.mu.
func (s *Sim) may(q *request, p *person) *graphError {
	since := s.opts.Now().Sub(p.acted)
	closed := no(10, 2018278, "This message is sent outside of allowed window.")
	switch {
	case q.Tag == "HUMAN_AGENT" && !s.opts.HumanAgent:
		return wrong(200, 2018276, "The app lacks the feature human_agent")
	case q.Tag == "HUMAN_AGENT" && since <= openWindow:
		s.broke("HUMAN_AGENT within 24 hours")
	case q.Tag == "HUMAN_AGENT" && since > agentWindow, q.Tag == "" && since > openWindow:
		return closed
	}
	if !s.ours(p) {
		return no(10, 2018300, "Message not sent because another app is controlling this thread now.")
	}
	return nil
}

package sim

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// outgoing is what the customer service API takes.
type outgoing struct {
	ToUser  string `json:"touser"`
	MsgType string `json:"msgtype"`
	Text    *struct {
		Content string `json:"content"`
	} `json:"text"`
	Image *withMedia `json:"image"`
	Voice *withMedia `json:"voice"`
	Video *struct {
		withMedia
		Thumb       string `json:"thumb_media_id"`
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"video"`
	News *struct {
		Articles []struct {
			Title       string `json:"title"`
			Description string `json:"description"`
			URL         string `json:"url"`
			PicURL      string `json:"picurl"`
		} `json:"articles"`
	} `json:"news"`
	Menu *struct {
		Head string   `json:"head_content"`
		List []Choice `json:"list"`
		Tail string   `json:"tail_content"`
	} `json:"msgmenu"`
	Service *struct {
		Account string `json:"kf_account"`
	} `json:"customservice"`
}

type withMedia struct {
	MediaID string `json:"media_id"`
}

const maxText = 2047 // bytes of a text

func (s *Sim) send(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, 47001, "data format error")
		return
	}
	s.opts.Wire(false, "POST /cgi-bin/message/custom/send\n"+string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	var m outgoing
	if err := strictly(bytes.NewReader(body), &m); err != nil || !utf8.Valid(body) {
		answer(w, 47001, "data format error")
		return
	}
	if strings.Contains(string(body), `\u`) {
		s.broken("a text has escapes, which the customer sees")
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.broken("JSON is not said to be JSON")
	}
	shown, code := s.look(&m)
	if code == 0 {
		code = s.reach(m.ToUser)
	}
	if code != 0 {
		answer(w, code, words[code])
		return
	}
	if len(s.shown) < maxLog {
		s.shown = append(s.shown, shown)
	}
	answer(w, 0, "ok")
}

// words are WeChat's for some codes.
var words = map[int]string{
	40003: "invalid openid", 40007: "invalid media_id", 40008: "invalid message type", 43004: "require subscribe",
	44002: "empty post data", 45002: "content size out of limit", 45008: "article size out of limit",
	45015: "response out of time limit or subscription is canceled", 45047: "out of response count limit",
	47001: "data format error",
}

// reach uses up one message to a customer. The caller holds s.mu.
func (s *Sim) reach(id string) int {
	p := s.people[id]
	switch {
	case p == nil:
		return 40003
	case p.gone:
		return 43004
	}
	return p.take(s.opts.Now())
}

// look checks a message and returns what the customer sees. The caller holds s.mu.
func (s *Sim) look(m *outgoing) (sh Shown, code int) {
	sh = Shown{To: m.ToUser, Kind: m.MsgType}
	if m.Service != nil {
		if sh.Account = m.Service.Account; !strings.Contains(sh.Account, "@") {
			return sh, 47001
		}
	}
	switch {
	case m.MsgType == "text" && m.Text != nil:
		sh.Text = m.Text.Content
	case m.MsgType == "image" && m.Image != nil:
		return s.file(sh, "image", m.Image.MediaID)
	case m.MsgType == "voice" && m.Voice != nil:
		return s.file(sh, "voice", m.Voice.MediaID)
	case m.MsgType == "video" && m.Video != nil:
		if _, code := s.file(sh, "thumb", m.Video.Thumb); code != 0 {
			return sh, code
		}
		sh.Text, sh.Thumb = m.Video.Title, true
		return s.file(sh, "video", m.Video.MediaID)
	case m.MsgType == "news" && m.News != nil && len(m.News.Articles) == 1:
		a := m.News.Articles[0]
		sh.Text = a.Title + "\n" + a.Description + "\n" + a.URL
	case m.MsgType == "news":
		return sh, 45008
	case m.MsgType == "msgmenu" && m.Menu != nil && len(m.Menu.List) > 0:
		sh.Text, sh.Choices = m.Menu.Head, m.Menu.List
		for _, c := range m.Menu.List {
			if c.ID == "" || c.Content == "" {
				return sh, 47001
			}
		}
	default:
		return sh, 40008
	}
	switch {
	case sh.Text == "" && len(sh.Choices) == 0:
		return sh, 44002
	case len(sh.Text) > maxText:
		return sh, 45002
	}
	return sh, 0
}

// showTyping shows that somebody writes.
func (s *Sim) showTyping(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ToUser  string `json:"touser"`
		Command string `json:"command"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := strictly(r.Body, &in)
	p := s.people[in.ToUser]
	switch {
	case err != nil:
		answer(w, 47001, words[47001])
	case in.Command != "Typing" && in.Command != "CancelTyping":
		answer(w, 45072, "invalid command")
	case p == nil:
		answer(w, 40003, words[40003])
	case !p.open(s.opts.Now()):
		answer(w, 45080, "no message in time")
	default:
		s.typing = append(s.typing, in.Command)
		answer(w, 0, "ok")
	}
}

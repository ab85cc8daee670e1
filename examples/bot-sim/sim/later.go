package sim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// outgoing is something for the gateway's hook; id is that of signed JSON.
type outgoing struct {
	id   string
	body []byte
}

// later says things at the hook, in order within a conversation.
func (s *Sim) later(conversation string, all []outgoing) {
	if len(all) == 0 {
		return
	}
	s.mu.Lock()
	before, done := s.last[conversation], make(chan struct{})
	s.last[conversation] = done
	s.mu.Unlock()
	s.work.Go(func() {
		defer s.gone(conversation, done)
		if before != nil {
			<-before
		}
		for _, o := range all {
			if !s.think(s.ctx) {
				return
			}
			s.insist(o)
		}
	})
}

func (s *Sim) gone(conversation string, done chan struct{}) {
	close(done)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[conversation] == done {
		delete(s.last, conversation)
	}
}

// insist posts o until the hook takes it or says that it never will. A real
// Rasa tries once.
func (s *Sim) insist(o outgoing) {
	for range 10 {
		status, err := s.post(o)
		s.opts.Log.Debug("hook", "status", status, "err", err)
		if err == nil && status != http.StatusTooManyRequests && status < 500 {
			return
		}
		t := time.NewTimer(s.opts.Retry)
		select {
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return
		}
	}
}

func (s *Sim) post(o outgoing) (int, error) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook == "" {
		return 0, nil
	}
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, hook, bytes.NewReader(o.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if o.id != "" {
		s.sign(r.Header, o.id, s.opts.Now(), o.body)
	} else if s.opts.HookToken != "" {
		r.URL.RawQuery = url.Values{"token": {s.opts.HookToken}}.Encode()
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	return res.StatusCode, nil
}

// Say has the bot say something unasked, at the hook: as signed JSON if it has
// a secret, and else as a callback of Rasa's.
func (s *Sim) Say(conversation string, replies ...Reply) {
	if len(s.keys) == 0 {
		s.later(conversation, rasaCallbacks(conversation, replies))
		return
	}
	s.later(conversation, []outgoing{{id: "say-" + rand.Text(),
		body: encode(jsonReply{Version: 1, Conversation: conversation, Events: jsonEvents(replies)})}})
}

func (s *Sim) say(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Conversation string `json:"conversation"`
		Text         string `json:"text"`
		Action       string `json:"action"`
		Reason       string `json:"reason"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil || b.Conversation == "" || (b.Text == "") == (b.Action == "") {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "want a conversation, and a text or an action"})
		return
	}
	s.Say(b.Conversation, Reply{Text: b.Text, Action: b.Action, Reason: b.Reason})
	writeJSON(w, http.StatusAccepted, map[string]string{"status": "accepted"})
}

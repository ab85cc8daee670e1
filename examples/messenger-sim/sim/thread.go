package sim

import (
	"encoding/json"
	"net/http"
)

// thread answers the calls about who controls a thread.
func (s *Sim) thread(verb string) func(r *http.Request) (any, *graphError) {
	return func(r *http.Request) (any, *graphError) {
		if err := s.own(r); err != nil {
			return nil, err
		}
		var q struct {
			Recipient struct {
				ID string `json:"id"`
			} `json:"recipient"`
			Target   string `json:"target_app_id"`
			Metadata string `json:"metadata"`
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil || (verb == "pass_thread_control") != (q.Target != "") {
			return nil, wrong(100, 0, "%s: the parameters are not right", verb)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		p := s.people[q.Recipient.ID]
		if p == nil {
			return nil, no(100, 2018001, "No matching user found")
		}
		switch verb {
		case "take_thread_control":
			p.owner = ""
		case "pass_thread_control":
			p.owner = q.Target
		case "release_thread_control":
			p.owner = "263902037430900"
		}
		s.actions = append(s.actions, verb+" "+q.Recipient.ID)
		s.news()
		return map[string]bool{"success": true}, nil
	}
}

func (s *Sim) threadOwner(r *http.Request) (any, *graphError) {
	if err := s.own(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.opts.App
	if p := s.people[r.URL.Query().Get("recipient")]; p != nil && p.owner != "" {
		owner = p.owner
	}
	return map[string]any{"data": []any{map[string]any{"thread_owner": map[string]string{"app_id": owner}}}}, nil
}

// TakenBy has another app control the thread of a customer; "" gives it back.
func (s *Sim) TakenBy(psid, app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.person(psid).owner = app
}

// Block has a customer block the page.
func (s *Sim) Block(psid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.person(psid).blocked = true
}

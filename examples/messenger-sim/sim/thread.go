package sim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// inboxApp is the app of the page's inbox, as Meta's page on Conversation Routing
// has it.
const inboxApp = "263902037430900"

// threadFor is how long an app controls a thread after the customer's last act.
const threadFor = 24 * time.Hour

// controlCall is a call about who controls a thread.
type controlCall struct {
	Recipient struct {
		ID string `json:"id"`
	} `json:"recipient"`
	Target   string `json:"target_app_id"`
	Metadata string `json:"metadata"`
}

// thread answers the calls about who controls a thread.
func (s *Sim) thread(verb string) func(r *http.Request) (any, *graphError) {
	return func(r *http.Request) (any, *graphError) {
		if err := s.own(r); err != nil {
			return nil, err
		}
		var q controlCall
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil || (verb == "pass_thread_control") != (q.Target != "") || len(q.Metadata) > 1000 {
			return nil, wrong(100, 0, "%s: the parameters are not right", verb)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		p := s.people[q.Recipient.ID]
		if p == nil {
			return nil, no(100, 2018001, "No matching user found")
		}
		if err := s.control(verb, p, q); err != nil {
			return nil, err
		}
		s.actions = append(s.actions, verb+" "+q.Recipient.ID)
		s.news()
		return map[string]bool{"success": true}, nil
	}
}

// control changes who controls a thread, as far as this app may. The caller holds
// s.mu.
func (s *Sim) control(verb string, p *person, q controlCall) *graphError {
	owner := s.owner(p)
	switch verb {
	case "take_thread_control":
		if owner != s.opts.App && s.opts.Default != s.opts.App {
			return no(10, 0, "Only the default app may take a thread")
		}
		p.owner = s.opts.App
	case "pass_thread_control":
		if owner != s.opts.App && !s.free(owner) {
			return no(10, 2018300, "Another app is controlling this thread now.")
		}
		if _, err := strconv.ParseUint(q.Target, 10, 64); err != nil {
			return wrong(100, 0, "target_app_id %q", q.Target)
		}
		p.owner = q.Target
	case "release_thread_control":
		if owner != s.opts.App && !s.free(owner) {
			return no(10, 2018300, "Another app is controlling this thread now.")
		}
		p.owner = ""
	}
	return nil // a request is for the owner to grant: see Pass
}

// owner is the app that controls a thread, "": it is idle. The caller holds s.mu.
func (s *Sim) owner(p *person) string {
	if s.opts.Now().Sub(p.acted) > threadFor {
		return ""
	}
	return p.owner
}

// free says whether this app may act on a thread with that owner as if it were its
// own: it is idle, and this is the default app, or there is none.
func (s *Sim) free(owner string) bool {
	return owner == "" && (s.opts.Default == "" || s.opts.Default == s.opts.App)
}

// ours says whether this app may write in a thread. The caller holds s.mu.
func (s *Sim) ours(p *person) bool {
	owner := s.owner(p)
	return owner == s.opts.App || s.free(owner)
}

func (s *Sim) threadOwner(r *http.Request) (any, *graphError) {
	if err := s.own(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[r.URL.Query().Get("recipient")]
	if p == nil {
		return nil, no(100, 2018001, "No matching user found")
	}
	owner := s.owner(p)
	if owner == "" || owner != s.opts.App && s.opts.Default != s.opts.App {
		return map[string]any{"data": []any{}}, nil
	}
	return map[string]any{"data": []any{map[string]any{"thread_owner": map[string]any{
		"app_id": owner, "expiration": p.acted.Add(threadFor).Unix()}}}}, nil
}

// Owner returns the app that controls a customer's thread, "": it is idle.
func (s *Sim) Owner(psid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner(s.person(psid))
}

// Pass has the app that controls a thread pass it to app, which is told if it is
// this one.
func (s *Sim) Pass(psid, app, metadata string) {
	s.mu.Lock()
	p := s.person(psid)
	was := s.owner(p)
	p.owner = app
	s.mu.Unlock()
	if app == s.opts.App {
		s.Post(s.handover(psid, "pass_thread_control", was, app, metadata))
	}
}

// Take has app take a thread; if it was this one's, this one is told.
func (s *Sim) Take(psid, app, metadata string) {
	s.mu.Lock()
	p := s.person(psid)
	was := s.ours(p)
	p.owner = app
	s.mu.Unlock()
	if was {
		s.Post(s.handover(psid, "take_thread_control", s.opts.App, app, metadata))
	}
}

// Ask has app ask this one for a thread.
func (s *Sim) Ask(psid, app, metadata string) {
	value := Event{"requested_owner_app_id": json.Number(app)}
	if metadata != "" {
		value["metadata"] = metadata
	}
	s.Post(s.event(psid, s.opts.Page, s.opts.Now(), "request_thread_control", value))
}

func (s *Sim) handover(psid, kind, was, app, metadata string) Event {
	value := Event{"previous_owner_app_id": nil, "new_owner_app_id": app}
	if was != "" {
		value["previous_owner_app_id"] = was
	}
	if metadata != "" {
		value["metadata"] = metadata
	}
	return s.event(psid, s.opts.Page, s.opts.Now(), kind, value)
}

// tell has a customer do something, and tells this app of it, as its own or, if
// another one controls the thread, for its information.
func (s *Sim) tell(psid, kind string, value Event) {
	e := s.Act(psid, kind, value)
	if s.mine(psid) {
		s.Post(e)
		return
	}
	if kind == "postback" {
		delete(value, "payload")
	}
	s.Standby(e)
}

func (s *Sim) mine(psid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ours(s.person(psid))
}

// Block has a customer block the page.
func (s *Sim) Block(psid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.person(psid).blocked = true
}

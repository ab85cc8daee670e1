package sim

import (
	"net/http"
	"time"
)

const (
	tokenLife  = 7200 * time.Second
	overlap    = 5 * time.Minute  // in which the former token is valid, too
	forceApart = 30 * time.Second // between two forced ones
	forcePer   = 20               // a day
)

// tokens are the access tokens of the account.
type tokens struct {
	value, former string
	until         time.Time // of value
	formerUntil   time.Time
	forced        []time.Time
	asked         int
}

// TokenCalls is how often a token was asked for.
func (s *Sim) TokenCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.asked
}

// Forced is how often a new token was forced.
func (s *Sim) Forced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens.forced)
}

// Rotate makes a new token, as if another process had forced one: the one that
// the gateway has is not valid any more.
func (s *Sim) Rotate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew(s.opts.Now())
	s.tokens.former = ""
}

// Token is the access token that is valid, "" if none was asked for.
func (s *Sim) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.value
}

// renew makes a new token. The caller holds s.mu.
func (s *Sim) renew(now time.Time) {
	t := &s.tokens
	t.former, t.formerUntil = t.value, now.Add(overlap)
	t.value, t.until = "token-"+random()+random(), now.Add(tokenLife)
}

func (s *Sim) stableToken(w http.ResponseWriter, r *http.Request) {
	var in struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
		Force     bool   `json:"force_refresh"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens.asked++
	now := s.opts.Now()
	switch err := strictly(r.Body, &in); {
	case err != nil:
		answer(w, 47001, "data format error")
		return
	case in.GrantType != "client_credential":
		answer(w, 40002, "invalid grant_type")
		return
	case in.AppID != s.opts.AppID:
		answer(w, 40013, "invalid appid")
		return
	case in.Secret != s.opts.Secret:
		answer(w, 40125, "invalid appsecret")
		return
	}
	t := &s.tokens
	if in.Force {
		if n := len(t.forced); n > 0 && now.Sub(t.forced[n-1]) < forceApart {
			s.broken("two tokens were forced within 30 s")
			answer(w, 45011, "api minute-quota reach limit")
			return
		} else if n >= forcePer && now.Sub(t.forced[n-forcePer]) < 24*time.Hour {
			s.broken("more than 20 tokens were forced in a day")
			answer(w, 45009, "reach max api daily quota limit")
			return
		}
		t.forced = append(t.forced, now)
	}
	if in.Force || t.value == "" || t.until.Sub(now) < overlap {
		s.renew(now)
	}
	writeJSON(w, map[string]any{"access_token": t.value, "expires_in": int(t.until.Sub(now) / time.Second)})
}

// oldToken is the API that ends the token of everybody else.
func (s *Sim) oldToken(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken("a token was asked for with the API that ends the former one")
	answer(w, 48001, "api unauthorized")
}

// authorized lets calls with a token through.
func (s *Sim) authorized(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		t, now := s.tokens, s.opts.Now()
		s.mu.Unlock()
		switch given := r.URL.Query().Get("access_token"); {
		case given == "":
			answer(w, 41001, "access_token missing")
		case given == t.value && now.Before(t.until), given == t.former && now.Before(t.formerUntil):
			do(w, r)
		case given == t.value, given == t.former:
			answer(w, 42001, "access_token expired")
		default:
			answer(w, 40001, "invalid credential, access_token is invalid or not latest")
		}
	}
}

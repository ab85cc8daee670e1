package sim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokens are those of OAuth 2.0.
type tokens struct {
	refresh string   // the one that counts
	spent   []string // those that do not any more
	renewed int
	access  map[string]time.Time // until when
	code    string
	pending url.Values // of the authorization whose code it is
}

// user checks that the account calls, by either OAuth, and returns which.
func (s *Sim) user(w http.ResponseWriter, r *http.Request, form url.Values) (auth string, ok bool) {
	given := r.Header.Get("Authorization")
	switch {
	case strings.HasPrefix(given, "OAuth ") && s.opts.AccessToken != "":
		why := s.checkOAuth1(r, form)
		if why == "" {
			return "OAuth 1.0a", true
		}
		s.broke("%s %s: %s", r.Method, r.URL.Path, why)
		refuseCode(w, 401, 32, "Could not authenticate you.")
		return "", false
	case strings.HasPrefix(given, "Bearer ") && !strings.HasPrefix(r.URL.Path, "/1.1/"):
		s.mu.Lock()
		until := s.tokens.access[strings.TrimPrefix(given, "Bearer ")]
		s.mu.Unlock()
		if s.opts.Now().Before(until) {
			return "OAuth 2.0", true
		}
	case given == "":
		s.broke("%s %s: no credentials", r.Method, r.URL.Path)
	}
	refuse(w, 401, "unauthorized", "Unauthorized", "Unauthorized")
	return "", false
}

// token is the token endpoint.
func (s *Sim) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		s.invalid(w, r, "not a form")
		return
	}
	name, password, given := r.BasicAuth()
	switch {
	case s.opts.ClientSecret != "" && (!given || name != s.opts.ClientID || password != s.opts.ClientSecret),
		s.opts.ClientSecret == "" && r.PostForm.Get("client_id") != s.opts.ClientID:
		s.broke("token: the client's credentials are wrong")
		reply(w, 401, map[string]string{"error": "unauthorized_client", "error_description": "Missing valid authorization header"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	why := ""
	switch r.PostForm.Get("grant_type") {
	case "refresh_token":
		why = s.refreshed(r.PostForm.Get("refresh_token"))
	case "authorization_code":
		why = s.redeemed(r.PostForm)
	default:
		why = "unknown grant_type"
	}
	if why != "" {
		s.breaks = append(s.breaks, "token: "+why)
		reply(w, 400, map[string]string{"error": "invalid_request", "error_description": "Value passed for the token was invalid."})
		return
	}
	life := s.opts.AccessFor
	if life == 0 {
		life = 2 * time.Hour
	}
	access := "access-" + rand.Text()
	if s.tokens.access == nil {
		s.tokens.access = map[string]time.Time{}
	}
	s.tokens.access[access] = s.opts.Now().Add(life)
	s.tokens.refresh = "refresh-" + rand.Text()
	s.tokens.renewed++
	reply(w, 200, map[string]any{"token_type": "bearer", "expires_in": int(life.Seconds()), "access_token": access,
		"refresh_token": s.tokens.refresh, "scope": "dm.read dm.write tweet.read users.read media.write offline.access"})
}

// refreshed uses up a refresh token. One that was used before ends them all: it
// may have been stolen. The caller holds s.mu.
func (s *Sim) refreshed(given string) string {
	switch {
	case given != "" && given == s.tokens.refresh:
		s.tokens.spent = append(s.tokens.spent, given)
		return ""
	case slices.Contains(s.tokens.spent, given):
		if s.opts.Grace && s.tokens.spent[len(s.tokens.spent)-1] == given {
			return ""
		}
		s.tokens.refresh, s.tokens.access = "", nil
		return "a refresh token was used twice"
	}
	return "an unknown refresh token"
}

// redeemed uses up a code. The caller holds s.mu.
func (s *Sim) redeemed(form url.Values) string {
	begun, code := s.tokens.pending, s.tokens.code
	s.tokens.code = ""
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case code == "" || form.Get("code") != code:
		return "an unknown code"
	case base64.RawURLEncoding.EncodeToString(sum[:]) != begun.Get("code_challenge"):
		return "the verifier does not fit the challenge"
	case form.Get("redirect_uri") != begun.Get("redirect_uri"):
		return "another redirect_uri"
	}
	return ""
}

// authorizePage is where an administrator allows everything at once.
func (s *Sim) authorizePage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for k, want := range map[string]string{"response_type": "code", "client_id": s.opts.ClientID, "code_challenge_method": "S256"} {
		if q.Get(k) != want {
			s.invalid(w, r, "%s is %q", k, q.Get(k))
			return
		}
	}
	scopes := strings.Fields(q.Get("scope"))
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case err != nil || s.opts.RedirectURI != "" && q.Get("redirect_uri") != s.opts.RedirectURI:
		s.invalid(w, r, "redirect_uri is %q", q.Get("redirect_uri"))
		return
	case len(q.Get("code_challenge")) != 43 || q.Get("state") == "" || !slices.Contains(scopes, "offline.access") || !slices.Contains(scopes, "dm.write"):
		s.invalid(w, r, "challenge, state or scopes are missing")
		return
	}
	s.mu.Lock()
	s.tokens.code, s.tokens.pending = rand.Text(), q
	back.RawQuery = url.Values{"code": {s.tokens.code}, "state": {q.Get("state")}}.Encode()
	s.mu.Unlock()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// Renewed returns how often tokens were given, and the refresh token that counts.
func (s *Sim) Renewed() (n int, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens.renewed, s.tokens.refresh
}

// ExpireAccess ends all access tokens.
func (s *Sim) ExpireAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens.access = nil
}

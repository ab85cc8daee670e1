package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	accessLife = 3599 * time.Second
	scope      = "https://www.googleapis.com/auth/firebase.messaging"
)

// oauth gives an access token to who signs with the service account's key.
func (s *Sim) oauth(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(code, why string) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": why})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		refuse("unsupported_grant_type", "Invalid grant_type")
		return
	}
	now := s.opts.Now()
	claims := struct {
		Scope string `json:"scope"`
		jwt.RegisteredClaims
	}{}
	_, err := jwt.ParseWithClaims(r.PostFormValue("assertion"), &claims, func(*jwt.Token) (any, error) { return &s.google.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(Email), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case err != nil:
		refuse("invalid_grant", "Invalid JWT Signature.")
		return
	case claims.Scope != scope:
		refuse("invalid_scope", "Invalid OAuth scope")
		return
	case len(claims.Audience) != 1 || !strings.HasSuffix(claims.Audience[0], "/token"):
		refuse("invalid_grant", "Invalid audience")
		return
	case claims.IssuedAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > time.Hour:
		refuse("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)")
		return
	}
	s.oauths++
	s.access, s.until = fmt.Sprintf("ya29.%d-%d", s.oauths, now.UnixNano()), now.Add(accessLife)
	writeJSON(w, http.StatusOK, map[string]any{"access_token": s.access, "expires_in": int(accessLife / time.Second), "token_type": "Bearer"})
}

// fcmRequest is what messages:send takes, as far as the gateway has use for it.
type fcmRequest struct {
	ValidateOnly bool `json:"validate_only"`
	Message      struct {
		Token        string `json:"token"`
		FID          string `json:"fid"`
		Notification *struct {
			Title string `json:"title"`
			Body  string `json:"body"`
			Image string `json:"image"`
		} `json:"notification"`
		Data    map[string]string `json:"data"`
		Android struct {
			Priority     string `json:"priority"`
			TTL          string `json:"ttl"`
			CollapseKey  string `json:"collapse_key"`
			Notification *struct {
				ChannelID string `json:"channel_id"`
				Tag       string `json:"tag"`
			} `json:"notification"`
		} `json:"android"`
		APNs *struct {
			Headers map[string]string `json:"headers"`
			Payload map[string]any    `json:"payload"`
		} `json:"apns"`
		Webpush *struct {
			Headers      map[string]string `json:"headers"`
			Notification map[string]any    `json:"notification"`
		} `json:"webpush"`
	} `json:"message"`
}

func (s *Sim) fcm(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return
	}
	s.opts.Wire("POST " + r.URL.Path + "\n" + string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.access == "" || r.Header.Get("Authorization") != "Bearer "+s.access || !s.opts.Now().Before(s.until):
		fcmRefuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", nil)
		return
	case r.PathValue("project") != Project || r.PathValue("send") != "messages:send":
		fcmRefuse(w, http.StatusForbidden, "PERMISSION_DENIED", nil)
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		s.broken("JSON is not said to be JSON")
	}
	var q fcmRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		fcmRefuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", badRequest("message"))
		return
	}
	if field := s.wrong(&q); field != "" {
		fcmRefuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", badRequest(field))
		return
	}
	token := q.Message.Token + q.Message.FID
	if _, gone := s.gone["fcm:"+token]; gone {
		fcmRefuse(w, http.StatusNotFound, "NOT_FOUND", fcmCode("UNREGISTERED"))
		return
	}
	s.count++
	n := Notice{Platform: "fcm", Token: token, ID: fmt.Sprintf("projects/%s/messages/0:%d", Project, s.count), Data: q.Message.Data,
		Priority: q.Message.Android.Priority, Silent: q.Message.Notification == nil}
	if m := q.Message.Notification; m != nil {
		n.Title, n.Text, n.Image = m.Title, m.Body, m.Image
	}
	if a := q.Message.Android.Notification; a != nil {
		n.Key = a.Tag
	}
	s.show(n)
	writeJSON(w, http.StatusOK, map[string]string{"name": n.ID})
}

// wrong returns the field that FCM would refuse, "" if there is none. The caller
// holds s.mu.
func (s *Sim) wrong(q *fcmRequest) string {
	m := q.Message
	size := 0
	if m.Notification != nil {
		size += len(m.Notification.Title) + len(m.Notification.Body) + len(m.Notification.Image)
	}
	for key, value := range m.Data {
		size += len(key) + len(value)
		if key == "from" || key == "message_type" || strings.HasPrefix(key, "gcm") || strings.HasPrefix(key, "google") {
			return "message.data"
		}
	}
	switch {
	case (m.Token == "") == (m.FID == ""):
		return "message"
	case strings.HasPrefix(m.Token, "bad"):
		return "message.token"
	case m.Android.Priority != "" && m.Android.Priority != "high" && m.Android.Priority != "normal":
		return "message.android.priority"
	case m.Android.TTL != "" && !strings.HasSuffix(m.Android.TTL, "s"):
		return "message.android.ttl"
	case m.APNs != nil && len(m.APNs.Headers["apns-collapse-id"]) > 64:
		return "message.apns.headers"
	case size > maxPayload:
		s.broken("a message to FCM has %d bytes", size)
		return "message"
	}
	return ""
}

func badRequest(field string) any {
	return map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest",
		"fieldViolations": []any{map[string]string{"field": field, "description": "Invalid value"}}}
}

func fcmCode(code string) any {
	return map[string]any{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
}

// fcmRefuse writes a refusal as Google does.
func fcmRefuse(w http.ResponseWriter, status int, name string, detail any) {
	e := map[string]any{"code": status, "status": name, "message": "refused"}
	if detail != nil {
		e["details"] = []any{detail}
	}
	writeJSON(w, status, map[string]any{"error": e})
}

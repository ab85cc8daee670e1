package sim

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	providerLife  = time.Hour
	providerYoung = 20 * time.Minute // two new provider tokens within it are too many
)

var (
	deviceToken = regexp.MustCompile(`^[0-9a-f]{64,200}$`)
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`)
)

func (s *Sim) apns(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return
	}
	s.opts.Wire(r.Proto + " POST " + r.URL.Path + " " + r.Header.Get("apns-push-type") + "\n" + string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ProtoMajor != 2 {
		s.broken("APNs was called with %s", r.Proto)
		w.WriteHeader(http.StatusHTTPVersionNotSupported)
		return
	}
	if status, reason := s.prove(r.Header.Get("Authorization")); reason != "" {
		apnsRefuse(w, status, reason, time.Time{})
		return
	}
	token := r.PathValue("token")
	n := Notice{Platform: "apns", Token: token, ID: r.Header.Get("apns-id"), Key: r.Header.Get("apns-collapse-id"),
		Priority: r.Header.Get("apns-priority"), Data: map[string]string{}}
	if reason := checkHeader(r.Header); reason != "" {
		apnsRefuse(w, http.StatusBadRequest, reason, time.Time{})
		return
	}
	var all map[string]any
	switch at, gone := s.gone["apns:"+token]; {
	case !deviceToken.MatchString(token) || strings.HasPrefix(token, "bad0"):
		apnsRefuse(w, http.StatusBadRequest, "BadDeviceToken", time.Time{})
	case len(body) == 0:
		apnsRefuse(w, http.StatusBadRequest, "PayloadEmpty", time.Time{})
	case len(body) > maxPayload:
		s.broken("a payload for APNs has %d bytes", len(body))
		apnsRefuse(w, http.StatusRequestEntityTooLarge, "PayloadTooLarge", time.Time{})
	case gone:
		apnsRefuse(w, http.StatusGone, "Unregistered", at)
	case json.Unmarshal(body, &all) != nil:
		apnsRefuse(w, http.StatusBadRequest, "PayloadEmpty", time.Time{})
	default:
		s.take(&n, r.Header.Get("apns-push-type"), all)
		w.Header().Set("apns-id", n.ID)
		w.WriteHeader(http.StatusOK)
	}
}

// take shows a notice. The caller holds s.mu.
func (s *Sim) take(n *Notice, pushType string, all map[string]any) {
	aps, _ := all["aps"].(map[string]any)
	alert, shown := aps["alert"].(map[string]any)
	n.Title, _ = alert["title"].(string)
	n.Text, _ = alert["body"].(string)
	n.Silent = !shown
	if background := pushType == "background"; background == shown || background && (aps["content-available"] != 1.0 || n.Priority != "5") {
		s.broken("a notice of the type %s has the wrong payload or priority", pushType)
	}
	for key, value := range all {
		if text, ok := value.(string); ok {
			n.Data[key] = text
		}
	}
	s.show(*n)
}

// prove checks a provider token. The caller holds s.mu.
func (s *Sim) prove(authorization string) (status int, reason string) {
	token, ok := strings.CutPrefix(authorization, "bearer ")
	if !ok {
		return http.StatusForbidden, "MissingProviderToken"
	}
	now := s.opts.Now()
	var claims jwt.RegisteredClaims
	parsed, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return &s.apple.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(TeamID), jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case err != nil || parsed.Header["kid"] != KeyID || claims.IssuedAt == nil:
		return http.StatusForbidden, "InvalidProviderToken"
	case now.Sub(claims.IssuedAt.Time) > providerLife:
		return http.StatusForbidden, "ExpiredProviderToken"
	}
	if _, known := s.provider[token]; !known {
		for _, first := range s.provider {
			if now.Sub(first) < providerYoung {
				s.broken("two provider tokens within %v", providerYoung)
				return http.StatusTooManyRequests, "TooManyProviderTokenUpdates"
			}
		}
		s.provider[token] = now
	}
	return 0, ""
}

// checkHeader returns what is wrong with the headers of a call.
func checkHeader(h http.Header) string {
	expires := h.Get("apns-expiration")
	_, err := strconv.ParseUint(expires, 10, 40)
	switch {
	case h.Get("apns-topic") == "":
		return "MissingTopic"
	case h.Get("apns-topic") != Topic:
		return "DeviceTokenNotForTopic"
	case !slices.Contains([]string{"alert", "background"}, h.Get("apns-push-type")):
		return "InvalidPushType"
	case !slices.Contains([]string{"10", "5", "1"}, h.Get("apns-priority")):
		return "BadPriority"
	case len(h.Get("apns-collapse-id")) > 64:
		return "BadCollapseId"
	case h.Get("apns-id") != "" && !uuidPattern.MatchString(h.Get("apns-id")):
		return "BadMessageId"
	case expires != "" && err != nil:
		return "BadExpirationDate"
	}
	return ""
}

// apnsRefuse writes a refusal as Apple does; at is there with 410.
func apnsRefuse(w http.ResponseWriter, status int, reason string, at time.Time) {
	e := map[string]any{"reason": reason}
	if !at.IsZero() {
		e["timestamp"] = at.UnixMilli()
	}
	writeJSON(w, status, e)
}

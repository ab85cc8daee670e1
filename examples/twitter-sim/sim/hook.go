package sim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hook is the app's webhook.
type hook struct {
	url        string
	id         string
	valid      bool
	subscribed map[string]bool // event types
}

// Said is what a customer writes.
type Said struct {
	From, Text string
	ID         string // "": the next one
	File       string // of AddFile
	Base       string // where this X is, for the file's address
	Reply      string // metadata of the quick reply that was chosen
	Long       string // what the short link https://t.co/x in Text stands for
	To         string // "": the account
	Group      string // conversation of more than two; "": of two
}

// escaped is what X does to texts.
var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *Sim) stamp() string { return strconv.FormatInt(s.opts.Now().UnixMilli(), 10) }

// Message has a customer write. It returns the message as it stands in webhooks, which
// may get lost: it stands in the account's list as well.
func (s *Sim) Message(m Said) map[string]any {
	if m.ID == "" {
		m.ID = s.ID()
	}
	if m.To == "" {
		m.To = s.opts.UserID
	}
	links := []any{}
	if m.Long != "" {
		links = append(links, map[string]any{"url": "https://t.co/x", "expanded_url": m.Long, "display_url": m.Long, "indices": []int{0, 13}})
	}
	text := escaped.Replace(m.Text)
	data := map[string]any{"text": text, "entities": map[string]any{"hashtags": []any{}, "symbols": []any{}, "user_mentions": []any{}, "urls": links}}
	l := listed{from: m.From, links: links, file: m.File}
	if m.File != "" {
		text = strings.TrimSpace(text + " https://t.co/file")
		l.fileURL = m.Base + "/1.1/ton/data/dm/" + m.ID + "/" + m.File + "/picture.jpg"
		l.links = append(links, map[string]any{"url": "https://t.co/file", "expanded_url": "https://x.com/messages/media/" + m.ID})
		data["text"] = text
		data["attachment"] = map[string]any{"type": "media", "media": map[string]any{"id": json.Number(m.File), "id_str": m.File,
			"media_url_https": l.fileURL, "url": "https://t.co/file", "type": "photo"}}
	}
	l.text = text
	s.mu.Lock()
	s.note(l, m.ID, m.To, m.Group)
	s.mu.Unlock()
	if m.Reply != "" {
		data["quick_reply_response"] = map[string]any{"type": "options", "metadata": m.Reply}
	}
	message := map[string]any{"type": "message_create", "id": m.ID, "created_timestamp": s.stamp(), "message_create": map[string]any{
		"target": map[string]any{"recipient_id": m.To}, "sender_id": m.From, "message_data": data}}
	if m.Group != "" {
		message["dm_conversation_id"] = m.Group
	}
	return message
}

// Account is a webhook of the Account Activity API with a list of events.
func (s *Sim) Account(list string, events ...any) []byte {
	users := map[string]any{}
	s.mu.Lock()
	for number, name := range s.names {
		users[number] = map[string]any{"id": number, "name": name, "screen_name": strings.ToLower(name)}
	}
	s.mu.Unlock()
	return encode(map[string]any{"for_user_id": s.opts.UserID, list: events, "users": users})
}

// Activity is a webhook of the X Activity API with one event.
func (s *Sim) Activity(eventType string, payload map[string]any) []byte {
	users := map[string]any{}
	s.mu.Lock()
	for number, name := range s.names {
		users[number] = map[string]any{"data": map[string]any{"username": strings.ToLower(name), "name": name}}
	}
	s.mu.Unlock()
	payload["users"] = users
	return encode(map[string]any{"data": map[string]any{"event_uuid": "-" + s.ID(), "filter": map[string]any{"user_id": s.opts.UserID},
		"event_type": eventType, "tag": "sim", "payload": payload}})
}

// side is what typing and reading have in common.
func (s *Sim) side(from string) map[string]any {
	return map[string]any{"created_timestamp": s.stamp(), "sender_id": from, "target": map[string]any{"recipient_id": s.opts.UserID}}
}

// Typing is a webhook that says that a customer types.
func (s *Sim) Typing(from string) []byte {
	return s.Account("direct_message_indicate_typing_events", s.side(from))
}

// Read is a webhook that says that a customer has read up to a message.
func (s *Sim) Read(from, last string) []byte {
	e := s.side(from)
	e["last_read_event_id"] = last
	return s.Account("direct_message_mark_read_events", e)
}

// Encrypted is a webhook of a message that only X's apps can read.
func (s *Sim) Encrypted(from string) []byte {
	return s.Activity("chat.received", map[string]any{"id": strings.ToLower(rand.Text()), "sender_id": from, "created_at_msec": s.stamp(),
		"conversation_id": from + ":" + s.opts.UserID, "encoded_event": base64.StdEncoding.EncodeToString([]byte(rand.Text()))})
}

// Revoked is a webhook that ends the subscription.
func (s *Sim) Revoked() []byte {
	return encode(map[string]any{"user_event": map[string]any{"revoke": map[string]any{"date_time": s.opts.Now().UTC(),
		"target": map[string]any{"app_id": "13090192"}, "source": map[string]any{"user_id": s.opts.UserID}}}})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts can be encoded
	}
	return b
}

// Sign returns the signature of a webhook, by the secret of OAuth 1.0a.
func (s *Sim) Sign(body []byte) string { return signBy(s.opts.ConsumerSecret, body) }

func signBy(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // it never fails
	return "sha256=" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// SetHook says where webhooks go, as if it had been registered.
func (s *Sim) SetHook(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook.url, s.hook.valid = to, true
}

// SwitchOff ends webhooks and subscriptions, as X does after a challenge that failed.
func (s *Sim) SwitchOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook.valid, s.hook.subscribed = false, map[string]bool{}
}

// Post sends a webhook, and returns the status that came back.
func (s *Sim) Post(ctx context.Context, body []byte) (int, error) {
	s.mu.Lock()
	to, valid := s.hook.url, s.hook.valid
	s.mu.Unlock()
	if !valid {
		return 0, errInvalid
	}
	s.opts.Seen("> POST " + to + "\n" + string(body))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Twitter-Webhooks-Signature", s.Sign(body))
	if s.opts.ClientSecret != "" {
		r.Header.Set("X-Twitter-Webhooks-Signature-OAuth2", signBy(s.opts.ClientSecret, body))
	}
	res, err := s.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// Challenge asks a hook whether it is the app's (CRC).
func (s *Sim) Challenge(ctx context.Context, to string) error {
	token := rand.Text()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to+"?"+url.Values{"crc_token": {token}, "nonce": {rand.Text()}}.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var got struct {
		Token string `json:"response_token"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 4<<10)).Decode(&got); err != nil {
		return fmt.Errorf("challenge: %s: %w", res.Status, err)
	}
	if res.StatusCode != http.StatusOK || got.Token != s.Sign([]byte(token)) && got.Token != signBy(s.opts.ClientSecret, []byte(token)) {
		return fmt.Errorf("challenge: %s with another token", res.Status)
	}
	return nil
}

// app checks that the app calls, by its own token.
func (s *Sim) app(w http.ResponseWriter, r *http.Request) bool {
	if s.opts.Bearer != "" && r.Header.Get("Authorization") == "Bearer "+s.opts.Bearer {
		return true
	}
	refuse(w, 401, "unauthorized", "Unauthorized", "Unauthorized")
	return false
}

func (s *Sim) register(w http.ResponseWriter, r *http.Request) {
	var b struct {
		URL string `json:"url"`
	}
	if !s.app(w, r) || !s.body(w, r, &b) {
		return
	}
	if err := s.Challenge(r.Context(), b.URL); err != nil {
		refuse(w, 400, "invalid-request", "CrcValidationFailed", err.Error())
		return
	}
	number := s.ID()
	s.mu.Lock()
	s.hook = hook{url: b.URL, id: number, valid: true, subscribed: map[string]bool{}}
	s.mu.Unlock()
	reply(w, 200, map[string]any{"data": map[string]any{"id": number, "url": b.URL, "valid": true}})
}

func (s *Sim) registered(w http.ResponseWriter, r *http.Request) {
	if !s.app(w, r) {
		return
	}
	s.mu.Lock()
	h := s.hook
	s.mu.Unlock()
	list := []any{}
	if h.id != "" {
		list = append(list, map[string]any{"id": h.id, "url": h.url, "valid": h.valid})
	}
	reply(w, 200, map[string]any{"data": list})
}

// revalidate challenges the hook, and enables it if it answers.
func (s *Sim) revalidate(w http.ResponseWriter, r *http.Request) {
	if !s.app(w, r) {
		return
	}
	s.mu.Lock()
	known := s.hook.id == r.PathValue("id")
	s.mu.Unlock()
	switch {
	case !known:
		refuse(w, 400, "invalid-request", "WebhookIdInvalid", "there is no such webhook")
	case !s.Recheck(r.Context()):
		refuse(w, 400, "invalid-request", "CrcValidationFailed", "the hook does not answer as it should")
	default:
		reply(w, 200, map[string]any{"data": map[string]any{"valid": true}})
	}
}

func (s *Sim) subscriptions(w http.ResponseWriter, r *http.Request) {
	if !s.app(w, r) {
		return
	}
	list := []any{}
	for _, kind := range s.Subscribed() {
		s.mu.Lock()
		list = append(list, map[string]any{"event_type": kind, "webhook_id": s.hook.id, "filter": map[string]any{"user_id": s.opts.UserID}})
		s.mu.Unlock()
	}
	reply(w, 200, map[string]any{"data": list, "meta": map[string]any{"total_subscriptions": len(list)}})
}

// Subscribed returns the types of events that are subscribed to, in order.
func (s *Sim) Subscribed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.hook.subscribed))
}

func (s *Sim) subscribe(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Type   string `json:"event_type"`
		Filter struct {
			UserID string `json:"user_id"`
		} `json:"filter"`
		Tag     string `json:"tag"`
		Webhook string `json:"webhook_id"`
	}
	auth, ok := s.user(w, r, nil)
	if !ok || !s.body(w, r, &b) {
		return
	}
	if auth != "OAuth 2.0" {
		refuse(w, 403, "unsupported-authentication", "Unsupported Authentication", "These events are private.")
		return
	}
	s.mu.Lock()
	if s.hook.subscribed[b.Type] {
		s.mu.Unlock()
		s.invalid(w, r, "%s is subscribed to already", b.Type)
		return
	}
	right := b.Webhook == s.hook.id && s.hook.id != "" && b.Filter.UserID == s.opts.UserID && b.Type != ""
	if right {
		s.hook.subscribed[b.Type] = true
	}
	s.mu.Unlock()
	if !right {
		s.invalid(w, r, "another webhook or user, or no event_type")
		return
	}
	reply(w, 201, map[string]any{"data": map[string]any{"subscription": map[string]any{"subscription_id": s.ID(),
		"event_type": b.Type, "filter": b.Filter, "webhook_id": b.Webhook}}})
}

package sim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const repeats = 3 // of a request without an answer

// Field is a field of a message; V is its text, or is XML if it begins with "<".
type Field struct{ K, V string }

// Say has a customer write a text.
func (s *Sim) Say(ctx context.Context, from, text string) error {
	return s.Message(ctx, from, "text", Field{"Content", text})
}

// Message has a customer send a message of a type.
func (s *Sim) Message(ctx context.Context, from, typ string, fields ...Field) error {
	return s.message(ctx, from, typ, messageOpens, fields)
}

// message has a customer send what opens a window.
func (s *Sim) message(ctx context.Context, from, typ string, o opens, fields []Field) error {
	s.mu.Lock()
	id := 24_000_000_000_000_000 + s.next()
	s.person(from).opened(s.opts.Now(), o)
	s.mu.Unlock()
	return s.push(ctx, from, typ, append(fields, Field{"MsgId", strconv.Itoa(id)}))
}

// Act has a customer do what is an event.
func (s *Sim) Act(ctx context.Context, from, event string, fields ...Field) error {
	s.mu.Lock()
	p := s.person(from)
	switch event {
	case "subscribe", "SCAN", "CLICK", "scancode_push", "scancode_waitmsg":
		p.gone = false
		p.opened(s.opts.Now(), actionOpens)
	case "unsubscribe":
		p.gone = true
	}
	s.mu.Unlock()
	return s.push(ctx, from, "event", append([]Field{{"Event", event}}, fields...))
}

// Choose has a customer press a button of the menu that came last. What comes of it
// looks like a message, and allows what a click does.
func (s *Sim) Choose(ctx context.Context, from string, n int) error {
	var last []Choice
	for _, sh := range s.Shown() {
		if sh.To == from && len(sh.Choices) > 0 {
			last = sh.Choices
		}
	}
	if n >= len(last) {
		return errors.New("there is no such button")
	}
	return s.message(ctx, from, "text", actionOpens, []Field{{"Content", last[n].Content}, {"bizmsgmenuid", last[n].ID}})
}

// XML writes a message of a customer.
func (s *Sim) XML(from, typ string, fields []Field) string {
	var b strings.Builder
	all := append([]Field{{"ToUserName", s.opts.Account}, {"FromUserName", from},
		{"CreateTime", strconv.FormatInt(s.opts.Now().Unix(), 10)}, {"MsgType", typ}}, fields...)
	b.WriteString("<xml>")
	for _, f := range all {
		switch {
		case strings.HasPrefix(f.V, "<"), isNumber(f.V) && f.K != "Content":
			fmt.Fprintf(&b, "<%s>%s</%s>", f.K, f.V, f.K)
		default:
			fmt.Fprintf(&b, "<%s><![CDATA[%s]]></%s>", f.K, strings.ReplaceAll(f.V, "]]>", "]]]]><![CDATA[>"), f.K)
		}
	}
	b.WriteString("</xml>")
	return b.String()
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

func (s *Sim) push(ctx context.Context, from, typ string, fields []Field) error {
	q, body, err := s.Request(from, s.XML(from, typ, fields))
	if err != nil {
		return err
	}
	return s.Deliver(ctx, q, body)
}

// Request signs a message, and encrypts it if the account has it so.
func (s *Sim) Request(from, message string) (query, body string, err error) {
	ts, nonce := strconv.FormatInt(s.opts.Now().Unix(), 10), random()
	q := url.Values{"signature": {Sign(s.opts.Token, ts, nonce)}, "timestamp": {ts}, "nonce": {nonce}, "openid": {from}}
	if s.key == nil {
		return q.Encode(), message, nil
	}
	sealed, err := seal(s.key, s.opts.AppID, random()[:16], []byte(message))
	if err != nil {
		return "", "", err
	}
	q.Set("encrypt_type", "aes")
	q.Set("msg_signature", Sign(s.opts.Token, ts, nonce, sealed))
	body = "<xml><ToUserName><![CDATA[" + s.opts.Account + "]]></ToUserName><Encrypt><![CDATA[" + sealed + "]]></Encrypt></xml>"
	if s.opts.Compatible {
		body = strings.TrimSuffix(message, "</xml>") + "<Encrypt><![CDATA[" + sealed + "]]></Encrypt></xml>"
	}
	return q.Encode(), body, nil
}

// Deliver posts a request until it is answered in time, four times at most. An
// answer that is neither success nor empty is one that the customer sees as a
// failure of the account.
func (s *Sim) Deliver(ctx context.Context, query, body string) (err error) {
	for range 1 + repeats {
		var again bool
		if again, err = s.deliver(ctx, query, body); !again {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken("a message was not taken in time: the customer was shown that the service is unavailable")
	return err
}

func (s *Sim) deliver(ctx context.Context, query, body string) (again bool, err error) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook == "" {
		return false, errors.New("there is no hook")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook+"?"+query, strings.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "text/xml")
	s.opts.Wire(true, "POST …?"+query+"\n"+body)
	began := time.Now()
	res, err := s.client.Do(r)
	if err != nil {
		return ctx.Err() == nil, fmt.Errorf("the hook gave no answer in %v: %w", time.Since(began).Round(time.Millisecond), err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	s.opts.Wire(false, fmt.Sprintf("%d %s", res.StatusCode, got))
	if err == nil && res.StatusCode == http.StatusOK && (len(got) == 0 || string(got) == "success") {
		return false, nil
	}
	return true, fmt.Errorf("the hook answered %d %.100q", res.StatusCode, got)
}

// Check makes the request that WeChat makes when the address is entered.
func (s *Sim) Check(ctx context.Context) error {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	ts, nonce, want := strconv.FormatInt(s.opts.Now().Unix(), 10), random(), random()
	q := url.Values{"signature": {Sign(s.opts.Token, ts, nonce)}, "timestamp": {ts}, "nonce": {nonce}, "echostr": {want}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, hook+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || res.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Errorf("the hook answered %d %.100q to the check", res.StatusCode, got)
	}
	return nil
}

func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

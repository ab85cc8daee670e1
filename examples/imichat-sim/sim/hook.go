package sim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// member is a member of a webhook's object; their order is kept.
type member struct {
	name  string
	value any
}

// hook is one webhook of a chat.
type hook struct {
	event string
	body  []byte
}

// tell has the chat's event sent after those before it. The desk is locked.
func (s *Sim) tell(c *chat, event string, members ...member) {
	if s.hook == "" || len(c.hooks) >= desk.MaxKept {
		return
	}
	all := append([]member{{"event_type", event}, {"chatid", c.ID}}, members...)
	if len(c.hooks)%2 == 1 {
		all[0], all[1] = all[1], all[0] // the order means nothing
	}
	c.hooks = append(c.hooks, hook{event, s.render(all)})
	if !c.Busy {
		c.Busy = true
		s.Background(func(ctx context.Context) { s.deliver(ctx, c) })
	}
}

// render writes an object; with Options.Typographic as IMIchat's manual does.
func (s *Sim) render(members []member) []byte {
	var b bytes.Buffer
	b.WriteString("{")
	for i, m := range members {
		value, err := json.Marshal(m.value)
		if err != nil {
			value = []byte("null")
		}
		name := `"` + m.name + `"`
		if s.opts.Typographic {
			name = "“" + m.name + "”"
			if text, ok := m.value.(string); ok && !strings.ContainsAny(text, "“”„‟\"") {
				value = []byte("“" + strings.Trim(string(value), `"`) + "”")
			}
		}
		if i > 1 || i == 1 && !s.opts.Typographic { // the manual leaves the first comma out
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n %s: %s", name, value)
	}
	if s.opts.Typographic {
		b.WriteString(" //as in the manual")
	}
	b.WriteString("\n}")
	return b.Bytes()
}

// deliver sends c's webhooks one after the other until there are none.
func (s *Sim) deliver(ctx context.Context, c *chat) {
	for {
		s.Lock()
		if len(c.hooks) == 0 {
			c.Busy = false
			s.Unlock()
			return
		}
		h, to := c.hooks[0], s.hook
		s.Unlock()
		if !s.AwaitUp(ctx) {
			return
		}
		ok := s.insist(ctx, to, h)
		s.Lock()
		c.hooks = c.hooks[1:]
		if !ok {
			s.Mark(c, "The gateway did not take "+h.event+".")
		}
		s.Touch()
		s.Unlock()
	}
}

// insist posts h until it is taken, for as often as Options.Repeat says.
func (s *Sim) insist(ctx context.Context, to string, h hook) bool {
	for i := 0; ; i++ {
		status, err := s.post(ctx, to, h)
		s.Log.Debug("webhook", "event", h.event, "status", status, "err", err)
		if status == http.StatusOK {
			return true
		}
		final := status == http.StatusBadRequest || status == http.StatusNotFound
		if final || i >= len(s.opts.Repeat) || !desk.Sleep(ctx, s.opts.Repeat[i]) {
			return false
		}
	}
}

func (s *Sim) post(ctx context.Context, to string, h hook) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(h.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	switch s.opts.HookAuth {
	case "header":
		r.Header.Set("Authorization", "Bearer "+s.opts.HookSecret)
	case "query":
		r.URL.RawQuery = url.Values{"token": {s.opts.HookSecret}}.Encode()
	case "none":
	default:
		r.Header.Set("X-Hub-Signature", Sign(s.opts.HookSecret, h.body))
	}
	res, err := s.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// Sign returns the signature of a webhook: sha256= and the HMAC in hex.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // it never fails
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

package sim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
)

const (
	maxBatch = 1000 // events of one webhook
	maxTries = 5    // of one webhook
)

// hooks are the webhooks on their way.
type hooks struct {
	mu        sync.Mutex
	url       string
	duplicate int  // times that each comes again
	disorder  bool // the events of each come in the wrong order
	taken     int
	refused   int
}

// SetHook sets where webhooks go.
func (s *Sim) SetHook(url string) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.url = url
}

// Disturb has each webhook come so many times more, and with its events in the
// wrong order.
func (s *Sim) Disturb(duplicate int, disorder bool) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.duplicate, s.hooks.disorder = duplicate, disorder
}

// Hooks returns how many webhooks were taken, and how many refused in the end.
func (s *Sim) Hooks() (taken, refused int) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	return s.hooks.taken, s.hooks.refused
}

// Post sends events, up to 1000 in one webhook, and waits until the gateway has
// taken them, or has refused them for good.
func (s *Sim) Post(events ...Event) {
	for len(events) > 0 {
		n := min(len(events), maxBatch)
		s.post(s.Body("messaging", events[:n]...))
		events = events[n:]
	}
}

// Standby sends events of a thread that another app controls.
func (s *Sim) Standby(events ...Event) { s.post(s.Body("standby", events...)) }

// Body is the body of a webhook with these events.
func (s *Sim) Body(list string, events ...Event) []byte {
	s.hooks.mu.Lock()
	if s.hooks.disorder {
		events = append([]Event{}, events...)
		for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
			events[i], events[j] = events[j], events[i]
		}
	}
	s.hooks.mu.Unlock()
	return escape(Event{"object": "page", "entry": []Event{{
		"id": s.opts.Page, "time": s.opts.Now().UnixMilli(), list: events}}})
}

// Sign returns the signature of a body.
func (s *Sim) Sign(body []byte) string {
	m := hmac.New(sha256.New, []byte(s.opts.AppSecret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func (s *Sim) post(body []byte) {
	s.hooks.mu.Lock()
	url, times := s.hooks.url, 1+s.hooks.duplicate
	s.hooks.mu.Unlock()
	if url == "" {
		return
	}
	s.opts.Wire(true, string(body))
	for range times {
		taken := false
		for try := 0; try < maxTries && !taken; try++ {
			if try > 0 && !s.sleep(s.opts.Retry) {
				return
			}
			taken = s.once(url, body)
		}
		s.hooks.mu.Lock()
		if taken {
			s.hooks.taken++
		} else {
			s.hooks.refused++
		}
		s.hooks.mu.Unlock()
		s.mu.Lock()
		s.news()
		s.mu.Unlock()
	}
}

// once sends a body, and says whether it was taken.
func (s *Sim) once(url string, body []byte) bool {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature-256", s.Sign(body))
	res, err := s.client.Do(r)
	if err != nil {
		s.opts.Log.Info("a webhook did not arrive", "err", err)
		return false
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return res.StatusCode == http.StatusOK
}

func (s *Sim) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// escape writes JSON as Meta does: what is not ASCII, and slashes, are escaped, in
// lower case. The signature is made of these bytes.
func escape(v any) []byte {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // v is made of texts and numbers
	}
	var b strings.Builder
	for _, r := range strings.TrimSpace(plain.String()) {
		switch {
		case r == '/':
			b.WriteString(`\/`)
		case r < 0x80:
			b.WriteRune(r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		}
	}
	return []byte(b.String())
}

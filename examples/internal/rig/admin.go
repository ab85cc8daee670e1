package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

var admin = http.Client{Timeout: 10 * time.Second}

// Get asks the admin API and decodes the answer.
func (h *Home) Get(ctx context.Context, path string, answer any) error {
	b, err := h.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

func (h *Home) get(ctx context.Context, path string) ([]byte, error) {
	return h.do(ctx, http.MethodGet, path, http.StatusOK)
}

// do asks the admin API, and expects a code.
func (h *Home) do(ctx context.Context, method, path string, code int) ([]byte, error) {
	token, err := os.ReadFile(h.Path("data", "admin.token"))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+h.Admin+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := admin.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != code {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, b)
	}
	return b, nil
}

// Metrics are the samples of /metrics by name, those of all labels added up.
type Metrics map[string]float64

// Metrics reads /metrics.
func (h *Home) Metrics(ctx context.Context) (Metrics, error) {
	b, err := h.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	m := Metrics{}
	for line := range strings.Lines(string(b)) {
		name, value, ok := cutSample(strings.TrimSpace(line))
		if ok {
			m[name] += value
		}
	}
	return m, nil
}

// cutSample reads one line of Prometheus' text format.
func cutSample(line string) (name string, value float64, ok bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || strings.HasPrefix(line, "#") {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(line[at+1:], 64)
	name, _, _ = strings.Cut(line[:at], "{")
	return name, value, err == nil
}

// Idle says whether nothing is under way: no event waits and every lane is
// empty.
func (h *Home) Idle(ctx context.Context) bool {
	m, err := h.Metrics(ctx)
	if err != nil {
		return false
	}
	active, known := m["gateway_conversations_active"]
	return known && active == 0 && m["gateway_events_waiting"] == 0
}

// Settle waits until the gateway is idle, and returns false after limit.
func (h *Home) Settle(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for every := time.NewTicker(20 * time.Millisecond); ; {
		if h.Idle(ctx) {
			every.Stop()
			return true
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			every.Stop()
			return false
		}
	}
}

// Dead is a dead letter.
type Dead struct {
	ID      string
	Reason  string
	Command struct {
		ID, Kind, Instance string
		Message            struct{ Text string }
	}
}

// DeadLetters returns all dead letters.
func (h *Home) DeadLetters(ctx context.Context) ([]Dead, error) {
	var all []Dead
	for after := ""; ; {
		var page struct {
			Items []Dead
			Next  string
		}
		if err := h.Get(ctx, "/v1/dead-letters?limit=100&after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

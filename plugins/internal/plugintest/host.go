// Package plugintest is what the tests of the plugins have in common.
package plugintest

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Host is a gateway that remembers what it is told.
type Host struct {
	sdk.Host // unused methods

	Limit sdk.TextLimit // what TextLimit returns

	mu     sync.Mutex
	typing []Typed
	at     time.Time // zero: the real time
	logs   bytes.Buffer
}

// Typed is what was reported of an agent.
type Typed struct {
	Ref sdk.ChatRef
	On  bool
}

// Instance implements sdk.Host.
func (h *Host) Instance() string { return "desk" }

// TextLimit implements sdk.Host.
func (h *Host) TextLimit() sdk.TextLimit { return h.Limit }

// HTTP implements sdk.Host.
func (h *Host) HTTP() *http.Client { return http.DefaultClient }

// Log implements sdk.Host.
func (h *Host) Log() *slog.Logger {
	return slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer for the log.
func (h *Host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.Write(b)
}

// Logged returns the log.
func (h *Host) Logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.String()
}

// Now implements sdk.Host.
func (h *Host) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() {
		return time.Now()
	}
	return h.at
}

// Set makes it now o'clock from now on.
func (h *Host) Set(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = now
}

// ChatTyping implements sdk.Host.
func (h *Host) ChatTyping(ref sdk.ChatRef, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.typing = append(h.typing, Typed{ref, on})
}

// Typing returns what was reported.
func (h *Host) Typing() []Typed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.typing
}

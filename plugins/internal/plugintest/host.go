// Package plugintest is what the tests of the plugins have in common.
package plugintest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Host is a gateway that remembers what it is told.
type Host struct {
	sdk.Host // unused methods

	Limit sdk.TextLimit     // what TextLimit returns
	Kept  map[string][]byte // files that the gateway keeps, by media id
	Dir   string            // what DataDir returns; "": none

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

// DataDir implements sdk.Host.
func (h *Host) DataDir() string { return h.Dir }

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

// OpenMedia implements sdk.Host: a file of Kept, or what is at the address.
func (h *Host) OpenMedia(ctx context.Context, a sdk.Attachment) (io.ReadCloser, sdk.Attachment, error) {
	if a.MediaID != "" {
		b, ok := h.Kept[a.MediaID]
		if !ok {
			return nil, a, sdk.Rejected("media_gone", "there is no such file")
		}
		return io.NopCloser(bytes.NewReader(b)), a, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return nil, a, sdk.Rejected("media_blocked", "the address cannot be read")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, a, sdk.Retry(err, 0)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		if resp.StatusCode >= 500 {
			return nil, a, sdk.Retry(errors.New(resp.Status), 0)
		}
		return nil, a, sdk.Rejected("media_unreachable", resp.Status)
	}
	a.MIME, a.Name = resp.Header.Get("Content-Type"), cmp.Or(a.Name, path.Base(r.URL.Path))
	return resp.Body, a, nil
}

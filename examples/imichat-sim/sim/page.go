package sim

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"time"
)

//go:embed page
var pageFiles embed.FS

// page serves the agent's page; nothing in it is fetched from elsewhere.
func page() http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	return http.FileServerFS(files)
}

// guard forbids what a customer's text could try in the agent's browser, and
// posts from other sites.
func guard(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
			"connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

// stream answers GET /agent/changes: one "change" event now and whenever
// something changed, as server-sent events.
func (s *Sim) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	untimed(w)
	rc := http.NewResponseController(w)
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if _, err := fmt.Fprint(w, "event: change\ndata: {}\n\n"); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-alive.C:
		}
	}
}

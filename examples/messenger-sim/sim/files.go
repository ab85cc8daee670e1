package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// kept is a file that a customer sent.
type kept struct {
	mime string
	data []byte
}

// keep keeps a file, and returns its address, which expires.
func (s *Sim) keep(mime string, data []byte) (url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strconv.Itoa(len(s.files) + 1)
	s.files[id] = kept{mime, data}
	return fmt.Sprintf("%s/files/%s?oe=%x", s.base, id, s.opts.Now().Add(s.opts.FileFor).Unix())
}

// serveFile answers GET /files/{id}?oe=…
func (s *Sim) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f, ok := s.files[r.PathValue("id")]
	s.mu.Unlock()
	until, err := strconv.ParseInt(r.URL.Query().Get("oe"), 16, 64)
	if !ok || err != nil || s.opts.Now().After(time.Unix(until, 0)) {
		http.Error(w, "URL signature expired", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	_, _ = w.Write(f.data)
}

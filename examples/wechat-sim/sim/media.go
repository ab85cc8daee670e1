package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

const mediaLife = 3 * 24 * time.Hour

// stored is a file that WeChat has for three days.
type stored struct {
	kind, mime string
	data       []byte
	until      time.Time
}

// kinds are what can be uploaded: extensions and bytes.
var kinds = map[string]struct {
	exts string
	most int
}{
	"image": {".jpg .jpeg .png .gif", 10 << 20}, "voice": {".amr .mp3", 2 << 20}, "video": {".mp4", 10 << 20}, "thumb": {".jpg", 64 << 10},
}

// AddMedia keeps a file as if a customer had sent it, and returns its id. kind is
// image, voice or video.
func (s *Sim) AddMedia(kind, mime string, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(kind, mime, data)
}

// keep keeps a file. The caller holds s.mu.
func (s *Sim) keep(kind, mime string, data []byte) string {
	id := fmt.Sprintf("media-%d-%s", s.next(), random())
	s.files[id] = &stored{kind, mime, bytes.Clone(data), s.opts.Now().Add(mediaLife)}
	return id
}

// file shows a file. The caller holds s.mu.
func (s *Sim) file(sh Shown, kind, id string) (Shown, int) {
	f := s.files[id]
	if f == nil || f.kind != kind || !s.opts.Now().Before(f.until) {
		return sh, 40007
	}
	sh.File = f.data
	return sh, 0
}

func (s *Sim) upload(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Query().Get("type")
	k, ok := kinds[kind]
	if !ok {
		answer(w, 40004, "invalid media type")
		return
	}
	f, h, err := r.FormFile("media")
	if err != nil {
		answer(w, 41005, "media data missing")
		return
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxBody))
	switch ext := strings.ToLower(path.Ext(h.Filename)); {
	case err != nil || len(data) == 0:
		answer(w, 44001, "empty media data")
		return
	case !slices.Contains(strings.Fields(k.exts), ext):
		answer(w, 40005, "invalid file type")
		return
	case len(data) > k.most:
		answer(w, 40006, "invalid meida size") // sic
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := "media_id"
	if kind == "thumb" {
		name = "thumb_media_id"
	}
	writeJSON(w, map[string]any{"type": kind, name: s.keep(kind, h.Header.Get("Content-Type"), data), "created_at": s.opts.Now().Unix()})
}

func (s *Sim) get(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("media_id")
	s.mu.Lock()
	f, now := s.files[id], s.opts.Now()
	s.mu.Unlock()
	switch {
	case f == nil || !now.Before(f.until):
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, `{"errcode":40007,"errmsg":"invalid media_id"}`)
	case f.kind == "video":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, `{"video_url":"http://%s/public/%s"}`, r.Host, id)
	default:
		serveFile(w, f)
	}
}

// public serves a file without a token: WeChat's PicUrl, and videos.
func (s *Sim) public(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.files[r.PathValue("id")]
	s.mu.Unlock()
	if f == nil {
		http.NotFound(w, r)
		return
	}
	serveFile(w, f)
}

func serveFile(w http.ResponseWriter, f *stored) {
	w.Header().Set("Content-Type", f.mime)
	w.Header().Set("Content-Disposition", `attachment; filename="file"`)
	_, _ = w.Write(f.data)
}

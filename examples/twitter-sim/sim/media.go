package sim

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

const uploadLife = 24 * time.Hour

// limits are how many bytes a file of a category may have.
var limits = map[string]int64{"dm_image": 5 << 20, "dm_gif": 15 << 20, "dm_video": 512 << 20}

// upload is a file of the account's.
type upload struct {
	category string
	total    int64 // bytes that were announced
	next     int   // segment
	data     []byte
	ended    bool
	checks   int // how often its state is still "in_progress"
	at       time.Time
}

// file is what a customer sent.
type file struct {
	mime string
	data []byte
}

func (s *Sim) uploadSimple(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	data, ok := s.part(w, r)
	category := r.FormValue("media_category")
	switch {
	case !ok:
	case category != "dm_image":
		s.invalid(w, r, "media_category is %q", category)
	case int64(len(data)) > limits[category] || len(data) == 0:
		s.invalid(w, r, "%d bytes", len(data))
	default:
		s.answerUpload(w, s.addUpload(&upload{category: category, data: data, ended: true}))
	}
}

func (s *Sim) uploadBegin(w http.ResponseWriter, r *http.Request) {
	var b struct {
		MediaType string `json:"media_type"`
		Total     int64  `json:"total_bytes"`
		Category  string `json:"media_category"`
	}
	if _, ok := s.user(w, r, nil); !ok || !s.body(w, r, &b) {
		return
	}
	if limits[b.Category] == 0 || b.MediaType == "" || b.Total <= 0 || b.Total > limits[b.Category] {
		s.invalid(w, r, "%s of %d bytes as %q", b.MediaType, b.Total, b.Category)
		return
	}
	s.answerUpload(w, s.addUpload(&upload{category: b.Category, total: b.Total, checks: 1}))
}

func (s *Sim) addUpload(u *upload) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.nextID()
	u.at = s.opts.Now()
	s.uploads[number] = u
	return number
}

func (s *Sim) uploadAppend(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	data, ok := s.part(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	u := s.uploads[r.PathValue("id")]
	index, err := strconv.Atoi(r.FormValue("segment_index"))
	right := u != nil && !u.ended && err == nil && index == u.next && len(data) <= 5<<20 && int64(len(u.data)+len(data)) <= u.total
	if right {
		u.data, u.next = append(u.data, data...), u.next+1
	}
	s.mu.Unlock()
	if !right {
		s.invalid(w, r, "segment %q is not the next one, or too large", r.FormValue("segment_index"))
		return
	}
	reply(w, 200, map[string]any{"data": map[string]any{"expires_at": s.opts.Now().Add(uploadLife).Unix()}})
}

func (s *Sim) uploadEnd(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	s.mu.Lock()
	u := s.uploads[r.PathValue("id")]
	whole := u != nil && !u.ended && int64(len(u.data)) == u.total
	if whole {
		u.ended = true
	}
	s.mu.Unlock()
	if !whole {
		s.invalid(w, r, "the file is not whole")
		return
	}
	s.answerUpload(w, r.PathValue("id"))
}

// uploadState tells that a file is being processed, once.
func (s *Sim) uploadState(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	number := r.URL.Query().Get("media_id")
	s.mu.Lock()
	u := s.uploads[number]
	if u != nil {
		u.checks = max(0, u.checks-1)
	}
	s.mu.Unlock()
	if u == nil || r.URL.Query().Get("command") != "STATUS" {
		s.invalid(w, r, "an unknown file or command")
		return
	}
	s.answerUpload(w, number)
}

func (s *Sim) answerUpload(w http.ResponseWriter, number string) {
	s.mu.Lock()
	u := *s.uploads[number]
	s.mu.Unlock()
	data := map[string]any{"id": number, "media_key": "3_" + number, "size": len(u.data), "expires_after_secs": int(uploadLife.Seconds())}
	switch {
	case u.ended && u.checks > 0:
		data["processing_info"] = map[string]any{"state": "pending", "check_after_secs": 1}
	case u.ended && u.category != "dm_image":
		data["processing_info"] = map[string]any{"state": "succeeded", "progress_percent": 100}
	}
	reply(w, 200, map[string]any{"data": data})
}

// part reads the file of a multipart body.
func (s *Sim) part(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	f, _, err := r.FormFile("media")
	if err != nil {
		s.invalid(w, r, "no file in it: %v", err)
		return nil, false
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(f)
	if err != nil {
		s.invalid(w, r, "the file: %v", err)
		return nil, false
	}
	return data, true
}

// AddFile keeps a customer's file, and returns its id, for Said.File.
func (s *Sim) AddFile(mime string, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.nextID()
	s.files[number] = file{mime, data}
	return number
}

// download gives a customer's file to the account alone.
func (s *Sim) download(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	s.mu.Lock()
	f, ok := s.files[r.PathValue("id")]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	_, _ = w.Write(f.data)
}

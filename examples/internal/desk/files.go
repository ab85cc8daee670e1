package desk

import (
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Limits of the files that are kept, in bytes.
const (
	MaxFile  = 32 << 20
	maxFiles = 128 << 20 // of all; the oldest go first
)

// filePath is where files are served.
const filePath = "/files/"

// shelf keeps files that were uploaded. It is safe for concurrent use.
type shelf struct {
	mu    sync.Mutex
	byID  map[string]file
	order []string
	size  int
}

type file struct {
	name, mime string
	data       []byte
}

// AddFile keeps a file and returns where it is, at the address that r came to.
func (d *Desk[C, V, A]) AddFile(r *http.Request, name string, data []byte) Attachment {
	f := file{name: fileName(name), mime: http.DetectContentType(data), data: data}
	id := d.files.add(f)
	u := url.URL{Scheme: "http", Host: r.Host, Path: filePath + id + "/" + f.name}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return Attachment{URL: u.String(), Name: f.name, MIME: f.mime, Size: int64(len(data))}
}

func (s *shelf) add(f file) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]file{}
	}
	for s.size += len(f.data); s.size > maxFiles && len(s.order) > 0; s.order = s.order[1:] {
		s.size -= len(s.byID[s.order[0]].data)
		delete(s.byID, s.order[0])
	}
	id := rand.Text()
	s.byID[id], s.order = f, append(s.order, id)
	return id
}

// fileName leaves of name what can stand in an address and on a disk.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`"<>|?*:/%`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if r := []rune(name); len(r) > 100 {
		name = string(r[len(r)-100:])
	}
	if strings.Trim(name, ".") == "" {
		return "file"
	}
	return name
}

// serveFile answers GET /files/{id}/{name}. Only what a browser shows without
// running it is shown; the rest is saved.
func (d *Desk[C, V, A]) serveFile(w http.ResponseWriter, r *http.Request) {
	d.files.mu.Lock()
	f, ok := d.files.byID[r.PathValue("id")]
	d.files.mu.Unlock()
	if !ok || f.name != r.PathValue("name") {
		fail(w, http.StatusNotFound, "no such file")
		return
	}
	how := "attachment"
	if picture(f.mime) || strings.HasPrefix(f.mime, "text/plain") {
		how = "inline"
	}
	w.Header().Set("Content-Type", f.mime)
	w.Header().Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": f.name}))
	w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
	_, _ = w.Write(f.data)
}

func picture(mime string) bool {
	switch mime {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

// addFile answers POST /agent/files?name=, whose body is the file.
func (d *Desk[C, V, A]) addFile(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxFile))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "the file is larger than 32 MiB")
	case err != nil:
		fail(w, http.StatusBadRequest, "the file was cut off")
	case len(data) == 0:
		fail(w, http.StatusBadRequest, "the file is empty")
	default:
		WriteJSON(w, http.StatusOK, d.AddFile(r, r.URL.Query().Get("name"), data))
	}
}

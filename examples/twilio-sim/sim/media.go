package sim

import (
	"fmt"
	"io"
	"net/http"
)

// Media is a file that a customer sends.
type Media struct {
	MIME string `json:"mime"`
	Data []byte `json:"data"`
}

type file struct{ Media }

// addMedia keeps a file, and returns where it can be had.
func (s *Sim) addMedia(message string, m Media) string {
	path := "/" + apiVersion + "/Accounts/" + s.opts.AccountSID + "/Messages/" + message + "/Media/" + newSID("ME")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = file{m}
	return s.base + path
}

// serveMedia hands a file to who has the account's credentials.
func (s *Sim) serveMedia(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	s.mu.Lock()
	f, ok := s.files[r.URL.Path]
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	s.wire(false, "GET "+r.URL.Path)
	w.Header().Set("Content-Type", f.MIME)
	_, _ = w.Write(f.Data) // the client may be gone
}

const maxFetched = 16 << 20

// fetch gets a file that a message or a call has, and says what it is.
func (s *Sim) fetch(address string) (string, bool) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, address, nil)
	if err != nil {
		return err.Error(), false
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err.Error(), false
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxFetched))
	if err != nil || res.StatusCode != http.StatusOK {
		return res.Status, false
	}
	return fmt.Sprintf("%s, %d bytes", res.Header.Get("Content-Type"), len(b)), true
}

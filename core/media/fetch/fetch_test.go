package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/media/fetch"
	"github.com/openccsp/gateway/core/outbound/outboundtest"
)

// get fetches a file whole.
func get(t *testing.T, c fetch.Config, url string, header http.Header) (string, fetch.Body, error) {
	t.Helper()
	f := fetch.New(c)
	t.Cleanup(f.Close)
	var text []byte
	var body fetch.Body
	err := f.Get(t.Context(), "shop", url, header, func(b fetch.Body) (err error) {
		body = b
		text, err = io.ReadAll(b)
		return err
	})
	return string(text), body, err
}

var private = fetch.Config{AllowPrivate: true}

func TestForbiddenAddresses(t *testing.T) {
	f := fetch.New(fetch.Config{Timeout: time.Minute})
	defer f.Close()
	if len(outboundtest.Forbidden) < 60 {
		t.Fatalf("only %d vectors", len(outboundtest.Forbidden))
	}
	for _, url := range outboundtest.Forbidden {
		err := f.Get(t.Context(), "shop", url, nil, func(fetch.Body) error { return errors.New("it was reached") })
		if core.CodeOf(err) != core.Invalid || core.ReasonOf(err) != media.Blocked {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestCredentials: who may fetch from next door may not fetch what clouds keep there.
func TestCredentials(t *testing.T) {
	for _, url := range []string{"http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://168.63.129.16/", "http://[::ffff:169.254.169.254]/"} {
		if _, _, err := get(t, private, url, nil); core.ReasonOf(err) != media.Blocked || core.CodeOf(err) != core.Invalid {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestRebinding(t *testing.T) {
	names := map[string][]string{
		"private.test.": {"127.0.0.1"}, "metadata.test.": {"169.254.169.254"}, "all.test.": {"10.0.0.1", "192.168.1.1", "127.0.0.1"},
	}
	c := fetch.Config{Resolver: outboundtest.Resolver(t, func(name string) []string { return names[name] }), Timeout: time.Minute}
	for name := range names {
		if _, _, err := get(t, c, "http://"+name+":8081/x", nil); core.CodeOf(err) != core.Invalid || !strings.Contains(err.Error(), "private network") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A redirect is checked like the first address: what it leads to is not reached,
// though the first is allowed.
func TestForbiddenRedirects(t *testing.T) {
	for _, to := range append([]string{"HTTP://127.0.0.1/x", "/\\127.0.0.1/", ""}, outboundtest.Forbidden...) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{to}
			w.WriteHeader(http.StatusFound)
		}))
		f := fetch.NewGuardedAfter(srv.Listener.Addr().String())
		err := f.Get(t.Context(), "shop", srv.URL+"/a", nil, func(fetch.Body) error { return errors.New("it was reached") })
		public := strings.HasPrefix(to, "http://example.com#") // a fragment is no part of where it leads
		if code := core.CodeOf(err); code != core.Invalid && (!public || code != core.Unavailable) {
			t.Errorf("%s: %v", to, err)
		}
		f.Close()
		srv.Close()
	}
}

func TestFetched(t *testing.T) {
	var asked http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Clone()
		switch r.URL.Path {
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="a.jpg"`)
		case "/once":
			http.Redirect(w, r, "/dir/photo.png?x=1", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "bytes")
	}))
	defer srv.Close()
	for path, name := range map[string]string{"/dir/photo.png?x=1": "photo.png", "/named": "a.jpg", "/once": "photo.png", "/": "", "": ""} {
		text, body, err := get(t, private, srv.URL+path, http.Header{"Authorization": {"Bearer x"}, "Accept-Encoding": {"gzip"}, "Host": {"evil"}})
		if err != nil || text != "bytes" || body.Name != name || body.MIME != "image/png" || body.Size != 5 {
			t.Errorf("%s: %q, %+v, %v; want the name %q", path, text, body, err, name)
		}
		if asked.Get("Authorization") != "Bearer x" || asked.Get("Accept-Encoding") != "identity" || !strings.HasPrefix(asked.Get("User-Agent"), "OpenCCSP/") {
			t.Errorf("%s: asked with %v", path, asked)
		}
	}
}

// TestHeadersStay: a host that an address leads to does not get the headers, also
// if it leads back.
func TestHeadersStay(t *testing.T) {
	var first, second *httptest.Server
	var leaked atomic.Int32
	second = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Key") != "" || r.Header.Get("Cookie") != "" {
			leaked.Add(1)
		}
		http.Redirect(w, r, first.URL+"/back", http.StatusTemporaryRedirect)
	}))
	defer second.Close()
	first = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, second.URL+"/", http.StatusTemporaryRedirect)
	}))
	defer first.Close()
	text, _, err := get(t, private, first.URL, http.Header{"Authorization": {"Bearer x"}, "X-Key": {"k"}, "Cookie": {"c=d"}})
	if err != nil || text != "" || leaked.Load() != 0 {
		t.Errorf("got %q, %v, %d leaks", text, err, leaked.Load())
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		header  http.Header
		code    core.Code
		message string
	}{
		{"not there", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, nil, core.Invalid, "status 404"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, nil, core.Invalid, "status 403"},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, nil, core.Invalid, "status 204"},
		{"busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, nil, core.Unavailable, "status 429"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, nil, core.Unavailable, "status 502"},
		{"in circles", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, nil, core.Invalid, "more than 5 times"},
		{"nowhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, nil, core.Invalid, "cannot be read"},
		{"packed", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") }, nil, core.Invalid, "packed"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("x"))
		}, nil, core.Unavailable, "does not answer"},
		{"another request in a header", nil, http.Header{"X": {"a\r\nHost: evil"}}, core.Invalid, "header"},
		{"another request in a name", nil, http.Header{"X: a\r\nY": {"a"}}, core.Invalid, "header"},
		{"a large head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 100<<10)) }, nil, core.Unavailable, "does not answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.answer)
			defer srv.Close()
			_, _, err := get(t, private, srv.URL+"/secret-path", tt.header)
			reason := media.Unreachable
			if tt.header != nil {
				reason = media.Blocked
			}
			if core.ReasonOf(err) != reason {
				t.Errorf("reason %q, want %q", core.ReasonOf(err), reason)
			}
			if core.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.message) {
				t.Errorf("got %v, want %s with %q", err, tt.code, tt.message)
			}
			if e, ok := errors.AsType[*core.Error](err); ok && strings.Contains(e.Message, "secret-path") {
				t.Errorf("the error shows the address: %v", e.Message)
			}
		})
	}
}

// TestSlow: neither a far side that says nothing nor one that never ends is waited
// for, and none that does so keeps others from their files.
func TestSlow(t *testing.T) {
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fast" {
			_, _ = io.WriteString(w, "here")
			return
		}
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	defer srv.Close()
	defer close(ended)
	f := fetch.New(fetch.Config{AllowPrivate: true, Timeout: time.Second, AtOnce: 8})
	defer f.Close()
	slow := make(chan error, 1)
	reached := make(chan struct{})
	go func() {
		slow <- f.Get(context.Background(), "shop", srv.URL+"/slow", nil, func(b fetch.Body) error {
			close(reached)
			_, err := io.ReadAll(b)
			return err
		})
	}()
	<-reached
	err := f.Get(t.Context(), "shop", srv.URL+"/fast", nil, func(b fetch.Body) error {
		text, err := io.ReadAll(b)
		if !bytes.Equal(text, []byte("here")) {
			t.Errorf("got %q", text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-slow; core.CodeOf(err) != core.Unavailable || !strings.Contains(err.Error(), "in time") {
		t.Errorf("the slow one: %v", err)
	}
}

// TestSlowOfOneInstance: hosts that an instance's customers have chosen, and that hang,
// keep no other instance from its files.
func TestSlowOfOneInstance(t *testing.T) {
	ended := make(chan struct{})
	reached := make(chan struct{}, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			reached <- struct{}{}
			<-ended
		}
	}))
	defer srv.Close()
	f := fetch.New(fetch.Config{AllowPrivate: true, Timeout: time.Minute, AtOnce: 8})
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for range 16 {
		slow.Go(func() { _ = f.Get(ctx, "hostile", srv.URL+"/slow", nil, func(fetch.Body) error { return nil }) })
	}
	for range 2 { // its share
		<-reached
	}
	if err := f.Get(t.Context(), "shop", srv.URL+"/fast", nil, func(fetch.Body) error { return nil }); err != nil {
		t.Error(err)
	}
	if n := len(reached); n != 0 { // before those under way make room
		t.Errorf("%d more are under way", n)
	}
	cancel()
	slow.Wait()
	close(ended)
}

// TestTaker: whoever reads may stop, and says why.
func TestTaker(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	f := fetch.New(private)
	defer f.Close()
	enough := core.Errorf(core.TooLarge, "enough")
	err := f.Get(t.Context(), "shop", srv.URL, nil, func(b fetch.Body) error {
		_, _ = io.CopyN(io.Discard, b, 1<<20)
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("X-A", "b")
	f.Add("X\r\nY", "b")
	f.Add("Host", "evil\n")
	f.Fuzz(func(t *testing.T, name, value string) {
		h, err := fetch.CleanHeader(http.Header{name: {value}})
		if err != nil {
			return
		}
		for n, v := range h {
			if strings.ContainsAny(n+v[0], "\r\n\x00") || n == "Host" || n == "Connection" {
				t.Errorf("%q: %q goes out", n, v)
			}
		}
	})
}

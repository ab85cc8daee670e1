package httpd_test

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
)

// opened counts the files that are open.
type opened struct {
	atomic.Int64
	gate chan struct{} // nothing is read before it is closed; nil: at once
}

// kept is a file of a message, in memory.
type kept struct {
	*bytes.Reader
	open *opened
	once sync.Once
}

func (k *kept) ReadAt(b []byte, at int64) (int, error) {
	if k.open.gate != nil {
		<-k.open.gate
	}
	return k.Reader.ReadAt(b, at)
}

func (k *kept) Close() error {
	k.once.Do(func() { k.open.Add(-1) })
	return nil
}

// keeping serves one file under the token "good", to proxies here and there.
func keeping(t *testing.T, text, name string, proxies ...netip.Prefix) (*public, *opened) {
	t.Helper()
	var open opened
	p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}, TrustedProxies: proxies, OpenLink: func(token string) (httpd.KeptFile, error) {
		if token != "good" {
			return httpd.KeptFile{}, core.Errorf(core.NotFound, "the link is too old")
		}
		open.Add(1)
		return httpd.KeptFile{Body: &kept{Reader: bytes.NewReader([]byte(text)), open: &open}, Name: name, MIME: "image/png", Bytes: int64(len(text)), Hash: "abc"}, nil
	}})
	return p, &open
}

func TestLink(t *testing.T) {
	p, open := keeping(t, "0123456789", "naïve \"x\".png")
	tests := []struct {
		name, method, path string
		headers            []string
		code               int
		body, ranged       string
	}{
		{"whole", "GET", "good", nil, 200, "0123456789", ""},
		{"head", "HEAD", "good", nil, 200, "", ""},
		{"a part", "GET", "good", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"the rest", "GET", "good", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"the end", "GET", "good", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"more than there is", "GET", "good", []string{"Range", "bytes=5-500"}, 206, "56789", "bytes 5-9/10"},
		{"the end of all", "GET", "good", []string{"Range", "bytes=-500"}, 206, "0123456789", "bytes 0-9/10"},
		{"behind the end", "GET", "good", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"nothing of the end", "GET", "good", []string{"Range", "bytes=-0"}, 416, "", "bytes */10"},
		{"several parts", "GET", "good", []string{"Range", "bytes=0-1,3-4"}, 200, "0123456789", ""},
		{"nonsense", "GET", "good", []string{"Range", "bytes=b-a"}, 200, "0123456789", ""},
		{"backwards", "GET", "good", []string{"Range", "bytes=5-2"}, 200, "0123456789", ""},
		{"a huge number", "GET", "good", []string{"Range", "bytes=99999999999999999999-"}, 200, "0123456789", ""},
		{"another unit", "GET", "good", []string{"Range", "lines=0-1"}, 200, "0123456789", ""},
		{"a part of the same", "GET", "good", []string{"Range", "bytes=2-4", "If-Range", `"abc"`}, 206, "234", "bytes 2-4/10"},
		{"a part of another", "GET", "good", []string{"Range", "bytes=2-4", "If-Range", `"abd"`}, 200, "0123456789", ""},
		{"known", "GET", "good", []string{"If-None-Match", `"abc"`}, 304, "", ""},
		{"head of a part", "HEAD", "good", []string{"Range", "bytes=2-4"}, 206, "", "bytes 2-4/10"},

		{"another token", "GET", "bad", nil, 404, "", ""},
		{"none", "GET", "", nil, 404, "", ""},
		{"more path", "GET", "good/x", nil, 404, "", ""},
		{"a query", "GET", "good?x", nil, 404, "", ""},
		{"escaped", "GET", "goo%64", nil, 404, "", ""},
		{"dots", "GET", "../media/good", nil, 404, "", ""},
		{"posted", "POST", "good", nil, 404, "", ""},
		{"deleted", "DELETE", "good", nil, 404, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := do(t, client(t), request(t, tt.method, "http://"+p.addr+"/media/"+tt.path, "", tt.headers...))
			if got.StatusCode != tt.code || got.Header.Get("Content-Range") != tt.ranged || tt.code < 400 && got.body != tt.body {
				t.Errorf("got %d %q %q", got.StatusCode, got.Header.Get("Content-Range"), got.body)
			}
			if tt.code == 404 {
				if !strings.Contains(got.body, `"nothing here"`) || got.Header.Get("ETag") != "" {
					t.Errorf("a link that leads nowhere tells %v %s", got.Header, got.body)
				}
				return
			}
			for name, want := range map[string]string{
				"Content-Disposition": "attachment; filename*=utf-8''na%C3%AFve%20%22x%22.png", "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, no-store", "Etag": `"abc"`,
				"Referrer-Policy": "no-referrer", "Accept-Ranges": "bytes",
			} {
				if got.Header.Get(name) != want {
					t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
				}
			}
			if tt.code == 200 && (got.ContentLength != 10 || got.Header.Get("Content-Type") != "image/png") {
				t.Errorf("%d bytes of %q", got.ContentLength, got.Header.Get("Content-Type"))
			}
		})
	}
	waitFor(t, func() bool { return open.Load() == 0 })
}

// TestLinkNames: no name becomes another header, or makes a browser open the file.
func TestLinkNames(t *testing.T) {
	for _, name := range []string{"", "a\r\nX-Evil: 1", "a\x00b", "\xff", "a;inline", strings.Repeat("x", 300), "\u202egnp.exe"} {
		p, _ := keeping(t, "x", name)
		got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/media/good", ""))
		if d := got.Header.Get("Content-Disposition"); got.StatusCode != 200 || !strings.HasPrefix(d, "attachment") || got.Header.Get("X-Evil") != "" {
			t.Errorf("%q: %d %q", name, got.StatusCode, d)
		}
	}
}

// TestLinksAtOnce: more than so many of one address are told to come again; others,
// and hooks, do not mind.
func TestLinksAtOnce(t *testing.T) {
	p, open := keeping(t, "0123456789", "a.png", netip.MustParsePrefix("127.0.0.0/8"))
	from := func(method, address string) *http.Request {
		r := request(t, method, "http://"+p.addr+"/media/good", "")
		r.Header.Set("X-Forwarded-For", address)
		return r
	}
	gate := make(chan struct{})
	open.gate = gate
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if got := do(t, client(t), from("GET", "2001:db8::1")); got.body != "0123456789" {
				t.Errorf("one of many: %d %q", got.StatusCode, got.body)
			}
		})
	}
	waitFor(t, func() bool { return open.Load() == 64 })
	got := do(t, client(t), from("GET", "2001:db8::2"))
	if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", got.StatusCode)
	}
	if got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", "")); got.StatusCode != 200 {
		t.Errorf("hooks meanwhile: %d", got.StatusCode)
	}
	all.Go(func() {
		if got := do(t, client(t), from("GET", "192.0.2.1")); got.body != "0123456789" {
			t.Errorf("another address: %d %q", got.StatusCode, got.body)
		}
	})
	waitFor(t, func() bool { return open.Load() == 65 })
	close(gate)
	all.Wait()
	waitFor(t, func() bool { return open.Load() == 0 })
	if got := do(t, client(t), from("HEAD", "2001:db8::1")); got.StatusCode != 200 {
		t.Errorf("after they have gone: %d", got.StatusCode)
	}
}

// TestSlowTaker: whoever takes a file too slowly gets no more of it.
func TestSlowTaker(t *testing.T) {
	var open opened
	f := httpd.KeptFile{Body: &kept{Reader: bytes.NewReader([]byte("x")), open: &open}, Bytes: 1}
	if err := httpd.ReadLate(f); err == nil || !strings.Contains(err.Error(), "too slowly") {
		t.Errorf("got %v", err)
	}
}

func TestNoLinks(t *testing.T) {
	p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}})
	if got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/media/good", "")); got.StatusCode != 404 {
		t.Errorf("without a store: %d", got.StatusCode)
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-5", int64(3))
	f.Add("bytes=9223372036854775807-", int64(1))
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		from, to, part := httpd.ParseRange(s, size)
		if part && (from < 0 || from >= to || to > size) {
			t.Errorf("%q of %d is %d to %d", s, size, from, to)
		}
	})
}

package ccsp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// vault is a server in the private network that nobody may get to.
func vault(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the vault was reached") }))
	t.Cleanup(srv.Close)
	return srv
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestFetch(t *testing.T) {
	secret := vault(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/a.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png; q=1")
		_, _ = w.Write([]byte("meow"))
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "")
		_, _ = w.Write([]byte("meow"))
	})
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10)) })
	mux.HandleFunc("/over", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 11)) })
	mux.HandleFunc("/flow", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = w.Write(make([]byte, 5))
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "8")
		_, _ = w.Write([]byte("meow"))
	})
	for path, status := range map[string]int{"/404": 404, "/403": 403, "/429": 429, "/500": 500, "/204": 204} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	mux.Handle("/moved", http.RedirectHandler("/a.png", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/inside", http.RedirectHandler(secret.URL, http.StatusFound))
	mux.Handle("/disk", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	mux.Handle("/bad", http.RedirectHandler("http://[", http.StatusFound))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	f := ccsp.NewFiles(10, []string{host(t, srv.URL)}, http.DefaultClient)
	defer f.Close()
	for _, tt := range []struct {
		name string
		a    sdk.Attachment
		want string // name, type and body
		err  string
	}{
		{"a file", sdk.Attachment{URL: "/a.png"}, "a.png image/png meow", "ok"},
		{"its own name and type", sdk.Attachment{URL: "/a.png", Name: "cat.gif", MIME: "image/gif"}, "cat.gif image/gif meow", "ok"},
		{"of no type", sdk.Attachment{URL: "/bytes"}, "bytes application/octet-stream meow", "ok"},
		{"as large as may be", sdk.Attachment{URL: "/full", MIME: "a/b"}, "full a/b " + strings.Repeat("\x00", 10), "ok"},
		{"a byte more", sdk.Attachment{URL: "/over"}, "", "rejected file_too_large"},
		{"more, and nobody said so", sdk.Attachment{URL: "/flow"}, "", "rejected file_too_large"},
		{"more, as it says itself", sdk.Attachment{URL: "/a.png", Bytes: 11}, "", "rejected file_too_large"},
		{"half of it", sdk.Attachment{URL: "/half"}, "", "retry"},
		{"moved", sdk.Attachment{URL: "/moved"}, "a.png image/png meow", "ok"},
		{"in a circle", sdk.Attachment{URL: "/round"}, "", "rejected file_redirects"},
		{"moved to a private place", sdk.Attachment{URL: "/inside"}, "", "rejected file_place"},
		{"moved to a disk", sdk.Attachment{URL: "/disk"}, "", "rejected file_address"},
		{"moved to nowhere", sdk.Attachment{URL: "/bad"}, "", "retry"},
		{"in a private place", sdk.Attachment{URL: secret.URL}, "", "rejected file_place"},
		{"there by another name", sdk.Attachment{URL: strings.Replace(secret.URL, "127.0.0.1", "localhost", 1)}, "", "rejected file_place"},
		{"there by a number", sdk.Attachment{URL: strings.Replace(secret.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)}, "", "rejected file_place"},
		{"of a cloud", sdk.Attachment{URL: "http://169.254.169.254/latest/meta-data"}, "", "rejected file_place"},
		{"with a password", sdk.Attachment{URL: "http://u:p@" + host(t, srv.URL) + "/a.png"}, "", "rejected file_address"},
		{"on a disk", sdk.Attachment{URL: "file:///etc/passwd"}, "", "rejected file_address"},
		{"no address", sdk.Attachment{URL: "http://["}, "", "rejected file_address"},
		{"gone", sdk.Attachment{URL: "/404"}, "", "rejected file_gone"},
		{"forbidden", sdk.Attachment{URL: "/403"}, "", "rejected file_gone"},
		{"nothing", sdk.Attachment{URL: "/204"}, "", "rejected file_gone"},
		{"too many", sdk.Attachment{URL: "/429"}, "", "retry"},
		{"trouble", sdk.Attachment{URL: "/500"}, "", "retry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.a.URL, "/") {
				tt.a.URL = srv.URL + tt.a.URL
			}
			got, err := f.Fetch(t.Context(), tt.a)
			if plugintest.Verdict(err) != tt.err {
				t.Errorf("%v, want %s", err, tt.err)
			}
			if s := got.Name + " " + got.MIME + " " + string(got.Body); err == nil && s != tt.want {
				t.Errorf("%q, want %q", s, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "/a.png") || strings.Contains(err.Error(), srv.URL)) {
				t.Errorf("%v names the address", err)
			}
		})
	}
}

func TestFetchInTime(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		<-hang
	}))
	defer srv.Close()
	defer close(hang)
	f := ccsp.NewFiles(10, []string{"127.0.0.1"}, http.DefaultClient)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Fetch(ctx, sdk.Attachment{URL: srv.URL}); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want a retry", err)
	}
}

func TestFileName(t *testing.T) {
	for _, tt := range []struct{ name, address, mime, want string }{
		{"cat.png", "https://e.com/x", "image/png", "cat.png"},
		{"", "https://e.com/a/cat%20one.png?x=1", "", "cat one.png"},
		{"../../etc/passwd", "https://e.com", "", "passwd"},
		{`C:\a\cat.png`, "https://e.com", "", "cat.png"},
		{"a\x00b\r\n.png", "https://e.com", "", "ab.png"},
		{"gnp\u202ecat.exe", "https://e.com", "", "gnpcat.exe"},
		{`a"; b="c.png`, "https://e.com", "", "a b=c.png"},
		{"..", "https://e.com/", "application/pdf", "file.pdf"},
		{"", "https://e.com", "x/unknown", "file"},
		{strings.Repeat("ä", 100) + ".docx", "https://e.com", "", strings.Repeat("ä", 47) + ".docx"},
	} {
		if got := ccsp.FileName(tt.name, tt.address, tt.mime); got != tt.want {
			t.Errorf("%q at %s: %q, want %q", tt.name, tt.address, got, tt.want)
		}
	}
}

// FuzzFileName: whatever a customer calls a file, its name is one, short, and
// has nothing that a header or a folder could take for its own.
func FuzzFileName(f *testing.F) {
	f.Add("../a\x00.png", "https://e.com/b", "image/png")
	f.Add("\u202e", "", "")
	f.Fuzz(func(t *testing.T, name, address, mime string) {
		got := ccsp.FileName(name, address, mime)
		if got == "" || len(got) > 100 || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\"\r\n") ||
			strings.ContainsFunc(got, unicode.IsControl) || got == "." || got == ".." {
			t.Errorf("%q at %q: %q", name, address, got)
		}
	})
}

func TestFileAt(t *testing.T) {
	for address, want := range map[string]string{
		"https://e.com/a.PNG":             "a.PNG image/png true",
		"https://e.com/a%2Fb.pdf?x=y.doc": "b.pdf application/pdf true",
		"https://e.com/a":                 "  false",
		"https://e.com/a.html":            "  false",
		"https://e.com/.png":              "  false",
		"https://e.png":                   "  false",
		"/a.png":                          "  false",
		"ftp://e.com/a.png":               "  false",
		"http://[":                        "  false",
		"":                                "  false",
	} {
		name, mime, ok := ccsp.FileAt(address)
		got := name + " " + mime + " false"
		if ok {
			got = name + " " + mime + " true"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

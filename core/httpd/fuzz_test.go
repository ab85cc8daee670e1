package httpd_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
)

// FuzzHookPath: what is let through stays below its hook.
func FuzzHookPath(f *testing.F) {
	for _, s := range []string{"/hooks/shop", "/hooks/shop/", "/hooks/shop/a/b", "/hooks/shop/%2e%2e/x", "/hooks/../x", "/hooks/a%2fb/c", "/hooks/shop/%zz", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name, rest, err := httpd.SplitHook(path)
		if err != nil {
			if c := core.CodeOf(err); c != core.NotFound && c != core.Invalid {
				t.Errorf("SplitHook(%q) = %v, code %s", path, err, c)
			}
			return
		}
		if !strings.HasPrefix(path, "/hooks/"+name) || name == "" || strings.ContainsAny(name, "/\\%\x00 ") || strings.Trim(name, ".") == "" && len(name) < 3 {
			t.Errorf("SplitHook(%q): instance %q", path, name)
		}
		if rest != "" && rest[0] != '/' || strings.ContainsAny(rest, "\x00\\") {
			t.Errorf("SplitHook(%q): rest %q", path, rest)
		}
		for s := range strings.SplitSeq(rest, "/") {
			if s == ".." || s == "." {
				t.Errorf("SplitHook(%q): rest %q leaves its tree", path, rest)
			}
		}
	})
}

// FuzzAdminBody: a body is decoded or is the client's fault, and the error is
// short.
func FuzzAdminBody(f *testing.F) {
	for _, s := range []string{`{"integration":"a","chatid":"b","channel":"c","customer":"d"}`, `{"ids":["a"]}`, `{"reason":1}`, `[]`, `{`, "\xff", `{"x":1}`, `null null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, v := range []any{&httpd.Orphan{}, &struct {
			IDs []string `json:"ids"`
		}{}, &struct {
			Reason string `json:"reason"`
		}{}} {
			err := httpd.Decode(body, v)
			if err != nil && (core.CodeOf(err) != core.Invalid || len(err.Error()) > 500) {
				t.Errorf("Decode(%q) = %v", body, err)
			}
		}
	})
}

// FuzzHead: a head that we take and net/http takes too has the same framing
// for both.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
		"A: b\r\n c\r\n", "A: b\nContent-Length: 3\r\n", "Content-Length : 3\r\n", "Transfer-Encoding: \x0bchunked\r\n", "X: y\r\r\n",
	} {
		f.Add([]byte("POST /hooks/shop HTTP/1.1\r\nHost: x\r\n" + s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h fasthttp.RequestHeader
		if err := h.Read(bufio.NewReaderSize(bytes.NewReader(raw), 8<<10)); err != nil || !httpd.HeadOK(&h) {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		ours, theirs := h.ContentLength(), int(req.ContentLength)
		if len(req.TransferEncoding) > 0 {
			theirs = -1
		} else if theirs == 0 && ours == -2 {
			ours = 0 // neither field
		}
		if ours != theirs || string(h.Host()) != req.Host {
			t.Errorf("%q:\nlength %d, host %q; net/http says %d, %q", raw, ours, h.Host(), theirs, req.Host)
		}
	})
}

package httpd_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/httpd"
)

// TestSmuggling sends requests that two HTTP parsers could read differently.
// Each must be refused with the end of its connection, or be exactly one
// request whose follower on the connection is the one that was sent behind it.
func TestSmuggling(t *testing.T) {
	const smuggled = "GET /hooks/shop/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(s), s) }
	post := func(headers, body string) string {
		return "POST /hooks/shop/main HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body
	}
	type vector struct{ name, raw, body string } // body: refused, or what the one request has
	var tests []vector
	add := func(name, raw, body string) { tests = append(tests, vector{name, raw, body}) }
	const refused = "refused"

	// Length and encoding together.
	add("length, then chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunk("abcde")), refused)
	add("chunked, then length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunk("abcde")), refused)
	add("CL.TE", post("Content-Length: "+strconv.Itoa(5+len(smuggled))+"\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), refused)
	add("TE.CL", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "2e\r\n"+smuggled+"\r\n0\r\n\r\n"), refused)
	add("length 0 and chunked", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", chunk("a")), refused)
	add("lower case both", post("content-length: 3\r\ntransfer-encoding: chunked\r\n", chunk("abc")), refused)
	add("length and identity", post("Content-Length: 3\r\nTransfer-Encoding: identity\r\n", "abc"), refused)
	add("identity alone", post("Transfer-Encoding: identity\r\n", ""), refused)
	// Lengths.
	add("two equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), refused)
	add("two different lengths", post("Content-Length: 3\r\nContent-Length: 50\r\n", "abc"), refused)
	for _, v := range []string{"+3", "-1", "0x3", "3,3", "3, 3", "3;a", "3 3", "1e1", "٣", "99999999999999999999999", "3.0", "\"3\"", ""} {
		add("length "+v, post("Content-Length: "+v+"\r\n", "abc"), refused)
	}
	add("length with space before colon", post("Content-Length : 3\r\n", "abc"), refused)
	add("length with tab before colon", post("Content-Length\t: 3\r\n", "abc"), refused)
	add("length folded", post("Content-Length:\r\n 3\r\n", "abc"), refused)
	add("length with NUL", post("Content-Length: 3\x00\r\n", "abc"), refused)
	add("name with NUL", post("Content\x00-Length: 3\r\n", "abc"), refused)
	add("length after CR", post("X: y\rContent-Length: 3\r\n", "abc"), refused)
	// Encodings.
	for _, v := range []string{"xchunked", "chunked, identity", "identity, chunked", "gzip, chunked", "chunked, chunked", "chunked;q=1",
		"\"chunked\"", "chunke\u0064\x0b", "\x0bchunked", "gzip", "", "chunked,", ", chunked", "c hunked"} {
		add("encoding "+v, post("Transfer-Encoding: "+v+"\r\n", chunk("abc")), refused)
	}
	add("two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunk("abc")), refused)
	add("two encodings, one unknown", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", chunk("abc")), refused)
	add("encoding with space before colon", post("Transfer-Encoding : chunked\r\n", chunk("abc")), refused)
	add("encoding folded", post("Transfer-Encoding:\r\n chunked\r\n", chunk("abc")), refused)
	add("encoding in a continued line", post("X: y\r\n Transfer-Encoding: chunked\r\n", chunk("abc")), refused)
	add("encoding, underscore", post("Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), "abc")
	add("encoding in 1.0", "POST /hooks/shop/main HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("abc"), refused)
	// Lines.
	add("bare LF everywhere", strings.ReplaceAll(post("Content-Length: 3\r\n", "abc"), "\r\n", "\n"), refused)
	add("bare LF in one header", "POST /hooks/shop/main HTTP/1.1\r\nHost: x\nContent-Length: 3\r\n\r\nabc", refused)
	add("bare LF hides a length", post("X: y\nContent-Length: "+strconv.Itoa(len(smuggled))+"\r\n", smuggled), refused)
	add("LF LF inside the head", post("X: y\n\n"+smuggled, ""), refused)
	add("CR CR LF", post("X: y\r\r\nContent-Length: 3\r\n", "abc"), refused)
	add("bare CR in a value", post("X: y\rz\r\n", ""), refused)
	add("folded with a space", post("X: y\r\n z\r\n", ""), refused)
	add("folded with a tab", post("X: y\r\n\tz\r\n", ""), refused)
	add("space before the first header", "POST /hooks/shop/main HTTP/1.1\r\n Host: x\r\n\r\n", refused)
	add("no colon", post("Nonsense\r\n", ""), refused)
	add("no name", post(": x\r\n", ""), refused)
	add("name with a space", post("A B: x\r\n", ""), refused)
	add("LF after chunk size", post("Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n"), refused)
	add("LF after chunk", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\n0\r\n\r\n"), refused)
	add("LF in chunk extension", post("Transfer-Encoding: chunked\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n"), refused)
	// Chunks.
	for _, v := range []string{"-3", "+3", "0x3", "3_0", "g", "", " 3", "10000000000000003", "ffffffffffffffff", "3 x", "3\x00"} {
		add("chunk size "+v, post("Transfer-Encoding: chunked\r\n", v+"\r\nabc\r\n0\r\n\r\n"), refused)
	}
	add("chunk longer than said", post("Transfer-Encoding: chunked\r\n", "2\r\nabc\r\n0\r\n\r\n"), refused)
	add("chunk shorter than said", post("Transfer-Encoding: chunked\r\n", "4\r\nabc\r\n0\r\n\r\n"), refused)
	add("chunk extension", post("Transfer-Encoding: chunked\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n"), "abc")
	add("many chunks", post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "abc")
	add("zeros before a size", post("Transfer-Encoding: chunked\r\n", "0003\r\nabc\r\n0\r\n\r\n"), "abc")
	add("trailer", post("Transfer-Encoding: chunked\r\nTrailer: X-T\r\n", "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"), "abc")
	add("length as a trailer", post("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"), refused)
	// Hosts, targets, methods, versions.
	add("no host", "GET /hooks/shop/main HTTP/1.1\r\n\r\n", refused)
	add("two hosts", "GET /hooks/shop/main HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", refused)
	add("absolute target", "GET http://evil/hooks/shop/main HTTP/1.1\r\nHost: x\r\n\r\n", refused)
	add("authority target", "CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n", refused)
	add("no target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", refused)
	add("space in the target", "GET /hooks/shop/main /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", refused)
	add("version 2", "GET /hooks/shop/main HTTP/2.0\r\nHost: x\r\n\r\n", refused)
	add("version 1.10", "GET /hooks/shop/main HTTP/1.10\r\nHost: x\r\n\r\n", refused)
	add("no version", "GET /hooks/shop/main\r\nHost: x\r\n\r\n", refused)
	add("lower case version", "GET /hooks/shop/main http/1.1\r\nHost: x\r\n\r\n", refused)
	add("method with a colon", "GET: /hooks/shop/main HTTP/1.1\r\nHost: x\r\n\r\n", refused)
	add("tabs", "GET\t/hooks/shop/main\tHTTP/1.1\r\nHost: x\r\n\r\n", refused)
	// Bodies where few have one.
	add("GET with a body", "GET /hooks/shop/main HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(smuggled))+"\r\n\r\n"+smuggled, smuggled)
	add("HEAD with a body", "HEAD /hooks/shop/main HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "abc")
	add("GET, chunked", "GET /hooks/shop/main HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(smuggled), smuggled)
	add("OPTIONS with a body", "OPTIONS /hooks/shop/main HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "abc")
	add("body that is a request", post("Content-Length: "+strconv.Itoa(len(smuggled))+"\r\n", smuggled), smuggled)
	add("expect", post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"), "abc")
	add("expect, chunked", post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", chunk("abc")), "abc")
	add("plain", post("Content-Length: 3\r\n", "abc"), "abc")
	add("chunked", post("Transfer-Encoding: chunked\r\n", chunk("abc")), "abc")
	add("CHUNKED", post("TRANSFER-ENCODING: CHUNKED\r\n", chunk("abc")), "abc")

	if len(tests) < 90 {
		t.Fatalf("%d vectors, want at least 90", len(tests))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hooks{}
			p := startPublic(t, httpd.PublicOptions{Hooks: h})
			got := exchange(t, p.addr, tt.raw+"GET /hooks/shop/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			seen := h.requests()
			if tt.body == refused {
				if len(seen) != 0 || !strings.HasPrefix(got, "HTTP/1.1 4") || strings.Count(got, "HTTP/1.1 ") != 1 {
					t.Errorf("%q:\n%d requests seen (%v), answer %.200q; want one 4xx and the end", tt.raw, len(seen), seen, got)
				}
				return
			}
			if len(seen) != 2 || seen[0].Path != "/main" || string(seen[0].Body) != tt.body || seen[1].Path != "/next" {
				t.Errorf("%q:\nseen %v, want /main with %q and then /next; answer %.200q", tt.raw, seen, tt.body, got)
			}
		})
	}
}

func TestTrailersAreNoHeaders(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	exchange(t, p.addr, "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Signature\r\n\r\n"+
		"1\r\na\r\n0\r\nX-Signature: forged\r\n\r\n")
	if seen := h.requests(); len(seen) != 1 || len(header(seen[0], "X-Signature")) != 0 {
		t.Errorf("seen %v, want one request without the trailer", seen)
	}
}

func TestTruncatedBodiesAreRefused(t *testing.T) {
	for _, body := range []string{
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", // ends between two chunks
		"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
		"Content-Length: 4\r\n\r\nabc",
		"Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 19999),
	} {
		h := &hooks{}
		p := startPublic(t, httpd.PublicOptions{Hooks: h})
		c := dial(t, p.addr)
		io.WriteString(c, "POST /hooks/shop HTTP/1.1\r\nHost: x\r\n"+body)
		c.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 400") || len(h.requests()) != 0 {
			t.Errorf("%.60q: %d requests seen, answer %.60q; want none and 400", body, len(h.requests()), got)
		}
	}
}

func TestLimits(t *testing.T) {
	const limit = 64 << 10
	body := func(n int) string { return strings.Repeat("x", n) }
	chunked := func(n int) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, body(n))
	}
	head := func(total int) string { // a head of exactly total bytes
		s := "GET /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: \r\n\r\n"
		return strings.Replace(s, "X: ", "X: "+body(total-len(s)), 1)
	}
	url := func(total int) string {
		s := "GET /hooks/shop/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		return strings.Replace(s, "shop/", "shop/"+body(total-len(s)), 1)
	}
	post := "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	tests := []struct {
		name, raw string
		code      int
	}{
		{"body at the limit", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", limit) + body(limit), 200},
		{"body over it", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", limit+1) + body(limit+1), 413},
		{"body far over it", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", 10<<30) + body(200<<10), 413},
		{"chunked at the limit", post + chunked(limit), 200},
		{"chunked over it", post + chunked(limit+1), 413},
		{"chunk size far over it", post + "Transfer-Encoding: chunked\r\n\r\n7ffffffffffffff\r\n" + body(200<<10), 413},
		{"over it, expecting", post + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", limit+1) + body(limit+1), 413},
		{"head at the limit", head(8 << 10), 200},
		{"head over it", head(8<<10 + 1), 431},
		{"head without an end", "GET /hooks/shop HTTP/1.1\r\nX: " + body(100<<10), 431},
		{"URL at the limit", url(8 << 10), 200},
		{"URL over it", url(8<<10 + 1), 431},
		{"URL without an end", "GET /" + body(100<<10), 431},
		{"100 fields", post + strings.Repeat("A: b\r\n", 98) + "\r\n", 200},
		{"101 fields", post + strings.Repeat("A: b\r\n", 99) + "\r\n", 431},
		{"10000 fields", post + strings.Repeat("A:b\r\n", 10000) + "\r\n", 431},
		{"gzip", post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
		{"identity", post + "Content-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}, Limits: httpd.Limits{Body: limit}})
			got := exchange(t, p.addr, tt.raw)
			for n := 0; n < 5 && got == ""; n++ { // who is refused while he still writes may miss the answer
				got = exchange(t, p.addr, tt.raw)
			}
			got = strings.TrimPrefix(got, "HTTP/1.1 100 Continue\r\n\r\n")
			if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", tt.code)) {
				t.Errorf("answer %.100q, want %d", got, tt.code)
			}
			if tt.code >= 400 && !strings.Contains(got, `{"error":{"code":"`) {
				t.Errorf("answer %q has no error body", got)
			}
		})
	}
}

func TestBodiesTogetherAreBounded(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Bodies: 100 << 10}})
	half := dial(t, p.addr) // 96 KiB of it are held
	io.WriteString(half, "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 98304\r\n\r\n"+strings.Repeat("x", 98303))
	small := "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8192\r\n\r\n" + strings.Repeat("x", 8192)
	waitFor(t, func() bool { return strings.HasPrefix(exchange(t, p.addr, small), "HTTP/1.1 503 ") })
	io.WriteString(half, "x")
	if got := make([]byte, 12); func() bool { _, err := io.ReadFull(half, got); return err != nil || string(got) != "HTTP/1.1 200" }() {
		t.Errorf("the first request: %q, want 200", got)
	}
	waitFor(t, func() bool { return strings.HasPrefix(exchange(t, p.addr, small), "HTTP/1.1 200 ") })
}

func TestBombsAreRefusedUnread(t *testing.T) {
	megabytes := 64
	if os.Getenv("GATEWAY_CHAOS") == "1" {
		megabytes = 1024
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range megabytes {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	for _, enc := range []string{"gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "identity, gzip"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := do(t, client(t), request(t, "POST", "http://"+p.addr+"/hooks/shop", bomb.String(), "Content-Encoding", enc))
		runtime.ReadMemStats(&after)
		if got.StatusCode != http.StatusUnsupportedMediaType || len(h.requests()) != 0 {
			t.Errorf("%s: %d, want 415", enc, got.StatusCode)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%s: %d bytes allocated", enc, n)
		}
	}
}

// TestSlowClients holds 200 connections, half with endless headers and half
// with bodies of a declared megabyte, and looks at time, memory, and whether
// others are served.
func TestSlowClients(t *testing.T) {
	const conns, read = 200, 3 * time.Second
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Read: read}})
	before := rss(t)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range conns {
		c := dial(t, p.addr)
		raw := "GET /hooks/shop HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			raw = "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("x", 8300)
		}
		io.WriteString(c, raw)
		wg.Go(func() {
			stop := make(chan struct{})
			var drip sync.WaitGroup
			drip.Go(func() {
				for tick := time.NewTicker(50 * time.Millisecond); ; {
					select {
					case <-stop:
						tick.Stop()
						return
					case <-tick.C:
						c.Write([]byte("x"))
					}
				}
			})
			b, _ := io.ReadAll(c)
			close(stop)
			drip.Wait()
			if !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
				t.Errorf("slow client: %.60q, want 408", b)
			}
		})
	}
	cl := client(t)
	for range 50 {
		if got := do(t, cl, request(t, "POST", "http://"+p.addr+"/hooks/shop", "x")); got.StatusCode != 200 {
			t.Errorf("healthy client: %d, want 200", got.StatusCode)
		}
	}
	healthy, grown := time.Since(start), rss(t)-before
	wg.Wait()
	if d := time.Since(start); d > patience { // at their pace a request takes minutes
		t.Errorf("slow clients were held for %v with a read time of %v", d, read)
	}
	if healthy > patience/2 {
		t.Errorf("50 healthy requests took %v", healthy)
	}
	if grown > 50<<20 {
		t.Errorf("memory grew by %d MB for %d slow clients", grown>>20, conns)
	}
	if n := len(h.requests()); n != 50 {
		t.Errorf("%d requests reached the driver, want the 50 healthy ones", n)
	}
}

// rss returns the resident memory of this process in bytes.
func rss(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestConnectionsPerAddress(t *testing.T) {
	p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}, Limits: httpd.Limits{ConnsPerAddr: 2}})
	get := "GET /hooks/shop HTTP/1.1\r\nHost: x\r\n\r\n"
	held := []net.Conn{dial(t, p.addr), dial(t, p.addr)}
	for _, c := range held {
		io.WriteString(c, get)
		if b := make([]byte, 12); func() bool { _, err := io.ReadFull(c, b); return err != nil || string(b) != "HTTP/1.1 200" }() {
			t.Fatalf("within the limit: %q", b)
		}
	}
	third := dial(t, p.addr)
	b, _ := io.ReadAll(third)
	if !strings.HasPrefix(string(b), "HTTP/1.1 429 ") {
		t.Errorf("over the limit: %.60q, want 429", b)
	}
	held[0].Close()
	waitFor(t, func() bool {
		c := dial(t, p.addr)
		defer c.Close()
		io.WriteString(c, get)
		b := make([]byte, 12)
		_, err := io.ReadFull(c, b)
		return err == nil && string(b) == "HTTP/1.1 200"
	})
}

func TestConnectionLogIsOneBoundedLine(t *testing.T) {
	p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}})
	exchange(t, p.addr, "GET /\x1b[31m\r\nX: canary\r\n\r\n"+strings.Repeat("A", 5000))
	if log := p.log.String(); strings.Contains(log, "canary") || strings.Contains(log, "\x1b") {
		t.Errorf("the log quotes the client: %s", log)
	}
}

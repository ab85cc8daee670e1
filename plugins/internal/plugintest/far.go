package plugintest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Request is what the far side got.
type Request struct {
	Method, URI, Type, Body string
	Key                     string // the header key
}

// Far is a far side that answers with the same bytes, and remembers.
type Far struct {
	Status int
	Body   string
	Header http.Header

	mu   sync.Mutex
	seen []Request
}

func (f *Far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.seen = append(f.seen, Request{Method: r.Method, URI: r.URL.RequestURI(), Type: r.Header.Get("Content-Type"),
		Body: string(b), Key: r.Header.Get("key")})
	f.mu.Unlock()
	for k, v := range f.Header {
		w.Header()[k] = v
	}
	if f.Status != 0 {
		w.WriteHeader(f.Status)
	}
	_, _ = io.WriteString(w, f.Body)
}

// Requests returns what came in.
func (f *Far) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// Listen is a far side below HTTP. It serves one connection after the other.
func Listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// Lost are far sides that take a request and give no whole answer. Begun is one
// that gets as far as a good status.
var Lost = []struct {
	Name  string
	Begun bool
	Serve func(net.Conn)
}{
	{"closed after the request", false, readRequest},
	{"reset after the request", false, func(c net.Conn) {
		readRequest(c)
		_ = c.(*net.TCPConn).SetLinger(0)
	}},
	{"hangs", false, func(c net.Conn) {
		readRequest(c)
		_, _ = io.Copy(io.Discard, c) // until the client gives up
	}},
	{"never reads", false, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.Copy(io.Discard, c)
	}},
	{"garbage", false, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
	}},
	{"status and half a body", true, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status")
	}},
	{"a status and then one byte at a time", true, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		_, _ = io.Copy(io.Discard, c)
	}},
}

func readRequest(c net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// Patiently calls with longer and longer limits until the verdict is want, and
// returns the last one: on a busy machine a call takes a while to get that far.
func Patiently(want string, call func(limit time.Duration) error) string {
	got := ""
	for limit := 100 * time.Millisecond; got != want && limit < time.Minute; limit *= 2 {
		got = Verdict(call(limit))
	}
	return got
}

// Unreached is a far side that nothing gets to.
type Unreached struct {
	Name, Base string
	Ctx        context.Context // of calls
}

// Nowhere returns far sides that nothing gets to.
func Nowhere(t *testing.T) []Unreached {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	_ = l.Close()
	plain := Listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	return []Unreached{
		{"refused", refused, t.Context()},
		{"no such host", "http://nowhere.invalid", t.Context()},
		{"no TLS over there", strings.Replace(plain, "http", "https", 1), t.Context()},
		{"ended before", refused, ended},
	}
}

// Verdict names what an error tells the gateway to do.
func Verdict(err error) string {
	switch e := err.(type) { //nolint:errorlint // the outermost one counts
	case nil:
		return "ok"
	case *sdk.RetryError:
		if e.Throttled {
			return "throttled " + e.After.String()
		}
		return "retry"
	case *sdk.AmbiguousError:
		return "ambiguous"
	case *sdk.RejectedError:
		return "rejected " + e.Code
	}
	for _, known := range []error{sdk.ErrChatGone, sdk.ErrAuthConfig, sdk.ErrUnsupported} {
		if strings.HasPrefix(err.Error(), known.Error()) {
			return known.Error()
		}
	}
	return err.Error()
}

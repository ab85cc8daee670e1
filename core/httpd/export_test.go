package httpd

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Routes lists the admin API as "METHOD path", and whether it is open.
func Routes() map[string]bool {
	list := map[string]bool{}
	for _, op := range new(Admin).routes() {
		list[op.method+" "+op.path] = op.open
	}
	return list
}

// SetBeat has streams show every so often that they live.
func (a *Admin) SetBeat(every time.Duration) { a.beat = every }

// OpenAPI is the embedded description.
func OpenAPI() []byte { return openAPI }

// SplitHook is splitHook.
var SplitHook = splitHook

// Decode runs decode on a body, as a handler would.
func Decode(body []byte, v any) error {
	var r fasthttp.RequestCtx
	r.Request.Header.SetContentType("application/json")
	r.SetUserValue(bodyKey{}, body)
	return decode(&r, v)
}

// Keepalive returns ws as a driver has it, kept alive until ctx ends.
func Keepalive(ctx context.Context, ws *websocket.Conn, every time.Duration) (driver net.Conn, kept <-chan struct{}) {
	c, done := newSocketConn(ws, 1<<10), make(chan struct{})
	go func() {
		defer close(done)
		c.keep(ctx, every)
	}()
	return c, done
}

// HeadOK says whether a request's head is read and let through.
func HeadOK(h *fasthttp.RequestHeader) bool { return checkHead(h, 100) == nil }

// ParseRange is parseRange; part says whether a part is to be sent.
func ParseRange(s string, size int64) (from, to int64, part bool) {
	from, to, kind := parseRange(s, size)
	return from, to, kind == rangePart
}

// ReadLate reads of a file that is taken too slowly.
func ReadLate(f KeptFile) error {
	b := &linkBody{f: f, part: io.NewSectionReader(f.Body, 0, f.Bytes), until: time.Now().Add(-time.Second)}
	_, err := b.Read(make([]byte, 1))
	return err
}

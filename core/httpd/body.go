package httpd

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

// bodies reads the bodies of one server's requests and bounds them.
type bodies struct {
	each int   // bytes
	all  int64 // bytes
	held atomic.Int64
}

const firstRead = 16 << 10 // bytes set aside for a body before any has arrived

// read returns a copy of r's body. Its memory grows only as bytes arrive, and
// counts until the caller gives held to release, also after an error.
func (b *bodies) read(r *fasthttp.RequestCtx) (body []byte, held int64, err error) {
	declared, stream := r.Request.Header.ContentLength(), r.RequestBodyStream()
	if declared > b.each {
		return nil, 0, b.tooLarge()
	}
	if stream == nil || declared == 0 {
		return nil, 0, nil
	}
	size := b.each + 1 // chunked
	if declared > 0 {
		size = declared
	}
	for {
		room := min(size, max(firstRead, 2*cap(body))) - cap(body)
		if held += int64(room); b.held.Add(int64(room)) > b.all {
			return nil, held, core.Errorf(core.Unavailable, "too much data at once")
		}
		body, err = fill(stream, append(make([]byte, 0, cap(body)+room), body...))
		switch {
		case len(body) == declared:
			return body, held, nil
		case len(body) > b.each:
			return nil, held, b.tooLarge()
		case errors.Is(err, io.EOF) && declared < 0 && !cutOff(r):
			return body, held, nil
		case err != nil:
			return nil, held, wireCause(err)
		}
	}
}

// fill reads into b's spare capacity until it is full or r fails.
func fill(r io.Reader, b []byte) ([]byte, error) {
	for len(b) < cap(b) {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// cutOff says whether the client's side of the connection has ended. fasthttp
// takes a chunked body that ends between two chunks, without the last one,
// for a whole one; in a whole one the end of the connection is not read.
func cutOff(r *fasthttp.RequestCtx) bool {
	c, ok := r.Conn().(*conn)
	return ok && c.eof
}

// release gives back what read held.
func (b *bodies) release(held int64) { b.held.Add(-held) }

func (b *bodies) tooLarge() error {
	return core.Errorf(core.TooLarge, "the body is larger than %d bytes", b.each)
}
